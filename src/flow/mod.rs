//! Pure decisions, in the order things happen. No actor, no database, no clock of its own: time
//! and rows come in as values, a decision comes out.

pub mod links;
pub mod report;
pub mod pace;
pub mod restart;
pub mod rhythm;
pub mod branches;
pub mod git_log;
pub mod git_url;
pub mod hg_log;
pub mod pattern;
pub mod priority;
pub mod change_facts;
pub mod category;
pub mod change_filter;
pub mod file_filter;
pub mod intake;
pub mod stable_timer;
pub mod calendar;
pub mod timed;
pub mod sources;
pub mod verdict;
pub mod interested;
pub mod force;
pub mod try_job;
pub mod user_report;
pub mod old_worker;
pub mod rules;
pub mod collapse;
pub mod locks;
pub mod assign;
pub mod pending;
pub mod quarantine;
pub mod retry;
pub mod source_filter;
pub mod old_builds;
pub mod services;
pub mod markdown;
pub mod build_properties;
pub mod interpolate;
pub mod expression;
pub mod build_state;
pub mod loglines;
pub mod test_reports;

pub use crate::model::address;
