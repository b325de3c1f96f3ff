//! The actors of status targets: facts in, messages out.
//!
//! A target has two halves. The *reader* follows the stream of facts from the place where it
//! stopped, asks the reporter what to tell, and stores the messages together with its new place in
//! one transaction. The *courier* delivers what is stored, and notes what became of it. Either
//! may die at any time; what a message needs is in the database.

mod actor;
mod cases;
mod courier;
mod house_keeping;
mod reader;

pub use actor::Targets;
