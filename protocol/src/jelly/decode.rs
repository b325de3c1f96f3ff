//! Expressions to values.
//!
//! A sender writes a shared object once as `["reference", n, …]` and then as `["dereference", n]`.
//! Values here are trees, so a dereference is a copy, and copies of copies could grow without bound:
//! all copies of one message share a budget.

use std::collections::HashMap;

use super::read::lossy;
use super::{Failure, Moment, Value, failure};
use crate::banana::{Expression, Limits};

/// A value and what it owes to its sender.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Also when the value is wrong, the objects that came with it have been received.
    pub value: Result<Value, JellyError>,
    /// The sender's objects, once per occurrence: each is one count to be given back.
    pub remotes: Vec<i64>,
}

/// Why an expression is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JellyError {
    /// A kind of value that is not accepted from anybody, named the way stock peers do.
    #[error("{0}")]
    Insecure(String),
    #[error("{0}")]
    Malformed(&'static str),
}

/// Reads one value. Copies of shared objects stay within the elements and bytes of `limits`.
pub fn decode(expression: Expression, limits: &Limits) -> Decoded {
    let mut reader = Reader {
        shared: HashMap::new(),
        elements: limits.elements,
        bytes: limits.size,
        remotes: Vec::new(),
    };
    let value = reader.value(expression);
    Decoded { value, remotes: reader.remotes }
}

struct Reader {
    /// Shared objects by number; `None` while the object is being read.
    shared: HashMap<i64, Option<Value>>,
    /// What copies may still cost.
    elements: usize,
    bytes: usize,
    remotes: Vec<i64>,
}

impl Reader {
    fn value(&mut self, expression: Expression) -> Result<Value, JellyError> {
        let items = match expression {
            Expression::Int(number) => return Ok(Value::Int(number)),
            Expression::Big(number) => return Ok(Value::Big(number)),
            Expression::Float(number) => return Ok(Value::Float(number)),
            Expression::Bytes(bytes) => return Ok(Value::Bytes(bytes)),
            Expression::List(items) => items,
        };
        let mut items = items.into_iter();
        let Some(Expression::Bytes(tag)) = items.next() else {
            return Err(JellyError::Malformed("a list without the name of its kind"));
        };
        self.tagged(&tag, items)
    }

    fn tagged(
        &mut self,
        tag: &[u8],
        mut items: std::vec::IntoIter<Expression>,
    ) -> Result<Value, JellyError> {
        Ok(match tag {
            b"None" | b"NoneType" => Value::None,
            b"unicode" => Value::Text(lossy(bytes_of(items.next())?)),
            b"boolean" | b"bool" => Value::Bool(bytes_of(items.next())? == b"true"),
            b"tuple" => Value::Tuple(self.sequence(items)?),
            b"list" => Value::List(self.sequence(items)?),
            b"set" => Value::Set(self.sequence(items)?),
            b"frozenset" => Value::FrozenSet(self.sequence(items)?),
            b"dictionary" | b"dict" => {
                Value::Dict(items.map(|pair| self.pair(pair)).collect::<Result<_, _>>()?)
            }
            b"datetime" => Value::Moment(Moment::DateTime, numbers(items.next())?),
            b"date" => Value::Moment(Moment::Date, numbers(items.next())?),
            b"time" => Value::Moment(Moment::Time, numbers(items.next())?),
            b"timedelta" => Value::Moment(Moment::TimeDelta, numbers(items.next())?),
            b"decimal" => {
                let coefficient = match items.next() {
                    Some(Expression::Int(number)) => Value::Int(number),
                    Some(Expression::Big(number)) => Value::Big(number),
                    _ => return Err(JellyError::Malformed("a decimal without its coefficient")),
                };
                Value::Decimal(Box::new(coefficient), int_of(items.next())?)
            }
            b"remote" => {
                let object = int_of(items.next())?;
                self.remotes.push(object);
                Value::Remote(object)
            }
            b"local" => Value::Local(int_of(items.next())?),
            b"reference" => {
                let number = int_of(items.next())?;
                self.reference(number, items.next())?
            }
            b"dereference" => self.dereference(int_of(items.next())?)?,
            b"unpersistable" => Value::Unpersistable(numbers(items.next())?),
            _ if tag == failure::TAG.as_bytes() => {
                let state =
                    items.next().ok_or(JellyError::Malformed("an exception without state"))?;
                Value::Failure(Box::new(Failure::from_state(&self.value(state)?)))
            }
            _ => return Err(insecure(tag)),
        })
    }

    fn sequence(
        &mut self,
        items: std::vec::IntoIter<Expression>,
    ) -> Result<Vec<Value>, JellyError> {
        items.map(|item| self.value(item)).collect()
    }

    fn pair(&mut self, pair: Expression) -> Result<(Value, Value), JellyError> {
        let wrong = JellyError::Malformed("a dictionary whose items are not pairs");
        let Expression::List(pair) = pair else { return Err(wrong) };
        let [key, value]: [Expression; 2] = pair.try_into().map_err(|_| wrong)?;
        Ok((self.value(key)?, self.value(value)?))
    }

    fn reference(&mut self, number: i64, item: Option<Expression>) -> Result<Value, JellyError> {
        let item = item.ok_or(JellyError::Malformed("a reference to nothing"))?;
        if self.shared.insert(number, None).is_some() {
            return Err(JellyError::Malformed("two references with the same number"));
        }
        let value = self.value(item)?;
        let copy = self.copy(&value)?;
        self.shared.insert(number, Some(copy));
        Ok(value)
    }

    fn dereference(&mut self, number: i64) -> Result<Value, JellyError> {
        match self.shared.remove(&number) {
            Some(Some(value)) => {
                let copy = self.copy(&value);
                self.shared.insert(number, Some(value));
                copy
            }
            Some(None) => Err(JellyError::Malformed("a value that contains itself")),
            None => Err(JellyError::Malformed("a dereference of nothing")),
        }
    }

    fn copy(&mut self, value: &Value) -> Result<Value, JellyError> {
        self.charge(value)?;
        Ok(value.clone())
    }

    fn charge(&mut self, value: &Value) -> Result<(), JellyError> {
        let bytes = match value {
            Value::Bytes(bytes) => bytes.len(),
            Value::Text(text) | Value::Unpersistable(text) | Value::Moment(_, text) => text.len(),
            Value::Big(_) | Value::Decimal(..) => 64,
            Value::Failure(failure) => {
                let parents = failure.parents.iter().map(|parent| parent.len() + 24);
                let texts = [&failure.kind, &failure.value, &failure.traceback];
                parents.chain(texts.map(String::len)).sum()
            }
            Value::Tuple(items)
            | Value::List(items)
            | Value::Set(items)
            | Value::FrozenSet(items) => {
                items.iter().try_for_each(|item| self.charge(item))?;
                0
            }
            Value::Dict(pairs) => {
                for (key, value) in pairs {
                    self.charge(key)?;
                    self.charge(value)?;
                }
                0
            }
            _ => 0,
        };
        let spent = JellyError::Malformed("a value that grows too large when it is unfolded");
        self.elements = self.elements.checked_sub(1).ok_or(spent.clone())?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(spent)?;
        Ok(())
    }
}

fn bytes_of(item: Option<Expression>) -> Result<Vec<u8>, JellyError> {
    match item {
        Some(Expression::Bytes(bytes)) => Ok(bytes),
        _ => Err(JellyError::Malformed("bytes are missing")),
    }
}

fn numbers(item: Option<Expression>) -> Result<String, JellyError> {
    bytes_of(item).map(lossy)
}

fn int_of(item: Option<Expression>) -> Result<i64, JellyError> {
    match item {
        Some(Expression::Int(number)) => Ok(number),
        _ => Err(JellyError::Malformed("a number is missing")),
    }
}

/// The texts of stock peers: bytes as Python shows them, or the module of a class.
fn insecure(tag: &[u8]) -> JellyError {
    let shown = String::from_utf8_lossy(&tag[..tag.len().min(200)]).into_owned();
    JellyError::Insecure(match shown.rsplit_once('.') {
        Some((module, _)) => format!("Module {module} not allowed (in type {shown})."),
        None => format!("b'{}'", shown.escape_default()),
    })
}
