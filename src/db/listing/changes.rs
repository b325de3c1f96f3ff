//! Changes and source stamps.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde::Serialize;
use serde_json::{Value, json};

use super::sql::{Scope, Sql, in_list};
use super::{Conn, DbError, Field, Kind, Listed, Spec, change_properties, list};

/// A change as the table has it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct ChangeRow {
    #[diesel(sql_type = BigInt)]
    pub changeid: i64,
    #[diesel(sql_type = Text)]
    pub author: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub committer: Option<String>,
    #[diesel(sql_type = Text)]
    pub comments: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub branch: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub revision: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub revlink: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub when_timestamp: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub category: Option<String>,
    #[diesel(sql_type = Text)]
    pub repository: String,
    #[diesel(sql_type = Text)]
    pub project: String,
    #[diesel(sql_type = Text)]
    pub codebase: String,
    /// Becomes the embedded source stamp.
    #[serde(skip)]
    #[diesel(sql_type = BigInt)]
    pub sourcestampid: i64,
    #[serde(skip)]
    #[diesel(sql_type = Nullable<BigInt>)]
    pub parent: Option<i64>,
}

impl Listed for ChangeRow {
    const FROM: &'static str = "changes";
    const KEY: &'static str = "changeid";
    const FIELDS: &'static [Field] = &[
        Field::int("changeid", "changes.changeid"),
        Field::text("author", "changes.author"),
        Field::text("committer", "changes.committer"),
        Field::text("comments", "changes.comments"),
        Field::text("branch", "changes.branch"),
        Field::text("revision", "changes.revision"),
        Field::text("revlink", "changes.revlink"),
        Field::int("when_timestamp", "changes.when_timestamp"),
        Field::text("category", "changes.category"),
        Field::text("repository", "changes.repository"),
        Field::text("project", "changes.project"),
        Field::text("codebase", "changes.codebase"),
        Field::hidden(Kind::Int, "sourcestampid", "changes.sourcestampid"),
        Field::hidden(Kind::Int, "parent", "changes.parent_changeids"),
        Field::virtual_of(Kind::Texts, "files"),
        Field::virtual_of(Kind::Ints, "parent_changeids"),
        Field::virtual_of(Kind::Object, "properties"),
        Field::virtual_of(Kind::Object, "sourcestamp"),
    ];
}

/// A source stamp, its patch in flat columns.
#[derive(Debug, Clone, QueryableByName)]
pub struct SourceStampRow {
    #[diesel(sql_type = BigInt)]
    pub ssid: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub revision: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub branch: Option<String>,
    #[diesel(sql_type = Text)]
    pub repository: String,
    #[diesel(sql_type = Text)]
    pub project: String,
    #[diesel(sql_type = Text)]
    pub codebase: String,
    #[diesel(sql_type = BigInt)]
    pub created_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub patchid: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub patch_level: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub patch_author: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub patch_comment: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub patch_subdir: Option<String>,
}

impl Serialize for SourceStampRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl SourceStampRow {
    /// The REST entity. The patch's body is left out (null), as stock does.
    pub fn to_json(&self) -> Value {
        let patch = self.patchid.map(|patchid| {
            json!({
                "patchid": patchid, "level": self.patch_level, "author": self.patch_author,
                "comment": self.patch_comment, "subdir": self.patch_subdir, "body": null,
            })
        });
        json!({
            "ssid": self.ssid, "revision": self.revision, "branch": self.branch,
            "repository": self.repository, "project": self.project, "codebase": self.codebase,
            "created_at": self.created_at, "patch": patch,
        })
    }
}

impl Listed for SourceStampRow {
    const FROM: &'static str =
        "sourcestamps LEFT JOIN patches ON patches.id = sourcestamps.patchid";
    const KEY: &'static str = "ssid";
    const FIELDS: &'static [Field] = &[
        Field::int("ssid", "sourcestamps.id"),
        Field::text("revision", "sourcestamps.revision"),
        Field::text("branch", "sourcestamps.branch"),
        Field::text("repository", "sourcestamps.repository"),
        Field::text("project", "sourcestamps.project"),
        Field::text("codebase", "sourcestamps.codebase"),
        Field::int("created_at", "sourcestamps.created_at"),
        Field::hidden(Kind::Int, "patchid", "patches.id"),
        Field::hidden(Kind::Int, "patch_level", "patches.patchlevel"),
        Field::hidden(Kind::Text, "patch_author", "patches.patch_author"),
        Field::hidden(Kind::Text, "patch_comment", "patches.patch_comment"),
        Field::hidden(Kind::Text, "patch_subdir", "patches.subdir"),
        Field::virtual_of(Kind::Object, "patch"),
    ];
}

#[derive(QueryableByName)]
struct Pair {
    #[diesel(sql_type = BigInt)]
    owner: i64,
    #[diesel(sql_type = BigInt)]
    item: i64,
}

#[derive(QueryableByName)]
struct FileRow {
    #[diesel(sql_type = BigInt)]
    changeid: i64,
    #[diesel(sql_type = Text)]
    filename: String,
}

/// Source stamps of each buildset, by id as stock lists them.
///
/// # Errors
/// When the database refuses.
pub fn stamps_of_buildsets(
    conn: &mut Conn,
    buildsets: &[i64],
) -> Result<HashMap<i64, Vec<SourceStampRow>>, DbError> {
    let condition = in_list("buildsetid", buildsets.iter().copied());
    let pairs: Vec<Pair> = Sql::new(&format!(
        "SELECT CAST(buildsetid AS BIGINT) AS owner, CAST(sourcestampid AS BIGINT) AS item \
         FROM buildset_sourcestamps WHERE {condition} ORDER BY sourcestampid"
    ))
    .load(conn)?;
    let stamps = stamps_by_id(conn, pairs.iter().map(|pair| pair.item))?;
    let mut found: HashMap<i64, Vec<SourceStampRow>> = HashMap::new();
    for pair in pairs {
        if let Some(stamp) = stamps.get(&pair.item) {
            found.entry(pair.owner).or_default().push(stamp.clone());
        }
    }
    Ok(found)
}

fn stamps_by_id(
    conn: &mut Conn,
    ids: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, SourceStampRow>, DbError> {
    let scope = Scope::condition(in_list("sourcestamps.id", ids));
    let page = list::<SourceStampRow>(conn, &scope, &Spec::default())?;
    Ok(page.rows.into_iter().map(|stamp| (stamp.ssid, stamp)).collect())
}

/// The REST entities of changes: rows with files, properties and source stamp.
///
/// # Errors
/// When the database refuses.
pub fn attach_changes(conn: &mut Conn, rows: &[ChangeRow]) -> Result<Vec<Value>, DbError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.changeid).collect();
    let files: Vec<FileRow> = Sql::new(&format!(
        "SELECT CAST(changeid AS BIGINT) AS changeid, filename FROM change_files WHERE {}",
        in_list("changeid", ids.iter().copied())
    ))
    .load(conn)?;
    let mut files_of: HashMap<i64, Vec<String>> = HashMap::new();
    for file in files {
        files_of.entry(file.changeid).or_default().push(file.filename);
    }
    let mut properties = change_properties(conn, &ids)?;
    let stamps = stamps_by_id(conn, rows.iter().map(|row| row.sourcestampid))?;
    Ok(rows
        .iter()
        .map(|row| {
            let mut entity = serde_json::to_value(row).unwrap_or_default();
            entity["files"] = json!(files_of.remove(&row.changeid).unwrap_or_default());
            entity["properties"] =
                Value::Object(properties.remove(&row.changeid).unwrap_or_default());
            entity["parent_changeids"] = json!(row.parent.into_iter().collect::<Vec<_>>());
            entity["sourcestamp"] =
                stamps.get(&row.sourcestampid).map_or(Value::Null, SourceStampRow::to_json);
            entity
        })
        .collect())
}
