//! A change as a client has sent it becomes one that can be stored.

use protocol::pb::Change;

use crate::actors::worker::to_json;
use crate::model::{NewChange, Properties, Timestamp};

/// Files that do not begin with `prefix` are left out, the others lose it.
pub fn to_new_change(change: Change, prefix: Option<&str>) -> NewChange {
    let mut properties = Properties::new();
    for (name, value) in &change.properties {
        properties.set(name, to_json(value), "Change");
    }
    NewChange {
        author: change.author.unwrap_or_default(),
        committer: change.committer,
        comments: change.comments,
        files: cut(change.files, prefix),
        branch: change.branch,
        revision: change.revision,
        revlink: change.revlink,
        when_timestamp: change.when_timestamp.map(|seconds| seconds.floor() as Timestamp),
        category: change.category,
        repository: change.repository,
        project: change.project,
        codebase: change.codebase.unwrap_or_default(),
        properties,
        src: change.src,
    }
}

fn cut(files: Vec<String>, prefix: Option<&str>) -> Vec<String> {
    let Some(prefix) = prefix else { return files };
    files.iter().filter_map(|file| file.strip_prefix(prefix)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_be_said() {
        let some = |text: &str| Some(text.to_owned());
        let list = rmpv::Value::Array(vec![1.into(), 2.5.into(), rmpv::Value::Nil, true.into()]);
        let map = rmpv::Value::Map(vec![("a".into(), list)]);
        let sent = Change {
            author: some("Joe"),
            committer: some("Ann"),
            comments: "é".into(),
            files: vec!["a".into(), "b".into()],
            branch: some("main"),
            revision: some("abc"),
            category: some("cat"),
            codebase: some("base"),
            repository: "r.git".into(),
            project: "proj".into(),
            revlink: "http://r".into(),
            when_timestamp: Some(1_700_000_000.9),
            properties: vec![("p".into(), "v".into()), ("n".into(), map)],
            src: some("git"),
        };
        let mut properties = Properties::new();
        properties.set("p", "v", "Change");
        properties.set("n", serde_json::json!({ "a": [1, 2.5, null, true] }), "Change");
        let expected = NewChange {
            author: "Joe".into(),
            committer: some("Ann"),
            comments: "é".into(),
            files: vec!["a".into(), "b".into()],
            branch: some("main"),
            revision: some("abc"),
            revlink: "http://r".into(),
            when_timestamp: Some(1_700_000_000),
            category: some("cat"),
            repository: "r.git".into(),
            project: "proj".into(),
            codebase: "base".into(),
            properties,
            src: some("git"),
        };
        assert_eq!(to_new_change(sent, None), expected);
        assert_eq!(to_new_change(Change::default(), None), NewChange::default());
    }

    #[test]
    fn files_below_a_prefix() {
        let files = ["trunk/a.c", "trunk/", "branches/b.c", "trunk"].map(str::to_owned).to_vec();
        let sent = Change { files, ..Change::default() };
        assert_eq!(to_new_change(sent, Some("trunk/")).files, ["a.c", ""]);
    }
}
