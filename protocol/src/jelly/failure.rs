//! Exceptions on the wire.

use super::Value;

/// The tag of an exception.
pub(super) const TAG: &str = "twisted.spread.pb.CopyableFailure";

/// What a peer's traceback says when it does not want to tell.
const UNAVAILABLE: &str = "Traceback unavailable\n";

/// An exception, as far as peers look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The qualified name of the exception's class, such as `builtins.KeyError`.
    pub kind: String,
    /// The exception as text.
    pub value: String,
    pub traceback: String,
    /// Class and base classes, most derived first. Stock peers recognise exceptions by them.
    pub parents: Vec<String>,
}

impl Failure {
    /// An exception of a class whose base classes, beside those of every exception, are `bases`.
    pub fn new(kind: &str, bases: &[&str], value: impl Into<String>) -> Failure {
        let every = ["builtins.Exception", "builtins.BaseException", "builtins.object"];
        let parents = std::iter::once(&kind).chain(bases).chain(&every);
        Failure {
            kind: kind.to_owned(),
            value: value.into(),
            traceback: UNAVAILABLE.to_owned(),
            parents: parents.map(|name| (*name).to_owned()).collect(),
        }
    }

    /// Whether the exception is of a class or of one derived from it.
    pub fn is(&self, class: &str) -> bool {
        self.kind == class || self.parents.iter().any(|parent| parent == class)
    }

    /// One line: class and text.
    pub fn summary(&self) -> String {
        match self.value.is_empty() {
            true => self.kind.clone(),
            false => format!("{}: {}", self.kind, self.value),
        }
    }

    /// For people: [`Failure::summary`], and the traceback if the peer told it.
    pub fn explain(&self) -> String {
        let (summary, traceback) = (self.summary(), self.traceback.trim_end());
        match traceback.is_empty() || traceback == UNAVAILABLE.trim_end() || traceback == summary {
            true => summary,
            false => format!("{summary}\n{traceback}"),
        }
    }

    /// Reads the dictionary of an exception. Python 2 peers send bytes for all of it, incomplete
    /// ones leave something out.
    pub(super) fn from_state(state: &Value) -> Failure {
        let text = |name| state.get(name).and_then(Value::text);
        let kind = text("type").unwrap_or_else(|| "builtins.Exception".to_owned());
        let parents = state.get("parents").and_then(Value::items).unwrap_or_default();
        let mut parents: Vec<String> = parents.iter().filter_map(Value::text).collect();
        if parents.is_empty() {
            parents.push(kind.clone());
        }
        Failure {
            kind,
            value: state.get("value").map(Value::display).unwrap_or_default(),
            traceback: text("traceback").unwrap_or_default(),
            parents,
        }
    }

    /// The dictionary that every stock peer can read.
    pub(super) fn to_state(&self) -> Value {
        let key = |name: &str| Value::from(name);
        let parents = self.parents.iter().map(|name| Value::from(name.as_str())).collect();
        Value::Dict(vec![
            (key("type"), Value::Bytes(self.kind.clone().into_bytes())),
            (key("value"), Value::from(self.value.as_str())),
            (key("traceback"), Value::from(self.traceback.as_str())),
            (key("parents"), Value::List(parents)),
            (key("frames"), Value::List(Vec::new())),
            (key("stack"), Value::List(Vec::new())),
            (key("tb"), Value::None),
            (key("count"), Value::Int(1)),
            (key("captureVars"), Value::Bool(false)),
            (key("unsafeTracebacks"), Value::Bool(false)),
        ])
    }
}
