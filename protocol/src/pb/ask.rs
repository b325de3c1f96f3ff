//! Logging in: the calls that every side makes which has connected to a master.

use super::proof;
use crate::broker::{Args, Link, Target};
use crate::jelly::{Failure, Value};
use crate::session::{Rejection, Violation};

/// Asks for a challenge.
pub(super) fn login(link: &mut Link, name: &str) -> Result<(i64, Vec<u8>), Violation> {
    let name = Value::Bytes(name.as_bytes().to_vec());
    call(link, Target::Root, "login", vec![name])
}

/// Answers the challenge. `mind` is the object for the master to call, if any.
pub(super) fn respond(
    link: &mut Link,
    challenge: &Value,
    password: &str,
    mind: Value,
) -> Result<(i64, Vec<u8>), Violation> {
    let Some([Value::Bytes(challenge), Value::Remote(challenger)]) = challenge.items() else {
        return Err(Violation("the master's challenge has an unexpected form".to_owned()));
    };
    let response = Value::Bytes(proof::respond(password, challenge).to_vec());
    call(link, Target::Object(*challenger), "respond", vec![response, mind])
}

/// What an accepted login gives: the object to call from now on.
pub(super) fn avatar(value: &Value) -> Result<i64, Violation> {
    match value {
        Value::Remote(avatar) => Ok(*avatar),
        _ => Err(Violation("the master accepted the login without an object".to_owned())),
    }
}

/// Why the master has refused.
pub(super) fn rejection(failure: &Failure) -> Rejection {
    match failure.is_unauthorized() {
        true => Rejection::WrongPassword,
        false if failure.value.is_empty() => Rejection::Other(failure.kind.clone()),
        false => Rejection::Other(failure.value.clone()),
    }
}

fn call(
    link: &mut Link,
    target: Target,
    method: &str,
    args: Vec<Value>,
) -> Result<(i64, Vec<u8>), Violation> {
    link.call(target, method, Args::new(args)).map_err(|error| Violation(error.to_string()))
}
