//! The exceptions that stock peers answer with, and by which they know each other.

use crate::jelly::{Failure, JellyError, Value};

/// A worker's or master's login was refused; the only refusal that stock workers survive.
const UNAUTHORIZED: &str = "twisted.cred.error.UnauthorizedLogin";
/// How a master knows an old worker.
const NO_SUCH_METHOD: &str = "twisted.spread.flavors.NoSuchMethod";

impl Failure {
    /// Name or password are wrong.
    pub fn is_unauthorized(&self) -> bool {
        self.is(UNAUTHORIZED)
    }

    /// The peer is too old, or too new, for the call.
    pub fn is_no_such_method(&self) -> bool {
        self.is(NO_SUCH_METHOD)
    }
}

/// Name or password are wrong.
pub fn unauthorized() -> Failure {
    let bases = ["twisted.cred.error.LoginFailed", "twisted.cred.error.Unauthorized"];
    Failure::new(UNAUTHORIZED, &bases, "")
}

/// The number of an object that does not exist, or not any more.
pub fn invalid_object() -> Failure {
    Failure::new("twisted.spread.pb.Error", &[], "Invalid Object ID")
}

/// A method that an object does not have.
pub fn no_such_method(name: &str) -> Failure {
    let text = format!("No such method: remote_{name}");
    Failure::new(NO_SUCH_METHOD, &["builtins.AttributeError"], text)
}

/// A method that what a login gives does not have.
pub fn no_such_attribute(class: &str, name: &str) -> Failure {
    let text = format!("'{class}' object has no attribute 'perspective_{name}'");
    Failure::new("builtins.AttributeError", &[], text)
}

/// Wrong arguments.
pub fn type_error(text: impl Into<String>) -> Failure {
    Failure::new("builtins.TypeError", &[], text)
}

/// What an error message holds: normally an exception, but anything may come.
pub fn failure_of(value: Result<Value, JellyError>) -> Failure {
    let text = match value {
        Ok(Value::Failure(failure)) => return *failure,
        Ok(other) => other.display(),
        Err(error) => error.to_string(),
    };
    Failure::new("twisted.spread.pb.Error", &[], text)
}
