//! The options that both Gerrit sources share.

use super::event::Rules;
use crate::config::fields::Fields;

/// Stock's.
const HANDLED: [&str; 2] = ["patchset-created", "ref-updated"];

/// What is done with events.
#[derive(Debug, Clone)]
pub struct GerritOptions {
    pub rules: Rules,
    /// Ask Gerrit for the files of each change.
    pub get_files: bool,
    /// Tell every event in the log.
    pub debug: bool,
}

impl GerritOptions {
    /// Reads the shared keys. `class` is told in a property of each change; `base` is the
    /// `gitBaseURL` of a source that knows one by itself.
    pub fn parse(
        fields: &mut Fields<'_>,
        class: &'static str,
        base: Option<String>,
    ) -> GerritOptions {
        let base = match base {
            Some(base) => fields.or("gitBaseURL", base),
            None => fields.required("gitBaseURL"),
        };
        let handled: Option<Vec<String>> = fields.optional("handled_events");
        GerritOptions {
            rules: Rules {
                class,
                git_base_url: base.trim_end_matches('/').to_owned(),
                handled: handled.unwrap_or_else(|| HANDLED.map(str::to_owned).to_vec()),
            },
            get_files: fields.or_default("get_files"),
            debug: fields.or_default("debug"),
        }
    }
}
