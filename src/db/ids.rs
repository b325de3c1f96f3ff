//! Lets Diesel bind and read the id newtypes of `model`, so that queries are typed by noun.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromStaticSqlRow, Queryable};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Nullable};

use crate::model::*;

macro_rules! columns {
    ($($id:ident),+ $(,)?) => {$(
        impl<DB: Backend> FromSql<BigInt, DB> for $id
        where
            i64: FromSql<BigInt, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                <i64 as FromSql<BigInt, DB>>::from_sql(bytes).map($id)
            }
        }

        impl<DB: Backend> Queryable<BigInt, DB> for $id
        where
            i64: FromStaticSqlRow<BigInt, DB>,
        {
            type Row = i64;

            fn build(row: i64) -> deserialize::Result<Self> {
                Ok($id(row))
            }
        }

        impl<DB: Backend> ToSql<BigInt, DB> for $id
        where
            i64: ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }

        columns!(@expression $id, $id, BigInt);
        columns!(@expression $id, $id, Nullable<BigInt>);
        columns!(@expression $id, &$id, BigInt);
        columns!(@expression $id, &$id, Nullable<BigInt>);
    )+};
    (@expression $id:ident, $bound:ty, $sql:ty) => {
        impl AsExpression<$sql> for $bound {
            type Expression = <i64 as AsExpression<$sql>>::Expression;

            fn as_expression(self) -> Self::Expression {
                <i64 as AsExpression<$sql>>::as_expression(self.0)
            }
        }
    };
}

columns!(
    MasterId,
    BuilderId,
    WorkerId,
    ProjectId,
    SchedulerId,
    ChangeSourceId,
    ChangeId,
    SourceStampId,
    PatchId,
    BuildsetId,
    BuildRequestId,
    BuildId,
    StepId,
    LogId,
    ObjectId,
    ProblemId,
);
