//! Pure decisions, in the order things happen. No actor, no database, no clock of its own: time
//! and rows come in as values, a decision comes out.

pub mod restart;
pub mod branches;
pub mod git_log;
pub mod pattern;
pub mod priority;
pub mod change_filter;
pub mod stable_timer;
pub mod calendar;
pub mod timed;
pub mod sources;
pub mod force;
pub mod try_job;
pub mod user_report;
pub mod old_worker;
pub mod collapse;
pub mod assign;
pub mod build_properties;
pub mod interpolate;
pub mod expression;
pub mod build_state;
pub mod loglines;
