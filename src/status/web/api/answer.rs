//! What an endpoint is asked and what it answers, and how a query works on rows in memory.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ApiError;
use super::query::Query;
use super::routes::Captures;
use crate::config::checked::MasterConfig;
use crate::db::listing::{self, Field, Filter, Kind, Listed, Op, Scope, Spec, Want};
use crate::db::{Conn, DbError};
use crate::status::web::backstage::Backstage;

/// One request to an endpoint.
pub struct Ask {
    pub captures: Captures,
    pub query: Query,
    pub config: Arc<MasterConfig>,
    /// What only the running master knows.
    pub backstage: Arc<dyn Backstage>,
    /// The endpoint's pattern, for messages.
    pub pattern: &'static str,
}

/// What an endpoint answers.
pub enum Answer {
    One(Value),
    Many { rows: Vec<Value>, total: i64 },
}

impl Answer {
    /// The envelope under the entity's plural.
    pub fn envelope(self, plural: &str) -> Value {
        match self {
            Answer::One(entity) => json!({ plural: [entity], "meta": {} }),
            Answer::Many { rows, total } => json!({ plural: rows, "meta": { "total": total } }),
        }
    }
}

/// Fills rows up to entities.
pub type Attach<T> = fn(&mut Conn, &[T], &Query) -> Result<Vec<Value>, DbError>;

/// Rows that are entities already.
pub fn plain<T: Serialize>(_: &mut Conn, rows: &[T], _: &Query) -> Result<Vec<Value>, DbError> {
    Ok(rows.iter().map(|row| serde_json::to_value(row).unwrap_or_default()).collect())
}

impl Ask {
    /// The same with another query.
    pub fn with_query(&self, query: Query) -> Ask {
        let (captures, config) = (self.captures.clone(), self.config.clone());
        Ask { query, captures, config, backstage: self.backstage.clone(), pattern: self.pattern }
    }

    pub fn not_found(&self) -> ApiError {
        ApiError::NotFound(format!("/{}", self.pattern))
    }

    /// The one row of `scope`.
    pub fn one<T: Listed>(
        &self,
        conn: &mut Conn,
        scope: &Scope,
        attach: Attach<T>,
    ) -> Result<Answer, ApiError> {
        let row = listing::one::<T>(conn, scope)?.ok_or_else(|| self.not_found())?;
        let entity = attach(conn, &[row], &self.query)?.pop().unwrap_or_default();
        Ok(Answer::One(select(entity, &self.query.fields)))
    }

    /// Rows of a growing table: the database filters, orders and pages wherever the query names
    /// columns only.
    pub fn table<T: Listed>(
        &self,
        conn: &mut Conn,
        scope: &Scope,
        attach: Attach<T>,
    ) -> Result<Answer, ApiError> {
        let spec = &self.query.spec;
        if !columns_only::<T>(spec) {
            return self.small(conn, scope, attach);
        }
        let page = listing::list::<T>(conn, scope, spec)?;
        let rows = attach(conn, &page.rows, &self.query)?;
        let rows = rows.into_iter().map(|row| select(row, &self.query.fields)).collect();
        Ok(Answer::Many { rows, total: page.total })
    }

    /// Rows of a small table (or the newest of a big one), filtered and ordered here.
    pub fn small<T: Listed>(
        &self,
        conn: &mut Conn,
        scope: &Scope,
        attach: Attach<T>,
    ) -> Result<Answer, ApiError> {
        let page = listing::list::<T>(conn, scope, &Spec::default())?;
        let entities = attach(conn, &page.rows, &self.query)?;
        Ok(self.memory(entities, T::FIELDS))
    }

    /// Applies the query to entities.
    pub fn memory(&self, mut entities: Vec<Value>, fields: &[Field]) -> Answer {
        let spec = &self.query.spec;
        for filter in &spec.filters {
            let kind = fields.iter().find(|field| field.name == filter.field).map(|f| f.kind);
            entities.retain(|entity| passes(&entity[filter.field], filter, kind));
        }
        entities.sort_by(|a, b| {
            spec.order.iter().fold(Ordering::Equal, |before, order| {
                before.then_with(|| {
                    let ordering = compare(&a[order.field], &b[order.field]);
                    if order.descending { ordering.reverse() } else { ordering }
                })
            })
        });
        let total = entities.len() as i64;
        let offset = usize::try_from(spec.offset.unwrap_or(0)).unwrap_or(0);
        let limit = spec.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0));
        let rows = entities.into_iter().skip(offset).take(limit);
        let rows = rows.map(|entity| select(entity, &self.query.fields)).collect();
        Answer::Many { rows, total }
    }
}

fn columns_only<T: Listed>(spec: &Spec) -> bool {
    let is_column =
        |name: &str| T::FIELDS.iter().any(|field| field.name == name && field.is_column());
    spec.filters.iter().all(|filter| is_column(filter.field))
        && spec.order.iter().all(|order| is_column(order.field))
}

/// Keeps the wanted keys; none wanted is all.
pub fn select(entity: Value, fields: &[&str]) -> Value {
    match entity {
        Value::Object(map) if !fields.is_empty() => {
            let kept: Map<String, Value> =
                map.into_iter().filter(|(key, _)| fields.contains(&key.as_str())).collect();
            Value::Object(kept)
        }
        other => other,
    }
}

fn passes(value: &Value, filter: &Filter, kind: Option<Kind>) -> bool {
    let equals = |want: &Want| same(value, want);
    let first = filter.values.first();
    let ordering = || match (value, first) {
        (Value::Number(number), Some(Want::Int(want))) => number.as_i64().map(|n| n.cmp(want)),
        (Value::String(text), Some(Want::Text(want))) => Some(text.as_str().cmp(want.as_str())),
        _ => None,
    };
    match filter.op {
        Op::Eq | Op::In => filter.values.iter().any(equals),
        Op::Ne | Op::NotIn => !filter.values.iter().any(equals),
        Op::Lt => ordering().is_some_and(Ordering::is_lt),
        Op::Le => ordering().is_some_and(Ordering::is_le),
        Op::Gt => ordering().is_some_and(Ordering::is_gt),
        Op::Ge => ordering().is_some_and(Ordering::is_ge),
        Op::Contains => filter.values.iter().any(|want| contains(value, want, kind)),
    }
}

fn same(value: &Value, want: &Want) -> bool {
    match (value, want) {
        (Value::Number(number), Want::Int(want)) => number.as_i64() == Some(*want),
        (Value::Bool(flag), Want::Int(want)) => *flag == (*want != 0),
        (Value::String(text), Want::Text(want)) => text == want,
        _ => false,
    }
}

fn contains(value: &Value, want: &Want, kind: Option<Kind>) -> bool {
    match (value, want) {
        (Value::Array(items), _) => items.iter().any(|item| same(item, want)),
        (Value::String(text), Want::Text(want)) => text.contains(want.as_str()),
        (Value::Number(number), Want::Int(want)) if kind == Some(Kind::Int) => {
            number.to_string().contains(&want.to_string())
        }
        _ => false,
    }
}

/// Null comes first.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_i64().cmp(&b.as_i64()),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => (!a.is_null()).cmp(&!b.is_null()),
    }
}
