//! Pure decisions, in the order things happen. No actor, no database, no clock of its own: time
//! and rows come in as values, a decision comes out.

pub mod restart;
pub mod change_filter;
pub mod interpolate;
