//! What `svn log --xml` and `svn info --xml` tell, and the changes that become of it.

use indexmap::IndexMap;
use serde::Deserialize;

use super::options::SvnOptions;
use super::split::Place;
use crate::model::NewChange;

#[derive(Deserialize)]
struct Log {
    #[serde(rename = "logentry", default)]
    entries: Vec<Entry>,
}

/// One revision.
#[derive(Debug, Deserialize)]
pub struct Entry {
    #[serde(rename = "@revision")]
    pub revision: i64,
    author: Option<String>,
    msg: Option<String>,
    paths: Option<Paths>,
}

#[derive(Debug, Deserialize)]
struct Paths {
    #[serde(rename = "path", default)]
    paths: Vec<Touched>,
}

#[derive(Debug, Deserialize)]
struct Touched {
    /// `file` or `dir`; old servers do not tell.
    #[serde(rename = "@kind", default)]
    kind: String,
    #[serde(rename = "@action", default)]
    action: String,
    #[serde(rename = "$text", default)]
    path: String,
}

#[derive(Deserialize)]
struct Info {
    entry: Option<InfoEntry>,
}

#[derive(Deserialize)]
struct InfoEntry {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    root: Option<String>,
}

/// What stands for an author or a message that Subversion does not tell.
const UNKNOWN: &str = "unknown";

/// The revisions of a log, in its order.
///
/// # Errors
/// A message for people, when the server's answer is broken or cut off.
pub fn parse(xml: &[u8]) -> Result<Vec<Entry>, String> {
    read::<Log>(xml, "svn log").map(|log| log.entries)
}

/// The URL of the repository's root.
///
/// # Errors
/// As [`parse`].
pub fn root(xml: &[u8]) -> Result<String, String> {
    let info = read::<Info>(xml, "svn info")?;
    let root = info.entry.and_then(|entry| entry.repository).and_then(|found| found.root);
    root.ok_or_else(|| "svn info does not tell the repository's root".to_owned())
}

fn read<T: for<'de> Deserialize<'de>>(xml: &[u8], what: &str) -> Result<T, String> {
    let text = String::from_utf8_lossy(xml);
    quick_xml::de::from_str(&text).map_err(|error| format!("{what} gave half an answer: {error}"))
}

/// The part of `url` below `root`, as paths in the log begin; `None` when it is not below.
pub fn prefix(url: &str, root: &str) -> Option<String> {
    let (url, root) = (decoded(url), decoded(root));
    let rest = url.strip_prefix(root.trim_end_matches('/'))?;
    if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix('/').map(str::to_owned) }
}

/// The text without `%20` and the like; paths in the log have none.
fn decoded(url: &str) -> String {
    let mut bytes = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a revision did to one branch.
#[derive(Default)]
struct Branch {
    files: Vec<String>,
    directories: usize,
    /// `A`, `D`, `M` or `R`, of the first path.
    action: String,
    place: Place,
}

/// One change for each branch that a revision touched, by stock's rules: a branch that was deleted
/// has none.
pub fn changes_of(entry: &Entry, prefix: &str, options: &SvnOptions) -> Vec<NewChange> {
    let mut branches: IndexMap<Option<String>, Branch> = IndexMap::new();
    let touched = entry.paths.iter().flat_map(|paths| &paths.paths);
    for (touched, place) in touched.filter_map(|t| Some((t, placed(t, prefix, options)?))) {
        let branch = branches
            .entry(place.branch.clone())
            .or_insert_with(|| Branch { action: touched.action.clone(), ..Branch::default() });
        branch.directories += usize::from(place.path.is_empty() || place.path.ends_with('/'));
        branch.files.push(place.path.strip_suffix('/').unwrap_or(&place.path).to_owned());
        let known = &mut branch.place;
        known.repository = place.repository.or(known.repository.take());
        known.project = place.project.or(known.project.take());
        known.codebase = place.codebase.or(known.codebase.take());
    }
    let kept = branches.into_iter().filter(|(_, branch)| !branch.is_deletion());
    kept.map(|(name, branch)| change(entry, name, branch, options)).collect()
}

fn placed(touched: &Touched, prefix: &str, options: &SvnOptions) -> Option<Place> {
    let path = touched.path.strip_prefix('/').unwrap_or(&touched.path);
    let mut path = path.to_owned();
    if touched.kind == "dir" && !path.ends_with('/') {
        path.push('/');
    }
    let below = match prefix {
        "" => path.as_str(),
        prefix => path.strip_prefix(prefix)?.strip_prefix('/')?,
    };
    options.split_file.place(below)
}

impl Branch {
    fn is_deletion(&self) -> bool {
        self.action == "D" && self.directories == 1 && self.files == [""]
    }
}

fn change(entry: &Entry, name: Option<String>, branch: Branch, options: &SvnOptions) -> NewChange {
    let place = branch.place;
    let told = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    NewChange {
        author: told(&entry.author),
        comments: told(&entry.msg),
        files: branch.files,
        branch: name,
        revision: Some(entry.revision.to_string()),
        revlink: options.revlink(entry.revision),
        repository: place.repository.unwrap_or_else(|| options.repourl.clone()),
        project: place.project.unwrap_or_else(|| options.project.clone()),
        codebase: place.codebase.unwrap_or_else(|| options.codebase.clone()),
        src: Some("svn".to_owned()),
        ..NewChange::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::change_sources::registry::Draft;
    use crate::config::fields::Fields;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn options(more: Value) -> SvnOptions {
        let mut table = more.as_object().unwrap().clone();
        table.insert("repourl".into(), json!("svn://h/r/app/"));
        let raw = Raw::from_json(Value::Object(table));
        let mut problems = Problems::new();
        let mut fields = Fields::of(&raw, "", &mut problems);
        let options = SvnOptions::parse(&mut fields, &mut Draft::default());
        fields.finish();
        assert!(problems.is_empty(), "{problems}");
        options
    }

    fn log(paths: &str) -> Vec<Entry> {
        parse(
            format!(
                "<?xml version=\"1.0\"?><log><logentry revision=\"7\"><author>ann</author>\
                 <paths>{paths}</paths><msg>a &lt;b&gt; é</msg></logentry></log>"
            )
            .as_bytes(),
        )
        .unwrap()
    }

    fn path(action: &str, kind: &str, path: &str) -> String {
        format!("<path action=\"{action}\" kind=\"{kind}\">{path}</path>")
    }

    #[test]
    fn a_revision_is_one_change_for_each_branch() {
        let options = options(json!({
            "split_file": "split_file_branches", "revlinktmpl": "http://h/%s", "project": "p",
        }));
        let paths = path("M", "file", "/app/trunk/a b.c")
            + &path("A", "dir", "/app/branches/x/sub")
            + &path("A", "file", "/app/branches/x/sub/c.c")
            + &path("M", "file", "/other/trunk/z")
            + &path("M", "file", "/application/trunk/z");
        let changes = changes_of(&log(&paths)[0], "app", &options);
        assert_eq!(changes.len(), 2);
        let first = &changes[0];
        assert_eq!(
            (first.branch.as_deref(), first.files.as_slice()),
            (None, &["a b.c".into()][..])
        );
        assert_eq!((first.author.as_str(), first.comments.as_str()), ("ann", "a <b> é"));
        assert_eq!((first.revision.as_deref(), first.revlink.as_str()), (Some("7"), "http://h/7"));
        assert_eq!((first.repository.as_str(), first.project.as_str()), ("svn://h/r/app", "p"));
        assert_eq!(changes[1].branch.as_deref(), Some("branches/x"));
        assert_eq!(changes[1].files, ["sub", "sub/c.c"]);
    }

    #[test]
    fn a_deleted_branch_is_no_change() {
        let options = options(json!({ "split_file": "split_file_branches" }));
        let deleted = path("D", "dir", "/branches/x");
        assert_eq!(changes_of(&log(&deleted)[0], "", &options), []);
        let more = deleted + &path("D", "file", "/branches/x/a");
        assert_eq!(changes_of(&log(&more)[0], "", &options).len(), 1);
        assert_eq!(changes_of(&log("")[0], "", &options), []);
    }

    #[test]
    fn half_an_answer_is_told() {
        for xml in ["", "<log><logentry revision=\"7\"><author>ann</auth", "<log><logentry", "no"] {
            let told = parse(xml.as_bytes()).unwrap_err();
            assert!(told.starts_with("svn log gave half an answer"), "{xml}: {told}");
        }
        assert_eq!(parse(b"<log></log>").unwrap().len(), 0);
        let silent = parse(b"<log><logentry revision=\"1\"/></log>").unwrap();
        assert_eq!(silent[0].author, None);
    }

    #[test]
    fn the_prefix_is_what_stands_behind_the_root() {
        let table = [
            ("svn://h/r", "svn://h/r", Some("")),
            ("svn://h/r/a/b", "svn://h/r", Some("a/b")),
            ("svn://h/r%20x/a%20%C3%A9", "svn://h/r%20x", Some("a é")),
            ("svn://h/rest", "svn://h/r", None),
            ("svn://other/r", "svn://h/r", None),
        ];
        for (url, root, expected) in table {
            assert_eq!(prefix(url, root).as_deref(), expected, "{url}");
        }
        let info = b"<info><entry kind=\"dir\"><url>u</url><repository><root>svn://h/r</root>\
                     <uuid>1</uuid></repository></entry></info>";
        assert_eq!(root(info).as_deref(), Ok("svn://h/r"));
        assert!(root(b"<info></info>").is_err());
    }
}
