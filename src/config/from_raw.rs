//! Which raw values stand for which types, and what is said about the others.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::raw::{Raw, RawValue};
use crate::flow::interpolate::Renderable;

/// Ten years: longer waits are slips of the pen.
const LONGEST_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;

/// A type that can be read from a raw value; the error says what it should have been.
pub trait FromRaw: Sized {
    fn from_raw(raw: &Raw) -> Result<Self, String>;
}

fn expected<T>(what: &str, raw: &Raw) -> Result<T, String> {
    Err(format!("must be {what}, not {}", raw.kind()))
}

impl FromRaw for bool {
    fn from_raw(raw: &Raw) -> Result<bool, String> {
        match raw.value {
            RawValue::Bool(value) => Ok(value),
            _ => expected("true or false", raw),
        }
    }
}

impl FromRaw for i64 {
    fn from_raw(raw: &Raw) -> Result<i64, String> {
        match raw.value {
            RawValue::Int(value) => Ok(value),
            _ => expected("a whole number", raw),
        }
    }
}

impl FromRaw for usize {
    fn from_raw(raw: &Raw) -> Result<usize, String> {
        let value = i64::from_raw(raw)?;
        usize::try_from(value).map_err(|_| format!("must not be negative, and is {value}"))
    }
}

/// Seconds, whole or with a fraction.
impl FromRaw for Duration {
    fn from_raw(raw: &Raw) -> Result<Duration, String> {
        let seconds = f64::from_raw(raw)
            .map_err(|_| format!("must be a number of seconds, not {}", raw.kind()))?;
        if seconds.is_nan() || seconds < 0.0 {
            return Err(format!("must be 0 seconds or more, and is {seconds}"));
        }
        if seconds > LONGEST_SECONDS {
            return Err(format!("must be at most {LONGEST_SECONDS} seconds, and is {seconds}"));
        }
        Ok(Duration::from_secs_f64(seconds))
    }
}

impl FromRaw for f64 {
    fn from_raw(raw: &Raw) -> Result<f64, String> {
        match raw.value {
            RawValue::Int(value) => Ok(value as f64),
            RawValue::Float(value) => Ok(value),
            _ => expected("a number", raw),
        }
    }
}

impl FromRaw for String {
    fn from_raw(raw: &Raw) -> Result<String, String> {
        match &raw.value {
            RawValue::Text(value) => Ok(value.clone()),
            _ => expected("a string", raw),
        }
    }
}

impl FromRaw for Value {
    fn from_raw(raw: &Raw) -> Result<Value, String> {
        Ok(raw.to_json())
    }
}

/// A list; a single value stands for a list of one, as Buildbot takes it in most places.
impl<T: FromRaw> FromRaw for Vec<T> {
    fn from_raw(raw: &Raw) -> Result<Vec<T>, String> {
        match &raw.value {
            RawValue::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    T::from_raw(item).map_err(|message| format!("item {index} {message}"))
                })
                .collect(),
            _ => Ok(vec![T::from_raw(raw)?]),
        }
    }
}

impl<T: FromRaw> FromRaw for IndexMap<String, T> {
    fn from_raw(raw: &Raw) -> Result<IndexMap<String, T>, String> {
        let RawValue::Table(table) = &raw.value else { return expected("a table", raw) };
        table
            .iter()
            .map(|(key, value)| match T::from_raw(value) {
                Ok(value) => Ok((key.clone(), value)),
                Err(message) => Err(format!("'{key}' {message}")),
            })
            .collect()
    }
}

/// Strings with `%(…)s` are interpolated, everything else is literal.
impl FromRaw for Renderable {
    fn from_raw(raw: &Raw) -> Result<Renderable, String> {
        Renderable::parse(&raw.to_json()).map_err(|error| error.to_string())
    }
}
