//! The database against files that stock Buildbot wrote, and stock Buildbot against ours.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod crash;
mod group_commit;
mod open;
mod people;
mod plans;
mod queue;
mod read;
mod stock;
mod write;

use std::io::Read;
use std::path::PathBuf;

use buildbot::db::Db;
use buildbot::model::{BuilderId, MasterId, NewBuildset, NewSourceStamp, Properties, WorkerId};
use diesel::{Connection, QueryableByName, RunQueryDsl};
use serde_json::Value;
use tempfile::TempDir;

/// A time in the life of the recorded databases.
const NOW: i64 = 1_795_400_000;

/// A database in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) db: Db,
}

impl Fixture {
    pub(crate) fn path(&self) -> String {
        file(&self.dir)
    }
}

fn file(dir: &TempDir) -> String {
    dir.path().join("state.sqlite").to_str().unwrap().to_owned()
}

/// An empty database of ours.
fn fresh() -> Fixture {
    let dir = TempDir::new().unwrap();
    let db = Db::open(&file(&dir)).unwrap();
    Fixture { dir, db }
}

/// A recorded database, opened.
pub(crate) fn recorded(name: &str) -> Fixture {
    let dir = TempDir::new().unwrap();
    std::fs::write(file(&dir), unpacked(&format!("{name}.sqlite.gz"))).unwrap();
    let db = Db::open(&file(&dir)).unwrap();
    Fixture { dir, db }
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/db")).join(name)
}

fn unpacked(name: &str) -> Vec<u8> {
    let packed = std::fs::File::open(data(name)).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// What stock answered about `state-small.sqlite`.
pub(crate) fn expectations() -> Value {
    serde_json::from_slice(&unpacked("state-small.expect.json.gz")).unwrap()
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

/// Rows of one text column called `text`, read beside the program.
fn sql(path: &str, query: &str) -> Vec<String> {
    let mut conn = diesel::SqliteConnection::establish(path).unwrap();
    let rows: Vec<Text> = diesel::sql_query(query).load(&mut conn).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// Runs statements beside the program.
pub(crate) fn execute(path: &str, statements: &str) {
    use diesel::connection::SimpleConnection;
    diesel::SqliteConnection::establish(path).unwrap().batch_execute(statements).unwrap();
}

/// Ids that most tests need.
#[derive(Clone, Copy)]
struct Basics {
    master: MasterId,
    builder: BuilderId,
    worker: WorkerId,
}

async fn basics(db: &Db) -> Basics {
    use buildbot::db::{builders, masters, workers};
    db.write(|conn| {
        let master = masters::register(conn, "host:/master", NOW)?;
        masters::set_active(conn, master, true, NOW)?;
        let setup = builders::BuilderSetup {
            name: "runtests".into(),
            description: Some("runs them".into()),
            tags: vec!["quick".into(), "ünit".into()],
            workernames: vec!["w1".into()],
            ..builders::BuilderSetup::default()
        };
        let builder = builders::configure(conn, master, &[setup], NOW)?[0].1;
        Ok(Basics { master, builder, worker: workers::find_or_create(conn, "w1")? })
    })
    .await
    .unwrap()
}

fn buildset(builders: &[BuilderId]) -> NewBuildset {
    let mut properties = Properties::new();
    properties.set("scheduler", "all", "Scheduler");
    properties.set("naïve", serde_json::json!({"a": [1, null, "😀"]}), "Force Build Form");
    NewBuildset {
        reason: "because".into(),
        sourcestamps: vec![NewSourceStamp {
            branch: Some("main".into()),
            revision: Some("abc".into()),
            repository: "https://example.org/r.git".into(),
            ..NewSourceStamp::default()
        }],
        builders: builders.to_vec(),
        properties,
        ..NewBuildset::default()
    }
}
