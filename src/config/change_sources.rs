//! `change_source`: where changes come from.

use std::path::Path;
use std::time::Duration;

use super::checked::{Branches, ChangeSourceConfig, GitPollerConfig};
use super::fields::{Fields, FromRaw};
use super::pb_change_source;
use super::problems::Problems;
use super::raw::{Raw, RawValue};
use super::values::{non_empty, properties, safe_directory, shell_patterns};

const LATER: [&str; 12] = [
    "HgPoller",
    "SVNPoller",
    "P4Source",
    "GerritChangeSource",
    "GerritEventLogPoller",
    "GitHubPullrequestPoller",
    "BitbucketPullrequestPoller",
    "BitbucketServerPullrequestPoller",
    "CVSMaildirSource",
    "SVNCommitEmailMaildirSource",
    "BzrLaunchpadEmailMaildirSource",
    "BzrPoller",
];

/// Stock's default: ten minutes.
const POLL_INTERVAL: Duration = Duration::from_secs(600);
/// Stock's default directory; each poller has its own below it.
const WORKDIR: &str = "gitpoller-work";

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
    let class = fields.class(None, &["GitPoller", "PBChangeSource"], &LATER)?;
    Some(match class {
        "PBChangeSource" => {
            ChangeSourceConfig::PbChangeSource(pb_change_source::parse(fields, basedir))
        }
        _ => ChangeSourceConfig::GitPoller(git_poller(fields)),
    })
}

fn git_poller(mut fields: Fields<'_>) -> GitPollerConfig {
    let repourl: String = fields.required_checked("repourl", non_empty);
    let name = fields.optional_checked("name", non_empty).unwrap_or_else(|| repourl.clone());
    let workdir = fields
        .optional_checked("workdir", non_empty)
        .unwrap_or_else(|| format!("{WORKDIR}/{}", directory(&name)));
    let gitbin = fields.optional_checked("gitbin", non_empty).unwrap_or_else(|| "git".to_owned());
    let poller = GitPollerConfig {
        name,
        repourl,
        branches: branches(&mut fields),
        poll_interval: fields.or("pollInterval", POLL_INTERVAL),
        poll_at_launch: fields.or_default("pollAtLaunch"),
        poll_random_delay_min: fields.or_default("pollRandomDelayMin"),
        poll_random_delay_max: fields.or_default("pollRandomDelayMax"),
        project: fields.or_default("project"),
        category: fields.optional("category"),
        codebase: fields.or_default("codebase"),
        gitbin,
        workdir: workdir.into(),
        usetimestamps: fields.or("usetimestamps", true),
        properties: properties(&mut fields, "properties", "Change"),
        build_pushes_with_no_commits: fields.or_default("buildPushesWithNoCommits"),
    };
    check_delays(&mut fields, &poller);
    fields.unsupported(&[
        "only_tags",
        "encoding",
        "sshPrivateKey",
        "sshHostKey",
        "sshKnownHosts",
        "auth_credentials",
        "git_credentials",
    ]);
    fields.finish();
    poller
}

/// A directory name for any poller's name, which is usually a URL; without user and password.
fn directory(name: &str) -> String {
    let (scheme, rest) = name.split_once("://").unwrap_or(("", name));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    match host.rsplit_once('@') {
        Some((_, host)) if !scheme.is_empty() => {
            safe_directory(&format!("{scheme}://{host}/{path}"))
        }
        _ => safe_directory(name),
    }
}

/// `branch`, or `branches`: true, or names and shell patterns.
fn branches(fields: &mut Fields<'_>) -> Branches {
    let branch = fields.optional_checked("branch", non_empty);
    let branches = fields.take("branches").filter(|raw| raw.value != RawValue::Null);
    match (branch, branches) {
        (Some(_), Some(raw)) => {
            fields.problem_at("branches", &raw.place, "is given beside 'branch'; give one of them");
            Branches::Head
        }
        (Some(branch), None) => Branches::Named(vec![branch]),
        (None, Some(raw)) => branch_list(fields, &raw),
        (None, None) => Branches::Head,
    }
}

fn branch_list(fields: &mut Fields<'_>, raw: &Raw) -> Branches {
    match &raw.value {
        RawValue::Bool(true) => return Branches::All,
        RawValue::Bool(false) => return Branches::Head,
        _ => {}
    }
    match Vec::<String>::from_raw(raw) {
        Ok(names) if names.is_empty() => Branches::Head,
        Ok(names) => {
            if let Some(message) = shell_patterns(&names) {
                fields.problem_at("branches", &raw.place, message);
            }
            Branches::Named(names)
        }
        Err(_) => {
            let message = "must be true for all branches, or a list of names and shell patterns";
            fields.problem_at("branches", &raw.place, message);
            Branches::Head
        }
    }
}

/// Stock's rules.
fn check_delays(fields: &mut Fields<'_>, poller: &GitPollerConfig) {
    let (min, max) = (poller.poll_random_delay_min, poller.poll_random_delay_max);
    if min > max {
        fields.problem("'pollRandomDelayMin' must not be longer than 'pollRandomDelayMax'");
    }
    if !max.is_zero() && max >= poller.poll_interval {
        fields.problem("'pollRandomDelayMax' must be shorter than 'pollInterval'");
    }
    if poller.poll_interval.is_zero() && !poller.poll_at_launch {
        fields.problem("'pollInterval' 0 never polls, except with pollAtLaunch = true");
    }
}

#[cfg(test)]
mod tests {
    use super::directory;

    #[test]
    fn directories_hold_no_password() {
        for (name, expected) in [
            ("https://me:hunter2@example.org/a.git", "https___example_org_a_git"),
            ("git@example.org:a.git", "git_example_org_a_git"),
            ("/srv/git/a.git", "_srv_git_a_git"),
            ("nightly builds", "nightly_builds"),
        ] {
            assert_eq!(directory(name), expected);
        }
    }
}
