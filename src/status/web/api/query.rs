//! The query language: filters, order, fields, paging and wanted properties.
//!
//! An unknown name without `__` is an error, one with `__` is ignored: scripts rely on both.

use crate::db::listing::{Field, Filter, Kind, Op, Order, Spec, Want};

use super::ApiError;
use crate::status::web::backstage::Explain;

/// A parsed query string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub spec: Spec,
    /// Keys to return; empty is all.
    pub fields: Vec<&'static str>,
    /// Names of properties to fill in; `*` is all.
    pub properties: Vec<String>,
    /// Who tells why requests wait.
    pub explain: Explain,
    /// Of projects: only those with builders, or only those without.
    pub active_projects: Option<bool>,
}

/// The pairs of a query string: separated by `&` or `;`, names without `=` dropped.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split(['&', ';'])
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name, true), decode(value, true)))
        .collect()
}

/// Percent-decoding; `plus` makes a plus a blank. Wrong escapes stay as they are.
pub fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (escaped, bytes[at]) {
            (Some(byte), _) => {
                out.push(byte);
                at += 2;
            }
            (None, b'+') if plus => out.push(b' '),
            (None, byte) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads a query for an entity with `fields`; `collection` allows filters.
///
/// # Errors
/// With stock's sentence about the first parameter that is wrong.
pub fn parse(
    pairs: &[(String, String)],
    fields: &[Field],
    collection: bool,
) -> Result<Query, ApiError> {
    let mut query = Query::default();
    let mut filters: Vec<(&str, Filter)> = Vec::new();
    for (name, value) in pairs {
        match name.as_str() {
            "limit" => set_number(&mut query.spec.limit, value, "invalid limit")?,
            "offset" => set_number(&mut query.spec.offset, value, "invalid offset")?,
            "field" => query.fields.push(known(fields, value)?.name),
            "order" => query.spec.order.push(order(fields, value)?),
            "property" => query.properties.push(value.clone()),
            _ => {
                if let Some(filter) = filter(fields, name, value)? {
                    merge(&mut filters, name, filter);
                }
            }
        }
    }
    if !collection {
        if !filters.is_empty() {
            return bad("this is not a collection");
        }
        return Ok(query);
    }
    query.spec.filters = filters.into_iter().map(|(_, filter)| filter).filter(usable).collect();
    check_selected(&query)?;
    // A negative limit is no limit.
    query.spec.limit = query.spec.limit.filter(|limit| *limit >= 0);
    Ok(query)
}

fn bad<T>(text: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::Bad(text.into()))
}

/// Only the first value counts.
fn set_number(slot: &mut Option<i64>, value: &str, complaint: &str) -> Result<(), ApiError> {
    if slot.is_none() {
        match integer(value) {
            Some(number) => *slot = Some(number),
            None => return bad(complaint),
        }
    }
    Ok(())
}

/// Python's `int()`: blanks around, a sign, and single underscores between digits.
pub fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_formed = !digits.starts_with('_')
        && !digits.ends_with('_')
        && !digits.contains("__")
        && digits.starts_with(|c: char| c.is_ascii_digit());
    well_formed.then(|| text.replace('_', "").parse().ok()).flatten()
}

fn known<'f>(fields: &'f [Field], name: &str) -> Result<&'f Field, ApiError> {
    match fields.iter().find(|field| field.public && field.name == name) {
        Some(field) => Ok(field),
        None => bad(format!("no such field '{name}'")),
    }
}

fn order(fields: &[Field], value: &str) -> Result<Order, ApiError> {
    let (name, descending) = match value.strip_prefix('-') {
        Some(name) => (name, true),
        None => (value, false),
    };
    Ok(Order { field: known(fields, name)?.name, descending })
}

fn filter(fields: &[Field], name: &str, value: &str) -> Result<Option<Filter>, ApiError> {
    let (field, op) = match name.split_once("__") {
        Some((field, op)) => (field, op),
        None => (name, "eq"),
    };
    let field = fields.iter().find(|candidate| candidate.public && candidate.name == field);
    let (Some(field), Some(op)) = (field, operator(op)) else {
        if name.contains("__") {
            return Ok(None);
        }
        return bad(format!("unrecognized query parameter '{name}'"));
    };
    match coerce(field.kind, value) {
        Some(value) => Ok(Some(Filter { field: field.name, op, values: vec![value] })),
        None => bad(format!("invalid filter value for {name}")),
    }
}

fn operator(name: &str) -> Option<Op> {
    Some(match name {
        "eq" => Op::Eq,
        "ne" => Op::Ne,
        "lt" => Op::Lt,
        "le" => Op::Le,
        "gt" => Op::Gt,
        "ge" => Op::Ge,
        "contains" => Op::Contains,
        "in" => Op::In,
        "notin" => Op::NotIn,
        _ => return None,
    })
}

fn coerce(kind: Kind, value: &str) -> Option<Want> {
    match kind {
        Kind::Int | Kind::Ints => integer(value).map(Want::Int),
        Kind::Bool => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Some(Want::Int(1)),
            "off" | "false" | "no" | "0" => Some(Want::Int(0)),
            _ => None,
        },
        Kind::Text | Kind::Texts => Some(Want::Text(value.to_owned())),
        Kind::Identifier => is_identifier(value).then(|| Want::Text(value.to_owned())),
        Kind::Object => None,
    }
}

/// `^[a-zA-Z_-][a-zA-Z0-9._-]*$`
pub fn is_identifier(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-'))
        && text.chars().all(plain)
}

/// A repeated parameter is one filter with several values.
fn merge<'n>(filters: &mut Vec<(&'n str, Filter)>, name: &'n str, filter: Filter) {
    match filters.iter_mut().find(|(other, _)| *other == name) {
        Some((_, first)) => first.values.extend(filter.values),
        None => filters.push((name, filter)),
    }
}

/// A repeated comparison means nothing; neither do two wishes about one flag.
fn usable(filter: &Filter) -> bool {
    let special = matches!(filter.field, "complete" | "claimed" | "claimed_by_masterid")
        || matches!(filter.field, "paused" | "graceful");
    match filter.op {
        Op::Lt | Op::Le | Op::Gt | Op::Ge => filter.values.len() == 1,
        _ => !special || filter.values.len() == 1,
    }
}

fn check_selected(query: &Query) -> Result<(), ApiError> {
    let selected = |field: &str| query.fields.is_empty() || query.fields.contains(&field);
    if !query.spec.order.iter().all(|order| selected(order.field)) {
        return bad("cannot order on un-selected fields");
    }
    if !query.spec.filters.iter().all(|filter| selected(filter.field)) {
        return bad("cannot filter on un-selected fields");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::listing::{BuildRow, BuilderRow, Listed, StepRow};

    fn parsed(text: &str) -> Result<Query, String> {
        parse(&pairs(text), BuildRow::FIELDS, true).map_err(|error| error.to_string())
    }

    #[test]
    fn errors_are_stocks_sentences() {
        let table = [
            ("limit=abc", "invalid limit"),
            ("limit=", "invalid limit"),
            ("offset=abc", "invalid offset"),
            ("foo=2", "unrecognized query parameter 'foo'"),
            ("results=abc", "invalid filter value for results"),
            ("results__lt=x", "invalid filter value for results__lt"),
            ("complete=maybe", "invalid filter value for complete"),
            ("order=foo", "no such field 'foo'"),
            ("order=buildid,number", "no such field 'buildid,number'"),
            ("field=foo", "no such field 'foo'"),
            ("field=buildid&order=number", "cannot order on un-selected fields"),
            ("field=buildid&results=0", "cannot filter on un-selected fields"),
        ];
        for (text, complaint) in table {
            assert_eq!(parsed(text), Err(complaint.to_owned()), "{text}");
        }
        let single = parse(&pairs("buildid=1"), BuildRow::FIELDS, false);
        assert_eq!(single.map_err(|e| e.to_string()), Err("this is not a collection".to_owned()));
        let name = parse(&pairs("name=skipped%20step"), StepRow::FIELDS, true);
        assert_eq!(name.map_err(|e| e.to_string()), Err("invalid filter value for name".into()));
    }

    #[test]
    fn values_become_filters() {
        let one = |field, op, values: &[i64]| Filter {
            field,
            op,
            values: values.iter().copied().map(Want::Int).collect(),
        };
        let table = [
            ("results=0", vec![one("results", Op::Eq, &[0])]),
            ("results=0;results=1", vec![one("results", Op::Eq, &[0, 1])]),
            ("results__ne=0&results__ne=1", vec![one("results", Op::Ne, &[0, 1])]),
            ("results__gt=2&results__gt=4", vec![]),
            (
                "results__ge=2&results__lt=5",
                vec![one("results", Op::Ge, &[2]), one("results", Op::Lt, &[5])],
            ),
            ("results__foo=2&foo__eq=2&novalue", vec![]),
            ("complete=TRUE", vec![one("complete", Op::Eq, &[1])]),
            ("complete=true&complete=false", vec![]),
            ("number=+1_0", vec![one("number", Op::Eq, &[10])]),
        ];
        for (text, filters) in table {
            assert_eq!(parsed(text).expect(text).spec.filters, filters, "{text}");
        }
    }

    #[test]
    fn paging_order_and_fields() {
        let query = parsed("limit=5&limit=9&offset=2&order=-results&order=buildid&property=*");
        let query = query.expect("parses");
        assert_eq!((query.spec.limit, query.spec.offset), (Some(5), Some(2)));
        assert_eq!(query.spec.order.len(), 2);
        assert!(query.spec.order[0].descending);
        assert_eq!(query.properties, ["*"]);
        assert_eq!(parsed("limit=-1").expect("parses").spec.limit, None);
        let tags = parse(&pairs("tags__contains=a+b"), BuilderRow::FIELDS, true).expect("parses");
        assert_eq!(tags.spec.filters[0].values, [Want::Text("a b".into())]);
    }

    #[test]
    fn escapes_are_decoded_leniently() {
        assert_eq!(decode("multi%20cb%2F%C3%A9+x%zz%", false), "multi cb/é+x%zz%");
    }
}
