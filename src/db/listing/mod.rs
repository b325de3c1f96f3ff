//! The reading side for REST and pages: filtered, ordered, limited lists of whole entities.
//!
//! Each noun describes its fields once, in [`Listed::FIELDS`]; the query language, the SQL and the
//! JSON follow from it. Rows are what the tables say; what belongs to many rows at once
//! (properties, tags, files …) is fetched for a whole page in one statement.

mod builders;
mod builds;
mod cases;
mod changes;
mod masters;
mod overview;
mod projects;
mod properties;
mod requests;
mod spec;
mod sql;
mod steps;
mod test_results;
mod workers;

pub use builders::{BuilderRow, attach_builders, builders, tags};
pub use builds::{BuildRow, build_of, builds_of_change};
pub use cases::{
    BuildCase, BuildsetCase, Details, attach_contents, build_case, builds_cut_since, buildset_case,
    request_cases, worker_cases,
};
pub use changes::{ChangeRow, SourceStampRow, attach_changes, stamps_of_buildsets};
pub use masters::{ChangeSourceRow, MasterRow, Owned, SchedulerRow, owned_by_masters};
pub use overview::*;
pub use projects::{BuildDataRow, ProjectRow, active_projects};
pub use properties::{build_properties, buildset_properties, change_properties};
pub use requests::{BuildsetRow, RequestRow};
pub use spec::{Field, Filter, Kind, Op, Order, Spec, Want};
pub use sql::{Scope, in_list};
pub use steps::{LogPlace, LogRow, StepRow, log_place};
pub use test_results::{TestLine, TestResultRow, TestResultSetRow, notable_tests};
pub use workers::{WorkerRow, attach_workers};

use serde::Serialize;

use super::{Conn, DbError};
use sql::{Backend, Sql};

/// Rows that an unlimited query over a growing table gives at most; `meta.total` tells the rest.
pub const UNLIMITED: i64 = 10_000;

/// A noun that can be listed.
pub trait Listed: diesel::deserialize::QueryableByName<Backend> + Serialize + 'static {
    /// What follows `FROM`.
    const FROM: &'static str;
    /// Every field of the REST entity, sorted as documented there.
    const FIELDS: &'static [Field];
    /// The field whose values are unique; it ends every order.
    const KEY: &'static str;
}

/// One page of rows, and how many there are without limit and offset.
#[derive(Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub total: i64,
}

/// The rows of `scope` that `spec` asks for. Fields that are no columns must not occur in it.
///
/// # Errors
/// When the database refuses.
pub fn list<T: Listed>(conn: &mut Conn, scope: &Scope, spec: &Spec) -> Result<Page<T>, DbError> {
    let limit = spec.limit.unwrap_or(UNLIMITED).clamp(0, UNLIMITED);
    let offset = spec.offset.unwrap_or(0).max(0);
    let mut query = Sql::select::<T>();
    query.restrict::<T>(scope, spec);
    query.order::<T>(&spec.order);
    query.push(&format!(" LIMIT {limit} OFFSET {offset}"));
    let rows: Vec<T> = if limit == 0 { Vec::new() } else { query.load(conn)? };
    let complete = offset == 0 && (rows.len() as i64) < limit;
    let total = if complete { rows.len() as i64 } else { count::<T>(conn, scope, spec)? };
    Ok(Page { rows, total })
}

/// The one row of `scope`, if there is one.
///
/// # Errors
/// When the database refuses.
pub fn one<T: Listed>(conn: &mut Conn, scope: &Scope) -> Result<Option<T>, DbError> {
    let spec = Spec { limit: Some(1), ..Spec::default() };
    let mut query = Sql::select::<T>();
    query.restrict::<T>(scope, &spec);
    query.push(" LIMIT 1");
    Ok(query.load::<T>(conn)?.pop())
}

fn count<T: Listed>(conn: &mut Conn, scope: &Scope, spec: &Spec) -> Result<i64, DbError> {
    let mut query = Sql::new(&format!("SELECT COUNT(*) AS n FROM {}", T::FROM));
    query.restrict::<T>(scope, spec);
    query.number(conn)
}
