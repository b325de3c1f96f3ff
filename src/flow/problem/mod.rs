//! Problems: when a builder is in trouble, whom to tell of it, in which way and how often.
//!
//! [`turn`] says what a build that has ended makes of a problem, [`schedule`] what is due for one
//! of the people who are told, [`quiet`] when nobody is to be told, [`words`] what they read.

pub mod quiet;
pub mod schedule;
#[cfg(test)]
mod schedule_tests;
pub mod turn;
pub mod words;
