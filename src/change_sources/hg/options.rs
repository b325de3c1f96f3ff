//! The options of `HgPoller`.

use std::fmt;
use std::path::PathBuf;

use crate::change_sources::registry::Draft;
use crate::config::fields::Fields;
use crate::config::values::{directory, non_empty, utf8_only};
use crate::flow::branches::masked;
use crate::flow::category::Category;

/// Where the copies of pollers without a `workdir` are.
const WORKDIR: &str = "hgpoller-work";

/// What a `HgPoller` is told.
#[derive(Clone)]
pub struct HgOptions {
    pub repourl: String,
    branches: Vec<String>,
    bookmarks: Vec<String>,
    /// Relative to the base directory.
    pub workdir: PathBuf,
    pub hgbin: String,
    pub usetimestamps: bool,
    pub project: String,
    pub codebase: String,
    /// `%(branch)s` and `%(revision)s` are replaced; stock takes a callable of both.
    revlink: String,
}

/// Without the password that a URL may hold.
impl fmt::Debug for HgOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HgOptions").field("repourl", &masked(&self.repourl)).finish_non_exhaustive()
    }
}

impl HgOptions {
    pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> HgOptions {
        let repourl: String = fields.required_checked("repourl", non_empty);
        let branch: Option<String> = fields.optional_checked("branch", non_empty);
        let mut branches: Vec<String> = fields.or_default("branches");
        let bookmarks: Vec<String> = fields.or_default("bookmarks");
        if branch.is_some() && !branches.is_empty() {
            fields.problem("'branch' is given beside 'branches'; give one of them");
        }
        branches.extend(branch);
        let name = draft.name(|| default_name(&repourl, &bookmarks, &branches));
        if branches.is_empty() && bookmarks.is_empty() {
            branches.push("default".to_owned());
        }
        draft.category = Category::read(fields);
        utf8_only(fields, "encoding");
        let workdir = fields.optional_checked("workdir", non_empty);
        HgOptions {
            repourl,
            branches,
            bookmarks,
            workdir: workdir.unwrap_or_else(|| format!("{WORKDIR}/{}", directory(&name))).into(),
            hgbin: fields.optional_checked("hgbin", non_empty).unwrap_or_else(|| "hg".to_owned()),
            usetimestamps: fields.or("usetimestamps", true),
            project: fields.or_default("project"),
            codebase: fields.or_default("codebase"),
            revlink: fields.or_default("revlink"),
        }
    }

    /// What is watched, branches first; true for a bookmark.
    pub fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        let branches = self.branches.iter().map(|name| (name.as_str(), false));
        branches.chain(self.bookmarks.iter().map(|name| (name.as_str(), true)))
    }

    pub fn revlink_of(&self, branch: &str, revision: &str) -> String {
        self.revlink.replace("%(branch)s", branch).replace("%(revision)s", revision)
    }
}

/// Stock's.
fn default_name(repourl: &str, bookmarks: &[String], branches: &[String]) -> String {
    let parts =
        std::iter::once(repourl).chain(bookmarks.iter().chain(branches).map(String::as_str));
    parts.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn options(written: Value) -> (String, HgOptions, String) {
        let raw = Raw::from_json(written);
        let mut problems = Problems::new();
        let mut draft = Draft::default();
        let mut fields = Fields::of(&raw, "", &mut problems);
        let options = HgOptions::parse(&mut fields, &mut draft);
        fields.finish();
        (draft.name(String::new), options, problems.to_string())
    }

    #[test]
    fn names_and_defaults_are_stocks() {
        let (name, hg, problems) = options(json!({ "repourl": "https://h/r" }));
        assert_eq!((name.as_str(), problems.as_str()), ("https://h/r", ""));
        assert_eq!(hg.names().collect::<Vec<_>>(), [("default", false)]);
        assert_eq!(hg.workdir.to_str(), Some("hgpoller-work/https___h_r"));
        assert_eq!((hg.hgbin.as_str(), hg.usetimestamps), ("hg", true));

        let (name, hg, _) = options(json!({
            "repourl": "r", "branches": ["a", "b"], "bookmarks": "m",
            "revlink": "https://h/%(branch)s/%(revision)s",
        }));
        assert_eq!(name, "r_m_a_b");
        assert_eq!(hg.names().collect::<Vec<_>>(), [("a", false), ("b", false), ("m", true)]);
        assert_eq!(hg.revlink_of("a", "1f"), "https://h/a/1f");

        let (_, _, problems) = options(json!({ "repourl": "r", "branch": "a", "branches": "b" }));
        assert!(problems.contains("give one of them"), "{problems}");
    }
}
