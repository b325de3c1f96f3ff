//! Whole files: good ones load, a bad one shows all its problems at once.

mod bad;
mod documented;
mod good;
mod hasslers;
mod locks;
mod reading;
mod sections;
mod triggers;

use std::path::Path;

use super::{MasterConfig, Raw, toml};

/// A small configuration that uses every section.
pub const EXAMPLE: &str = include_str!("tests/example.toml");

pub fn parse(text: &str) -> Raw {
    toml::parse(text, "master.toml").unwrap_or_else(|problem| panic!("{problem}"))
}

/// The checked configuration, or the report of its problems.
pub fn check(text: &str) -> Result<MasterConfig, String> {
    super::check(&parse(text), Path::new("/srv/master")).map_err(|problems| problems.to_string())
}

/// [`EXAMPLE`] with one text replaced.
pub fn edited(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "the example holds no {from}");
    EXAMPLE.replacen(from, to, 1)
}

/// The only problem of [`EXAMPLE`] with one text replaced; empty when it loads.
pub fn problem_of(from: &str, to: &str) -> String {
    check(&edited(from, to)).err().unwrap_or_default()
}
