//! `codebaseGenerator`: which codebase a change belongs to.

use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::flow::change_facts::preview;
use crate::flow::change_filter::ChangeFilter;
use crate::flow::pattern::{Pattern, PatternTemplate};
use crate::model::NewChange;

/// Rules, of which the first that fits names the codebase. As in stock a change that no rule takes
/// has the codebase `""`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CodebaseRules(Vec<Rule>);

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    filter: ChangeFilter,
    /// `repository_re` again, for what it matched.
    repository: Vec<Pattern>,
    codebase: PatternTemplate,
}

impl CodebaseRules {
    /// Reads `codebaseGenerator`: a list of tables with the keys of a `change_filter`, and the
    /// `codebase` of the changes that fit.
    pub fn read(fields: &mut Fields<'_>) -> CodebaseRules {
        let entries = fields.entries("codebaseGenerator");
        let (_, problems) = fields.nested("codebaseGenerator");
        let rules = entries.into_iter().filter_map(|(path, raw)| rule(&raw, &path, problems));
        CodebaseRules(rules.collect())
    }

    /// The codebase of a change that has none; `None` when no rule takes it.
    pub fn codebase(&self, change: &NewChange) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let preview = preview(change);
        let rule = self.0.iter().find(|rule| rule.filter.matches(&preview))?;
        let patterns = rule.repository.iter();
        let found = patterns.filter_map(|p| p.regex().captures(&change.repository)).next();
        Some(match found {
            Some(found) => rule.codebase.expand(&found),
            None => rule.codebase.source().to_owned(),
        })
    }
}

fn rule(raw: &Raw, path: &str, problems: &mut Problems) -> Option<Rule> {
    let mut fields = Fields::of(raw, path, problems);
    if !matches!(raw.value, RawValue::Table(_)) {
        return None;
    }
    let codebase: String = fields.required("codebase");
    let filter = ChangeFilter::read(&mut fields);
    let sources: Vec<&str> = match raw.get("repository_re") {
        Some(Raw { value: RawValue::List(items), .. }) => {
            items.iter().filter_map(Raw::as_text).collect()
        }
        Some(one) => one.as_text().into_iter().collect(),
        None => Vec::new(),
    };
    // What is wrong with them the filter has told.
    let repository: Vec<Pattern> =
        sources.into_iter().filter_map(|source| Pattern::new(source).ok()).collect();
    let codebase = match repository.is_empty() {
        true => PatternTemplate::literal(&codebase),
        false => PatternTemplate::new(&codebase, &repository).unwrap_or_else(|message| {
            let place = raw.get("codebase").map_or(&raw.place, |raw| &raw.place);
            fields.problem_at("codebase", place, message);
            PatternTemplate::literal("")
        }),
    };
    fields.finish();
    Some(Rule { filter, repository, codebase })
}
