//! A pull request as GitHub tells it becomes a change.

use serde_json::Value;

use super::Shape;
use crate::model::NewChange;

/// Everything GitHub was asked about one pull request.
pub struct Details {
    pub pull: Value,
    /// Oldest first.
    pub commits: Vec<Value>,
    pub files: Vec<Value>,
}

/// The change of a pull request whose head is `revision`.
///
/// # Errors
/// A message for people: what is missing in GitHub's answer.
pub fn change(
    details: &Details,
    number: i64,
    revision: &str,
    shape: &Shape,
) -> Result<NewChange, String> {
    let pull = &details.pull;
    let side = if shape.magic_link { "base" } else { "head" };
    let repository = pull[side]["repo"][shape.url_key].as_str().ok_or_else(|| {
        format!("its {side} repository is gone; with magic_link = true only the base is needed")
    })?;
    let branch = match shape.magic_link {
        true => format!("refs/pull/{number}/merge"),
        false => pull["head"]["ref"].as_str().ok_or("GitHub tells no head branch")?.to_owned(),
    };
    let project = shape.project.clone().or_else(|| text(&pull["base"]["repo"]["full_name"]));
    let first = details.commits.first().ok_or("GitHub tells no commits")?;
    let revlink = text(&pull["html_url"]).unwrap_or_default();
    let mut properties = match pull.as_object() {
        Some(pull) => shape.wanted.properties("github", pull),
        None => return Err("GitHub tells nothing about it".to_owned()),
    };
    properties.set("pullrequesturl", revlink.as_str(), "Change");
    Ok(NewChange {
        author: person(&first["commit"]["author"]),
        committer: Some(person(&first["commit"]["committer"])),
        comments: comments(pull, number),
        files: details.files.iter().filter_map(|file| text(&file["filename"])).collect(),
        branch: Some(branch),
        revision: Some(revision.to_owned()),
        revlink,
        when_timestamp: when(&pull["updated_at"]),
        category: None,
        repository: repository.to_owned(),
        project: project.unwrap_or_default(),
        codebase: shape.codebase.clone(),
        properties,
        src: Some("git".to_owned()),
    })
}

/// Stock's text: number, size, title, body.
fn comments(pull: &Value, number: i64) -> String {
    let commits = pull["commits"].as_i64().unwrap_or_default();
    let plural = if commits > 0 { "s" } else { "" };
    let title = pull["title"].as_str().unwrap_or_default();
    let body = pull["body"].as_str().unwrap_or_default();
    format!("GitHub Pull Request #{number} ({commits} commit{plural})\n{title}\n{body}")
}

/// `Name <mail>`
fn person(told: &Value) -> String {
    let part = |key: &str| told[key].as_str().unwrap_or("unknown");
    format!("{} <{}>", part("name"), part("email"))
}

fn when(told: &Value) -> Option<i64> {
    let time: jiff::Timestamp = told.as_str()?.parse().ok()?;
    Some(time.as_second())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::change_sources::payload::Wanted;

    fn shape(magic_link: bool) -> Shape {
        let (project, codebase) = (None, String::new());
        Shape { project, codebase, magic_link, url_key: "clone_url", wanted: Wanted::all() }
    }

    fn details() -> Details {
        let pull = json!({
            "title": "Title", "body": null, "commits": 1, "html_url": "https://h/p/1",
            "updated_at": "2023-11-14T22:13:20Z",
            "head": { "ref": "topic", "repo": { "clone_url": "https://h/fork.git" } },
            "base": { "repo": { "clone_url": "https://h/r.git", "full_name": "o/r" } },
        });
        let joe = json!({ "name": "Joe", "email": "joe@h" });
        let ann = json!({ "name": "Ann", "email": "ann@h" });
        Details {
            pull,
            commits: vec![json!({ "commit": { "author": joe, "committer": ann } })],
            files: vec![json!({ "filename": "a.c" })],
        }
    }

    #[test]
    fn a_pull_request_is_a_change_of_its_fork_or_of_its_merge() {
        let own = change(&details(), 1, "f00", &shape(false)).unwrap();
        assert_eq!(
            (own.branch.as_deref(), own.repository.as_str()),
            (Some("topic"), "https://h/fork.git")
        );
        assert_eq!(
            (own.author.as_str(), own.committer.as_deref()),
            ("Joe <joe@h>", Some("Ann <ann@h>"))
        );
        assert_eq!(own.comments, "GitHub Pull Request #1 (1 commits)\nTitle\n");
        assert_eq!((own.project.as_str(), own.when_timestamp), ("o/r", Some(1_700_000_000)));
        assert_eq!(own.properties.get_str("pullrequesturl"), Some("https://h/p/1"));
        assert_eq!(own.properties.get_str("github.head.ref"), Some("topic"));

        let merge = change(&details(), 1, "f00", &shape(true)).unwrap();
        assert_eq!(merge.branch.as_deref(), Some("refs/pull/1/merge"));
        assert_eq!(merge.repository, "https://h/r.git");
    }

    #[test]
    fn a_fork_that_is_gone_is_told() {
        let mut gone = details();
        gone.pull["head"]["repo"] = Value::Null;
        let told = change(&gone, 1, "f00", &shape(false)).unwrap_err();
        assert!(told.contains("magic_link = true"), "{told}");
        assert!(change(&gone, 1, "f00", &shape(true)).is_ok());
    }
}
