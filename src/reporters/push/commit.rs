//! What a forge is told about: a commit of a repository, and how far its build is.

use serde_json::Value;

use crate::db::listing::BuildCase;
use crate::flow::git_url;
use crate::flow::interpolate::{RenderContext, Renderable};
use crate::model::{Properties, Results};
use crate::reporters::formatters::{linked, properties_of, sources_of};
use crate::reporters::{Report, Site};

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not begun.
    Waiting,
    Running,
    Ended(Results),
}

impl Phase {
    pub fn of(build: &BuildCase) -> Phase {
        if build.entity["complete"].as_bool() == Some(true) {
            return Phase::Ended(build.results.unwrap_or(Results::Exception));
        }
        if build.entity["started_at"].is_null() { Phase::Waiting } else { Phase::Running }
    }
}

/// A report about one build, ready for forges.
pub(super) struct Told<'a> {
    pub build: &'a BuildCase,
    pub phase: Phase,
    /// The report's text.
    pub description: Option<String>,
    /// The page of the build or request.
    pub url: Value,
}

impl Told<'_> {
    /// `None` when the report is about no build.
    pub fn of<'a>(report: &'a Report, site: &Site) -> Option<Told<'a>> {
        let build = report.builds.first()?;
        Some(Told {
            build,
            phase: Phase::of(build),
            description: report.body.as_ref().map(super::super::Body::to_text),
            url: linked(build, site)["url"].clone(),
        })
    }

    /// The source stamps, entities of the REST interface.
    pub fn stamps(&self) -> &[Value] {
        let stamps = self.build.entity["buildset"]["sourcestamps"].as_array();
        stamps.map(Vec::as_slice).unwrap_or_default()
    }

    /// The property's value; null when there is none.
    pub fn property(&self, name: &str) -> &Value {
        &self.build.entity["properties"][name][0]
    }

    /// # Errors
    /// What the renderable asks of the build in vain.
    pub fn render(&self, renderable: &Renderable) -> Result<String, String> {
        let (properties, sources) = (properties_of(self.build), sources_of(self.build));
        let context = RenderContext {
            properties: &properties,
            sources: &sources,
            worker: &Properties::new(),
            // What is stored and sent to others holds no secrets.
            secret: &|_| None,
        };
        renderable.render_text(&context).map_err(|error| error.to_string())
    }
}

/// The text under `key` of a stamp, if it has one.
pub(super) fn text<'a>(stamp: &'a Value, key: &str) -> Option<&'a str> {
    stamp[key].as_str().filter(|text| !text.is_empty())
}

/// Owner and repository at GitHub: a project `owner/repo`, or else the repository's address.
pub(super) fn owner_and_repo(stamp: &Value) -> Option<(String, String)> {
    let project = text(stamp, "project").and_then(|project| project.split_once('/'));
    let pair = |(owner, repo): (&str, &str)| (owner.to_owned(), repo.to_owned());
    let whole =
        |(owner, repo): &(&str, &str)| !owner.is_empty() && !repo.is_empty() && !repo.contains('/');
    project.filter(whole).map(pair).or_else(|| {
        let url = git_url::parse(text(stamp, "repository")?)?;
        Some((url.owner, url.repo))
    })
}

/// At most so many characters, which the forge takes.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// The beginning of a revision, for people.
pub(super) fn short(revision: &str) -> String {
    revision.chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn owner_and_repository_are_found() {
        let table = [
            ("o/r", "https://github.com/a/b", Some(("o", "r"))),
            ("hello", "https://github.com/a/b", Some(("a", "b"))),
            ("a/b/c", "https://github.com/a/b", Some(("a", "b"))),
            ("/r", "git@github.com:a/b.git", Some(("a", "b"))),
            ("", "git@github.com:a/b.git", Some(("a", "b"))),
            ("", "/srv/git/x", None),
            ("hello", "", None),
        ];
        for (project, repository, expected) in table {
            let stamp = json!({ "project": project, "repository": repository });
            let expected = expected.map(|(owner, repo)| (owner.to_owned(), repo.to_owned()));
            assert_eq!(owner_and_repo(&stamp), expected, "{project} {repository}");
        }
    }

    #[test]
    fn long_texts_are_shortened_by_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
    }
}
