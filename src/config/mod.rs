//! What the user wrote, in two stages: [`raw`] is exactly the file, checked values are typed and
//! ready.
//!
//! `master.toml` and what it includes (`include`, `toml`) become one raw tree; a file per
//! section turns it into the [`checked`] values; `cross` compares the sections with each other;
//! [`mod@diff`] tells what a reconfiguration has to do.
//!
//! All problems of a file are found in one pass and reported together, each with file, line and
//! key path. A bad file changes nothing.

use std::path::Path;

pub mod raw;
pub mod checked;
pub mod fields;
pub mod problems;
mod from_raw;
pub mod sample;
mod toml;
mod include;
pub mod values;
mod listen;
mod database;
mod projects;
mod protocols;
mod www;
mod master;
mod workers;
mod change_sources;
mod pb_change_source;
mod user_managers;
mod services;
mod schedulers;
pub mod tls;
pub(crate) mod force;
mod force_fields;
mod force_nested;
mod force_codebases;
mod builders;
mod locks;
mod circle;
mod cross;
mod cross_clients;
mod cross_triggers;
mod cross_waits;
mod cross_hasslers;
mod cross_locks;
pub mod diff;
#[cfg(test)]
mod tests;

pub use checked::MasterConfig;
pub use diff::diff;
pub use problems::Problems;
pub use raw::Raw;

/// Reads and checks `path` (usually `master.toml`) and the files it includes. Relative database
/// files are resolved against `basedir`.
///
/// Blocks on files: call it from a blocking thread.
pub fn load(path: &Path, basedir: &Path) -> Result<MasterConfig, Problems> {
    check(&include::read(path)?, basedir)
}

/// Checks a whole configuration; finds every problem in one pass.
pub fn check(raw: &Raw, basedir: &Path) -> Result<MasterConfig, Problems> {
    let mut problems = Problems::new();
    let draft = master::parse(raw, basedir, &mut problems);
    cross::check(raw, &draft, &mut problems);
    if problems.is_empty() {
        return Ok(draft.into_config());
    }
    problems.sort();
    Err(problems)
}
