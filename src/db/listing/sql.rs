//! Builds one SELECT from a noun's fields and a [`Spec`].
//!
//! Every value from outside is bound. Only whole numbers of our own are written into the text.

use std::fmt::Write as _;

use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel::{RunQueryDsl, sql_query};

use super::spec::{Field, Filter, Kind, Op, Order, Spec, Want};
use super::{Conn, DbError, Listed};

pub(super) type Backend = <Conn as diesel::Connection>::Backend;

/// A restriction that the path gives: `builds.builderid = 3`.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    condition: String,
    texts: Vec<String>,
}

impl Scope {
    /// No restriction.
    pub fn all() -> Scope {
        Scope::default()
    }

    /// `expression = number`
    pub fn is(expression: &str, number: i64) -> Scope {
        Scope { condition: format!("{expression} = {number}"), texts: Vec::new() }
    }

    /// `expression = text`
    pub fn text(expression: &str, text: &str) -> Scope {
        Scope { condition: format!("{expression} = ?"), texts: vec![text.to_owned()] }
    }

    /// A condition without values from outside.
    pub fn condition(condition: impl Into<String>) -> Scope {
        Scope { condition: condition.into(), texts: Vec::new() }
    }

    /// Both restrictions.
    pub fn and(mut self, other: Scope) -> Scope {
        if self.condition.is_empty() {
            return other;
        }
        if !other.condition.is_empty() {
            self.condition = format!("({}) AND ({})", self.condition, other.condition);
            self.texts.extend(other.texts);
        }
        self
    }
}

/// `expression IN (1, 2, 3)`; false for no numbers at all.
pub fn in_list(expression: &str, numbers: impl IntoIterator<Item = i64>) -> String {
    let mut list = String::new();
    for number in numbers {
        let _ = write!(list, "{}{number}", if list.is_empty() { "" } else { ", " });
    }
    if list.is_empty() { "1 = 0".to_owned() } else { format!("{expression} IN ({list})") }
}

/// A statement and its values.
pub(super) struct Sql {
    text: String,
    values: Vec<Want>,
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl Sql {
    pub(super) fn new(text: &str) -> Sql {
        Sql { text: text.to_owned(), values: Vec::new() }
    }

    /// `SELECT <columns> FROM <table>`
    pub(super) fn select<T: Listed>() -> Sql {
        let columns: Vec<String> =
            T::FIELDS.iter().filter(|field| field.is_column()).map(column).collect();
        Sql::new(&format!("SELECT {} FROM {}", columns.join(", "), T::FROM))
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a WHERE of the scope and the filters.
    pub(super) fn restrict<T: Listed>(&mut self, scope: &Scope, spec: &Spec) {
        let mut word = " WHERE ";
        if !scope.condition.is_empty() {
            let _ = write!(self.text, "{word}({})", scope.condition);
            self.values.extend(scope.texts.iter().cloned().map(Want::Text));
            word = " AND ";
        }
        for filter in &spec.filters {
            let Some(field) = field_of::<T>(filter.field) else { continue };
            self.text.push_str(word);
            self.filter(field, filter);
            word = " AND ";
        }
    }

    /// Adds an ORDER BY that ends in the unique key.
    pub(super) fn order<T: Listed>(&mut self, order: &[Order]) {
        let keys = order.iter().copied().chain([Order { field: T::KEY, descending: false }]);
        let mut word = " ORDER BY ";
        for key in keys {
            let Some(field) = field_of::<T>(key.field) else { continue };
            let direction = if key.descending { "DESC" } else { "ASC" };
            let _ = write!(self.text, "{word}{} {direction}", field.sql);
            word = ", ";
        }
    }

    fn filter(&mut self, field: &Field, filter: &Filter) {
        let sql = comparable(field);
        let relation = match filter.op {
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
            Op::Eq | Op::In => return self.any_of(&format!("{sql} IN ("), &filter.values),
            Op::Ne | Op::NotIn => return self.any_of(&format!("{sql} NOT IN ("), &filter.values),
            Op::Contains => return self.contains(field, &filter.values),
        };
        let _ = write!(self.text, "{sql} {relation} ?");
        self.values.extend(filter.values.first().cloned());
    }

    fn any_of(&mut self, opening: &str, values: &[Want]) {
        let places = vec!["?"; values.len()].join(", ");
        let _ = write!(self.text, "{opening}{places})");
        self.values.extend(values.iter().cloned());
    }

    /// Substring; on numbers it is a comparison of the digits, as in stock.
    fn contains(&mut self, field: &Field, values: &[Want]) {
        let subject = match field.kind {
            Kind::Int | Kind::Bool => format!("CAST({} AS TEXT)", comparable(field)),
            _ => field.sql.to_owned(),
        };
        let one = format!("{subject} LIKE ? ESCAPE '!'");
        let _ = write!(self.text, "({})", vec![one; values.len()].join(" OR "));
        self.values.extend(values.iter().map(|value| Want::Text(pattern(value))));
    }

    pub(super) fn load<T>(self, conn: &mut Conn) -> Result<Vec<T>, DbError>
    where
        T: QueryableByName<Backend> + 'static,
    {
        let mut query = sql_query(self.text).into_boxed::<Backend>();
        for value in self.values {
            query = match value {
                Want::Int(number) => query.bind::<BigInt, _>(number),
                Want::Text(text) => query.bind::<Text, _>(text),
            };
        }
        Ok(query.load::<T>(conn)?)
    }

    /// The statement's only number, selected AS n.
    pub(super) fn number(self, conn: &mut Conn) -> Result<i64, DbError> {
        Ok(self.load::<Number>(conn)?.first().map_or(0, |row| row.n))
    }
}

fn field_of<T: Listed>(name: &str) -> Option<&'static Field> {
    T::FIELDS.iter().find(|field| field.name == name && field.is_column())
}

/// Old databases hold fractional seconds and null flags: both are evened out here.
fn column(field: &Field) -> String {
    match field.kind {
        Kind::Int => format!("CAST({} AS BIGINT) AS {}", field.sql, field.name),
        Kind::Bool => format!("{} AS {}", comparable(field), field.name),
        _ => format!("{} AS {}", field.sql, field.name),
    }
}

fn comparable(field: &Field) -> String {
    match field.kind {
        Kind::Bool => format!("(COALESCE({}, 0) <> 0)", field.sql),
        _ => field.sql.to_owned(),
    }
}

fn pattern(value: &Want) -> String {
    let text = match value {
        Want::Int(number) => number.to_string(),
        Want::Text(text) => text.clone(),
    };
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
