//! Calls on objects of the peer, their answers, and counted references to objects.
//!
//! | file | what it holds |
//! |---|---|
//! | `message` | the messages and their bytes |
//! | `link` | one connection: agreement on the dialect, numbering of calls |
//! | `exports` | the objects that the peer may call, with their counts |
//! | `errors` | the exceptions that stock peers answer with |
//!
//! Both peers may call at any time, and answers come in any order.

mod errors;
mod exports;
mod link;
mod message;

pub use errors::{
    failure_of, invalid_object, no_such_attribute, no_such_method, type_error, unauthorized,
};
pub use exports::Exports;
pub use link::{Arrived, Link};
pub use message::{Args, Call, Message, Target};

/// The only version of the protocol there ever was.
pub const VERSION: i64 = 6;

#[cfg(test)]
mod tests;
