//! Where GitHub, GitLab and Gerrit keep a change that is under review.

use protocol::command::Arg;
use serde_json::Value;

use crate::flow::interpolate::text;
use crate::model::Properties;
use crate::steps::source::site::{Site, plain};
use crate::steps::source::{End, Wanted, odd_word};

/// The system that the repository belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Review {
    None,
    /// Builds the merge of a pull request as it is now: `refs/pull/N/merge`.
    GitHub,
    /// Builds the source branch of a merge request, which is in a repository of its own.
    GitLab,
    /// Builds a patch set: `refs/changes/…`.
    Gerrit,
}

impl Review {
    pub fn class(self) -> &'static str {
        match self {
            Review::None => "Git",
            Review::GitHub => "GitHub",
            Review::GitLab => "GitLab",
            Review::Gerrit => "Gerrit",
        }
    }

    /// Turns `wanted` to the proposed change, if the build is about one. Answers the repository
    /// when it is another than the configured one.
    pub fn find(
        self,
        site: &mut Site<'_>,
        latest: bool,
        wanted: &mut Wanted,
    ) -> Result<Option<Arg>, End> {
        match self {
            Review::None => {}
            Review::GitHub => {
                let merge = wanted.branch.as_ref().is_some_and(|name| name.ends_with("/merge"));
                if merge {
                    // GitHub makes the merge anew whenever either side moves on.
                    wanted.revision = None;
                }
            }
            Review::GitLab => return merge_request(site.bench.properties(), wanted),
            Review::Gerrit => {
                if let Some(branch) = patch_set(site, latest) {
                    site.set_property("gerrit_branch", &branch);
                    wanted.branch = Some(branch);
                }
            }
        }
        Ok(None)
    }
}

/// The repository that a merge request comes from.
fn merge_request(properties: &Properties, wanted: &mut Wanted) -> Result<Option<Arg>, End> {
    if !properties.contains("target_branch") {
        return Ok(None);
    }
    let named = |name: &str| {
        let value = properties.get(name).filter(|value| !value.is_null()).map(text);
        value.filter(|value| !value.is_empty()).ok_or_else(|| {
            End::failure(format!("the build of a merge request has no property '{name}'"))
        })
    };
    let (branch, url) = (named("source_branch")?, named("source_git_ssh_url")?);
    for (what, word) in [("source branch", &branch), ("repository", &url)] {
        if let Some(reason) = odd_word(what, word) {
            return Err(End::failure(reason));
        }
    }
    wanted.branch = Some(branch);
    // The configured repository's revision is none of that one's.
    wanted.revision = None;
    Ok(Some(plain(&url)))
}

/// The reference of the patch set that the build is about, if it belongs to this step's project.
fn patch_set(site: &Site<'_>, latest: bool) -> Option<String> {
    let properties = site.bench.properties();
    let codebase = &site.options.codebase;
    let stamps = site.bench.sources();
    let stamp = stamps.iter().find(|stamp| stamp.codebase == *codebase)?;
    let ours = match properties.get("event.change.project").and_then(Value::as_str) {
        Some(changed) => changed == stamp.project,
        // A person has named the change, and there is one place only where it can be.
        None => stamps.len() == 1,
    };
    if latest || !ours {
        return None;
    }
    match properties.get("event.patchSet.ref").and_then(Value::as_str) {
        Some(reference) => Some(reference.to_owned()).filter(|name| name.starts_with("refs/")),
        None => change_reference(&text(properties.get("gerrit_change")?)),
    }
}

/// `change/patch set` as a reference: `refs/changes/` with the last two digits of the change first.
fn change_reference(change: &str) -> Option<String> {
    let (change, set) = change.split_once('/')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (change, set) = (number(change)?, number(set)?);
    Some(format!("refs/changes/{:02}/{change}/{set}", change % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gerrit_changes_have_references() {
        let cases = [
            ("4321/7", Some("refs/changes/21/4321/7")),
            ("105/1", Some("refs/changes/05/105/1")),
            ("7/12", Some("refs/changes/07/7/12")),
            ("7", None),
            ("7/1/2", None),
            ("a/b", None),
            ("", None),
        ];
        for (change, reference) in cases {
            assert_eq!(change_reference(change).as_deref(), reference, "{change}");
        }
    }
}
