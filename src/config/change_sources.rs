//! `change_source`: where changes come from.

use std::path::Path;

use super::checked::ChangeSourceConfig;
use super::fields::Fields;
use super::pb_change_source;
use super::problems::Problems;
use super::raw::Raw;
use crate::change_sources::registry::{self, REGISTRY};

/// The one class that is told, and looks nowhere.
const PB: &str = "PBChangeSource";

const LATER: [&str; 7] = [
    "P4Source",
    "BitbucketPullrequestPoller",
    "BitbucketServerPullrequestPoller",
    "CVSMaildirSource",
    "SVNCommitEmailMaildirSource",
    "BzrLaunchpadEmailMaildirSource",
    "BzrPoller",
];

/// Reads `change_source`: a list, or one table. The files of TLS endpoints are looked for below
/// `basedir`.
pub fn parse(fields: &mut Fields<'_>, basedir: &Path) -> Vec<(String, ChangeSourceConfig)> {
    let entries = fields.entries("change_source");
    let (_, problems) = fields.nested("change_source");
    entries
        .into_iter()
        .filter_map(|(path, raw)| {
            let source = source(&raw, &path, basedir, problems)?;
            Some((path, source))
        })
        .collect()
}

fn source(
    raw: &Raw,
    path: &str,
    basedir: &Path,
    problems: &mut Problems,
) -> Option<ChangeSourceConfig> {
    let mut fields = Fields::of(raw, path, problems);
    let mut known: Vec<&'static str> = REGISTRY.iter().map(|class| class.class).collect();
    known.push(PB);
    let class = fields.class(None, &known, &LATER)?;
    Some(match registry::find(class) {
        Some(source_type) => ChangeSourceConfig::Looks(registry::parse(source_type, raw, fields)),
        None => ChangeSourceConfig::PbChangeSource(pb_change_source::parse(fields, basedir)),
    })
}
