//! Try jobs: what a file in a job directory says, and what becomes of a job however it came.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::model::{NewPatch, NewSourceStamp, Properties};

/// Bytes of a job at most. Stock has 99,999.
pub const MAX_SIZE: usize = 16 << 20;

/// Source of the properties that come with a job.
const SOURCE: &str = "try build";
/// Characters of an external id at most, as the column has them.
const ID_LENGTH: usize = 256;

/// Something to be built before it is committed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TryJob {
    /// By which the job's sender knows it; empty when there is none.
    pub id: String,
    pub branch: Option<String>,
    pub revision: Option<String>,
    /// `None` when nothing differs from the revision. Author and comment are the job's own.
    pub patch: Option<NewPatch>,
    pub repository: String,
    pub project: String,
    pub who: String,
    pub comment: String,
    /// Empty is every builder of the scheduler.
    pub builder_names: Vec<String>,
    pub properties: Map<String, Value>,
}

/// Why a file is no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJob {
    #[error("it has more than {MAX_SIZE} bytes")]
    TooLarge,
    #[error("it does not consist of netstrings, such as '5:hello,'")]
    NotNetstrings,
    #[error("it is empty or cut off")]
    Incomplete,
    #[error("it has the version '{0}'; 1 to 6 are known")]
    UnknownVersion(String),
    #[error("its JSON cannot be read: {0}")]
    NotJson(String),
    #[error("'{0}' is missing or of the wrong kind")]
    Field(&'static str),
}

/// Nobody may try builders that the scheduler does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the scheduler does not have the builder '{0}'")]
pub struct NotAllowed(pub String);

impl TryJob {
    /// Reads a job file of any version.
    ///
    /// # Errors
    /// See [`BadJob`].
    pub fn from_file(bytes: &[u8]) -> Result<TryJob, BadJob> {
        if bytes.len() > MAX_SIZE {
            return Err(BadJob::TooLarge);
        }
        let strings = netstrings(bytes)?;
        let (version, rest) = strings.split_first().ok_or(BadJob::Incomplete)?;
        match text(version).trim() {
            "1" => plain(rest, 5),
            "2" => plain(rest, 7),
            "3" => plain(rest, 8),
            "4" => plain(rest, 9),
            "5" | "6" => json(rest.first().ok_or(BadJob::Incomplete)?),
            other => Err(BadJob::UnknownVersion(other.chars().take(20).collect())),
        }
    }

    /// The builders of the job: all of the scheduler's, unless it names some of them.
    ///
    /// # Errors
    /// It names one that the scheduler does not have.
    pub fn chosen(&self, own: &[String]) -> Result<Vec<String>, NotAllowed> {
        match self.builder_names.iter().find(|name| !own.contains(name)) {
            Some(other) => Err(NotAllowed(other.clone())),
            None if self.builder_names.is_empty() => Ok(own.to_vec()),
            None => {
                let mut chosen = self.builder_names.clone();
                let mut seen = std::collections::HashSet::new();
                chosen.retain(|name| seen.insert(name.clone()));
                Ok(chosen)
            }
        }
    }

    /// The buildset's reason; `with_comment` for jobs that did not come as a file.
    pub fn reason(&self, with_comment: bool) -> String {
        let mut reason = "'try' job".to_owned();
        if !self.who.is_empty() {
            reason += &format!(" by user {}", self.who);
        }
        if with_comment && !self.comment.is_empty() {
            reason += &format!(" ({})", self.comment);
        }
        reason
    }

    /// What is to be built.
    pub fn stamp(&self) -> NewSourceStamp {
        let patch = self.patch.clone().map(|patch| NewPatch {
            author: self.who.clone(),
            comment: self.comment.clone(),
            ..patch
        });
        NewSourceStamp {
            branch: self.branch.clone(),
            revision: self.revision.clone(),
            repository: self.repository.clone(),
            project: self.project.clone(),
            codebase: String::new(),
            patch,
        }
    }

    /// The properties of the job, and the scheduler's, which are stronger.
    pub fn with_properties(&self, scheduler: &Properties) -> Properties {
        let mut properties = Properties::new();
        for (name, value) in &self.properties {
            properties.set(name, value.clone(), SOURCE);
        }
        properties.extend(scheduler);
        properties
    }

    /// The id for the buildset.
    pub fn external_id(&self) -> Option<String> {
        (!self.id.is_empty()).then(|| self.id.chars().take(ID_LENGTH).collect())
    }
}

/// `5:hello,` and so on; blanks at the end do no harm.
fn netstrings(mut bytes: &[u8]) -> Result<Vec<&[u8]>, BadJob> {
    let mut strings = Vec::new();
    while !bytes.trim_ascii().is_empty() {
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = std::str::from_utf8(&bytes[..digits]).ok().and_then(|text| text.parse().ok());
        let rest = match (length, bytes.get(digits)) {
            (Some(_), Some(b':')) => &bytes[digits + 1..],
            (Some(_), None) => return Err(BadJob::Incomplete),
            _ => return Err(BadJob::NotNetstrings),
        };
        let length: usize = length.unwrap_or_default();
        let (string, rest) = rest.split_at_checked(length).ok_or(BadJob::Incomplete)?;
        strings.push(string);
        bytes = match rest.split_first() {
            Some((b',', rest)) => rest,
            Some(_) => return Err(BadJob::NotNetstrings),
            None => return Err(BadJob::Incomplete),
        };
    }
    Ok(strings)
}

/// Versions 1 to 4: `fields` strings, then the names of builders.
fn plain(strings: &[&[u8]], fields: usize) -> Result<TryJob, BadJob> {
    let (fields, names) = strings.split_at_checked(fields).ok_or(BadJob::Incomplete)?;
    let field = |index: usize| fields.get(index).map(|field| text(field)).unwrap_or_default();
    let level = field(3).trim().parse().map_err(|_| BadJob::Field("patch_level"))?;
    Ok(TryJob {
        id: field(0),
        branch: given(field(1)),
        revision: given(field(2)),
        patch: patch(level, fields[4].to_vec()),
        repository: field(5),
        project: field(6),
        who: field(7),
        comment: field(8),
        builder_names: names.iter().map(|name| text(name)).collect(),
        properties: Map::new(),
    })
}

/// Versions 5 and 6.
fn json(bytes: &[u8]) -> Result<TryJob, BadJob> {
    let not_json = |error: &dyn std::fmt::Display| BadJob::NotJson(error.to_string());
    let job: Value = serde_json::from_slice(bytes).map_err(|error| not_json(&error))?;
    let job = job.as_object().ok_or_else(|| not_json(&"it is not an object"))?;
    let text = |name: &'static str| match job.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(BadJob::Field(name)),
    };
    let level = match job.get("patch_level") {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_i64(),
        None => None,
    };
    let level = level.ok_or(BadJob::Field("patch_level"))?;
    let body = match job.get("patch_body_base64") {
        None => text("patch_body")?.into_bytes(),
        Some(encoded) => {
            let encoded = encoded.as_str().ok_or(BadJob::Field("patch_body_base64"))?;
            STANDARD.decode(encoded).map_err(|_| BadJob::Field("patch_body_base64"))?
        }
    };
    Ok(TryJob {
        id: text("jobid")?,
        branch: given(text("branch")?),
        revision: given(unquoted(text("baserev")?)),
        patch: patch(level, body),
        repository: text("repository")?,
        project: text("project")?,
        who: text("who")?,
        comment: text("comment")?,
        builder_names: names(job.get("builderNames"))?,
        properties: match job.get("properties") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(properties)) => properties.clone(),
            Some(_) => return Err(BadJob::Field("properties")),
        },
    })
}

fn names(names: Option<&Value>) -> Result<Vec<String>, BadJob> {
    match names {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned).ok_or(BadJob::Field("builderNames")))
            .collect(),
        Some(_) => Err(BadJob::Field("builderNames")),
    }
}

fn patch(level: i64, body: Vec<u8>) -> Option<NewPatch> {
    (!body.is_empty()).then(|| NewPatch { level, body, ..NewPatch::default() })
}

/// Empty text means the default branch, or the newest revision.
fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Stock's client writes some revisions as Python shows bytes: `b'42'`.
fn unquoted(revision: String) -> String {
    let inner = revision.strip_prefix("b'").and_then(|rest| rest.strip_suffix('\''));
    match inner {
        Some(inner) => inner.to_owned(),
        None if revision == "None" => String::new(),
        None => revision,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(strings: &[&str]) -> Vec<u8> {
        strings.iter().flat_map(|text| format!("{}:{text},", text.len()).into_bytes()).collect()
    }

    fn expected() -> TryJob {
        let patch = NewPatch { level: 1, body: b"+x\n".to_vec(), ..NewPatch::default() };
        TryJob {
            id: "id".into(),
            revision: Some("7".into()),
            patch: Some(patch),
            ..TryJob::default()
        }
    }

    #[test]
    fn versions_without_json() {
        let head = ["id", "", "7", "1", "+x\n"];
        let named = TryJob { builder_names: vec!["a".into(), "b".into()], ..expected() };
        let second = TryJob { repository: "r".into(), project: "p".into(), ..named.clone() };
        let third = TryJob { who: "w".into(), ..second.clone() };
        let fourth = TryJob { comment: "c".into(), ..third.clone() };
        for (version, more, job) in [
            ("1", vec![], named),
            ("2", vec!["r", "p"], second),
            ("3", vec!["r", "p", "w"], third),
            ("4", vec!["r", "p", "w", "c"], fourth),
        ] {
            let strings = [&[version], &head[..], &more, &["a", "b"]].concat();
            assert_eq!(TryJob::from_file(&file(&strings)), Ok(job), "{version}");
        }
    }

    #[test]
    fn versions_with_json() {
        let mut plain = json!({
            "jobid": "id", "branch": "", "baserev": "7", "patch_level": 1, "patch_body": "+x\n",
            "repository": null, "project": "p", "who": null, "comment": "c", "builderNames": ["b"],
            "properties": {"n": [1]},
        });
        let job = TryJob {
            project: "p".into(),
            comment: "c".into(),
            builder_names: vec!["b".into()],
            properties: json!({"n": [1]}).as_object().cloned().unwrap_or_default(),
            ..expected()
        };
        let read =
            |version: &str, value: &Value| TryJob::from_file(&file(&[version, &value.to_string()]));
        assert_eq!(read("5", &plain).as_ref(), Ok(&job));
        for (written, meant) in [("b'42'", Some("42")), ("None", None), ("", None)] {
            plain["baserev"] = written.into();
            assert_eq!(read("5", &plain).unwrap().revision.as_deref(), meant);
        }
        plain["patch_body_base64"] = "/w==".into();
        let patch = read("6", &plain).unwrap().patch;
        assert_eq!(patch.map(|patch| patch.body), Some(vec![0xff]));
    }

    /// Files that a stock master took; the last two are the stock client's.
    #[test]
    fn recorded_files() {
        const FILES: [&[u8]; 6] = [
            include_bytes!("../../tests/data/try/v1.job"),
            include_bytes!("../../tests/data/try/v2.job"),
            include_bytes!("../../tests/data/try/v3.job"),
            include_bytes!("../../tests/data/try/v4.job"),
            include_bytes!("../../tests/data/try/v5.job"),
            include_bytes!("../../tests/data/try/v6.job"),
        ];
        for (file, version) in FILES.into_iter().zip(1..) {
            let job = TryJob::from_file(file).unwrap_or_else(|bad| panic!("{version}: {bad}"));
            let patch = job.patch.as_ref().unwrap();
            assert_eq!(patch.level, 1, "{version}");
            assert!(patch.body.starts_with(b"--- a/x"), "{version}");
            assert_eq!(job.builder_names, ["try-pb"], "{version}");
            assert_eq!(version > 5, String::from_utf8(patch.body.clone()).is_err());
        }
        let fifth = TryJob::from_file(FILES[4]).unwrap();
        assert_eq!(fifth.id, "1795329608.0271685-903829");
        assert_eq!(
            (fifth.branch.as_deref(), fifth.revision.as_deref()),
            (Some("main"), Some("deadbeef"))
        );
        assert_eq!((fifth.who.as_str(), fifth.comment.as_str()), ("alice@example.org", "job é"));
        assert_eq!(Value::Object(fifth.properties), json!({"foo": "bar"}));
    }

    #[test]
    fn files_that_are_no_jobs() {
        let number = "9".repeat(30);
        for (bytes, why) in [
            (b"".to_vec(), BadJob::Incomplete),
            (b"\n".to_vec(), BadJob::Incomplete),
            (b"5:hel".to_vec(), BadJob::Incomplete),
            (b"5".to_vec(), BadJob::Incomplete),
            (b"1:1".to_vec(), BadJob::Incomplete),
            (b"1:1;".to_vec(), BadJob::NotNetstrings),
            (b"\x7fELF".to_vec(), BadJob::NotNetstrings),
            (format!("{number}:x,").into_bytes(), BadJob::NotNetstrings),
            (file(&["5"]), BadJob::Incomplete),
            (file(&["1", "id", "", "7"]), BadJob::Incomplete),
            (file(&["1", "id", "", "7", "one", "+x"]), BadJob::Field("patch_level")),
            (file(&["7", "{}"]), BadJob::UnknownVersion("7".into())),
            (file(&["5", "[]"]), BadJob::NotJson("it is not an object".into())),
            (file(&["5", "{}"]), BadJob::Field("patch_level")),
            (file(&["5", r#"{"patch_level": 1, "who": []}"#]), BadJob::Field("who")),
            (
                file(&["5", r#"{"patch_level": 1, "builderNames": "b"}"#]),
                BadJob::Field("builderNames"),
            ),
            (
                file(&["6", r#"{"patch_level": 1, "patch_body_base64": "?"}"#]),
                BadJob::Field("patch_body_base64"),
            ),
            (vec![b'1'; MAX_SIZE + 1], BadJob::TooLarge),
        ] {
            assert_eq!(
                TryJob::from_file(&bytes),
                Err(why),
                "{:?}",
                bytes.get(..40).unwrap_or(&bytes)
            );
        }
    }

    #[test]
    fn what_becomes_of_a_job() {
        let own = ["a".to_owned(), "b".to_owned()];
        let mut job = TryJob { who: "joe".into(), comment: "fix".into(), ..expected() };
        assert_eq!(job.chosen(&own), Ok(own.to_vec()));
        job.builder_names = vec!["b".into(), "b".into()];
        assert_eq!(job.chosen(&own), Ok(vec!["b".to_owned()]));
        job.builder_names.push("c".into());
        assert_eq!(job.chosen(&own), Err(NotAllowed("c".into())));
        assert_eq!(job.reason(true), "'try' job by user joe (fix)");
        assert_eq!(job.reason(false), "'try' job by user joe");
        assert_eq!(TryJob::default().reason(true), "'try' job");
        let patch = job.stamp().patch.unwrap();
        assert_eq!((patch.author.as_str(), patch.comment.as_str()), ("joe", "fix"));
        let mut scheduler = Properties::new();
        scheduler.set("n", 2, "Scheduler");
        job.properties.extend([("n".into(), json!(1)), ("m".into(), json!(1))]);
        let properties = job.with_properties(&scheduler);
        assert_eq!(properties.property("n").unwrap().source, "Scheduler");
        assert_eq!(properties.property("m").unwrap().source, "try build");
        assert_eq!(job.external_id().as_deref(), Some("id"));
        assert_eq!(TryJob::default().external_id(), None);
    }
}
