//! Files written by stock Buildbot 4.3 and by old masters, read as stock reads them.

use buildbot::db::{
    builders, buildrequests, builds, buildsets, changes, changesources, logs, masters, properties,
    schedulers, sourcestamps, steps, workers,
};
use buildbot::model::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{expectations, recorded, sql};

const FILES: [&str; 2] = ["state-small", "state-legacy"];

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn id(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[tokio::test]
async fn every_log_reads_as_in_stock() {
    let expected = expectations();
    for file in FILES {
        let db = recorded(file).db;
        let mut encodings = 0;
        for wanted in list(&expected, "logs") {
            let log = LogId(id(wanted, "logid"));
            let (row, whole) = db
                .read(move |conn| Ok((logs::get(conn, log)?, logs::lines(conn, log, 0, 1 << 40)?)))
                .await
                .unwrap();
            assert_eq!(sha256(&whole.text), wanted["content_sha256"], "{file} log {log}");
            assert_eq!(whole.count, id(wanted, "content_lines"), "{file} log {log}");
            assert_eq!(row.slug, wanted["slug"]);
            assert_eq!(row.name, wanted["name"]);
            assert_eq!(row.log_type.letter(), wanted["type"]);
            assert_eq!(row.complete, wanted["complete"]);
            assert_eq!(row.num_lines, id(wanted, "num_lines"));
            for slice in list(wanted, "slices") {
                let (offset, limit) = (slice[0].as_i64().unwrap(), slice[1].as_i64().unwrap());
                let lines =
                    db.read(move |conn| logs::lines(conn, log, offset, limit)).await.unwrap();
                assert_eq!(sha256(&lines.text), slice[2], "{file} log {log} from {offset}");
                assert_eq!(lines.first_line, slice[3].as_i64().unwrap());
            }
            let chunks = db.read(move |conn| logs::chunks_after(conn, log, 0, 1000)).await.unwrap();
            encodings |= chunks.iter().fold(0, |seen, chunk| seen | 1 << chunk.compressed);
        }
        assert_eq!(encodings, 0b11_1111, "all six encodings occur in {file}");
    }
}

#[tokio::test]
async fn every_build_reads_as_in_stock() {
    let expected = expectations();
    for file in FILES {
        let db = recorded(file).db;
        for wanted in list(&expected, "builds") {
            let build = BuildId(id(wanted, "buildid"));
            let (row, steps, properties, changes) = db
                .read(move |conn| {
                    Ok((
                        builds::get(conn, build)?,
                        steps::of_build(conn, build)?,
                        properties::of_build(conn, build)?,
                        changes::for_build(conn, build)?,
                    ))
                })
                .await
                .unwrap();
            assert_eq!(shape(&row), keys(wanted, &shape(&row)), "{file} build {build}");
            let steps: Vec<Value> = steps.iter().map(step_shape).collect();
            assert_eq!(json!(steps), wanted["steps"], "{file} build {build}");
            assert_eq!(property_shape(&properties), wanted["properties"], "{file} build {build}");
            let changes: Vec<i64> = changes.iter().map(|change| change.id.0).collect();
            assert_eq!(json!(changes), wanted["changes"], "{file} build {build}");
        }
    }
}

/// The part of `wanted` that has the keys of `shape`.
fn keys(wanted: &Value, shape: &Value) -> Value {
    let names = shape.as_object().unwrap().keys();
    Value::Object(names.map(|name| (name.clone(), wanted[name].clone())).collect())
}

fn shape(build: &Build) -> Value {
    json!({
        "buildid": build.id, "number": build.number, "builderid": build.builder,
        "buildrequestid": build.request, "workerid": build.worker, "masterid": build.master,
        "started_at": build.started_at, "complete_at": build.complete_at,
        "results": build.results, "state_string": build.state_string,
        "locks_duration_s": build.locks_duration_s,
    })
}

fn step_shape(step: &Step) -> Value {
    json!({
        "stepid": step.id, "number": step.number, "name": step.name, "results": step.results,
        "state_string": step.state_string, "started_at": step.started_at,
        "complete_at": step.complete_at, "locks_acquired_at": step.locks_acquired_at,
        "hidden": step.hidden, "urls": step.urls,
    })
}

fn property_shape(properties: &Properties) -> Value {
    properties
        .iter()
        .map(|(name, property)| (name.to_owned(), json!([property.value, property.source])))
        .collect()
}

#[tokio::test]
async fn changes_buildsets_and_requests_read_as_in_stock() {
    let expected = expectations();
    for file in FILES {
        let db = recorded(file).db;
        let (all, sets, requests) = db
            .read(|conn| {
                let all = changes::recent(conn, 1000, 0)?;
                let sets = buildsets::recent(conn, 1000, 0)?;
                let requests = buildrequests::recent(conn, 1000, 0)?;
                Ok((all, sets, requests))
            })
            .await
            .unwrap();
        same(file, &all.iter().map(change_shape).collect::<Vec<_>>(), &expected["changes"]);
        let mut shapes = Vec::new();
        for set in &sets {
            let id = set.id;
            let properties = db.read(move |conn| buildsets::properties(conn, id)).await.unwrap();
            shapes.push(buildset_shape(set, &properties));
        }
        same(file, &shapes, &expected["buildsets"]);
        let shapes: Vec<Value> = requests.iter().map(request_shape).collect();
        same(file, &shapes, &expected["buildrequests"]);
    }
}

/// Compares two lists of objects by the key that is their first member.
fn same(file: &str, ours: &[Value], stock: &Value) {
    let stock = stock.as_array().unwrap();
    assert_eq!(ours.len(), stock.len(), "{file}");
    for own in ours {
        let (key, id) = own.as_object().unwrap().iter().next().unwrap();
        let wanted = stock.iter().find(|wanted| &wanted[key] == id).unwrap();
        assert_eq!(own, wanted, "{file} {key} {id}");
    }
}

fn stamp_shape(stamp: &SourceStamp) -> Value {
    // The REST interface answers null for the body.
    let patch = stamp.patch.as_ref().map(|patch| {
        assert!(!patch.body.is_empty());
        json!({
            "patchid": patch.id, "level": patch.level, "author": patch.author,
            "comment": patch.comment, "subdir": patch.subdir, "body": null,
        })
    });
    json!({
        "ssid": stamp.id, "branch": stamp.branch, "revision": stamp.revision,
        "repository": stamp.repository, "project": stamp.project, "codebase": stamp.codebase,
        "created_at": stamp.created_at, "patch": patch,
    })
}

fn change_shape(change: &Change) -> Value {
    json!({
        "changeid": change.id, "author": change.author, "committer": change.committer,
        "comments": change.comments, "files": change.files, "branch": change.branch,
        "revision": change.revision, "revlink": change.revlink,
        "when_timestamp": change.when_timestamp, "category": change.category,
        "repository": change.repository, "project": change.project, "codebase": change.codebase,
        "properties": property_shape(&change.properties),
        "parent_changeids": change.parent.iter().collect::<Vec<_>>(),
        "sourcestamp": stamp_shape(&change.sourcestamp),
    })
}

fn buildset_shape(set: &Buildset, properties: &Properties) -> Value {
    json!({
        "bsid": set.id, "reason": set.reason, "external_idstring": set.external_idstring,
        "submitted_at": set.submitted_at, "complete": set.complete,
        "complete_at": set.complete_at, "results": set.results.map_or(-1, Results::code),
        "parent_buildid": set.parent_build, "parent_relationship": set.parent_relationship,
        "rebuilt_buildid": set.rebuilt_build, "properties": property_shape(properties),
        "sourcestamps": set.sourcestamps.iter().map(stamp_shape).collect::<Vec<_>>(),
    })
}

fn request_shape(request: &BuildRequest) -> Value {
    json!({
        "buildrequestid": request.id, "buildsetid": request.buildset,
        "builderid": request.builder, "priority": request.priority,
        "claimed": request.claim.is_some(),
        "claimed_at": request.claim.map(|claim| claim.claimed_at),
        "claimed_by_masterid": request.claim.map(|claim| claim.master),
        "complete": request.complete, "complete_at": request.complete_at,
        "results": request.results.map_or(-1, Results::code),
        "submitted_at": request.submitted_at, "waited_for": request.waited_for,
        "properties": null,
    })
}

#[tokio::test]
async fn names_and_their_owners_read_as_in_stock() {
    let expected = expectations();
    for file in FILES {
        let db = recorded(file).db;
        let (builders, workers, schedulers) = db
            .read(|conn| Ok((builders::list(conn)?, workers::list(conn)?, schedulers::list(conn)?)))
            .await
            .unwrap();
        for wanted in list(&expected, "builders") {
            let row = builders.iter().find(|row| row.id.0 == id(wanted, "builderid")).unwrap();
            assert_eq!(row.name, wanted["name"]);
            assert_eq!(json!(row.description), wanted["description"]);
            let mut tags = row.tags.clone();
            tags.sort();
            let mut stock: Vec<&str> =
                list(wanted, "tags").iter().filter_map(Value::as_str).collect();
            stock.sort_unstable();
            assert_eq!(tags, stock, "{file} {}", row.name);
        }
        for wanted in list(&expected, "workers") {
            let row = workers.iter().find(|row| row.id.0 == id(wanted, "workerid")).unwrap();
            assert_eq!(row.name, wanted["name"]);
            assert_eq!(row.info, wanted["workerinfo"], "{file} {}", row.name);
            assert_eq!(row.paused, wanted["paused"]);
            assert_eq!(json!(row.pause_reason), wanted["pause_reason"]);
            assert_eq!(row.graceful, wanted["graceful"]);
        }
        for wanted in list(&expected, "schedulers") {
            let row = schedulers.iter().find(|row| row.id.0 == id(wanted, "schedulerid")).unwrap();
            assert_eq!(row.name, wanted["name"]);
            assert_eq!(row.enabled, wanted["enabled"]);
        }
    }
}

/// Every row that has a hash is found again by its name, none is made twice.
#[tokio::test]
async fn hashes_find_every_row() {
    let counted = "SELECT (SELECT count(*) FROM builders) || ' ' || (SELECT count(*) FROM masters) \
        || ' ' || (SELECT count(*) FROM schedulers) || ' ' || (SELECT count(*) FROM changesources) \
        || ' ' || (SELECT count(*) FROM sourcestamps) || ' ' || (SELECT count(*) FROM tags) \
        AS text";
    for file in FILES {
        let fixture = recorded(file);
        let before = sql(&fixture.path(), counted);
        fixture
            .db
            .write(|conn| {
                for row in builders::list(conn)? {
                    assert_eq!(builders::find_or_create(conn, &row.name)?, row.id);
                }
                for row in masters::list(conn)? {
                    assert_eq!(masters::register(conn, &row.name, super::NOW)?, row.id);
                }
                for row in schedulers::list(conn)? {
                    assert_eq!(schedulers::find_or_create(conn, &row.name)?, row.id);
                }
                for row in changesources::list(conn)? {
                    assert_eq!(changesources::find_or_create(conn, &row.name)?, row.id);
                }
                let all: Vec<SourceStampId> = (1..1000).map(SourceStampId).collect();
                for (id, stamp) in sourcestamps::get_many(conn, &all)? {
                    // A patched stamp is never shared.
                    if stamp.patch.is_none() {
                        let again = NewSourceStamp {
                            branch: stamp.branch,
                            revision: stamp.revision,
                            repository: stamp.repository,
                            project: stamp.project,
                            codebase: stamp.codebase,
                            patch: None,
                        };
                        assert_eq!(sourcestamps::find_or_create(conn, &again, 0)?, id);
                    }
                }
                let all = builders::list(conn)?;
                let master = masters::list(conn)?[0].id;
                let setups: Vec<_> = all
                    .iter()
                    .map(|row| builders::BuilderSetup {
                        name: row.name.clone(),
                        description: row.description.clone(),
                        tags: row.tags.clone(),
                        workernames: Vec::new(),
                        ..builders::BuilderSetup::default()
                    })
                    .collect();
                let ids = builders::configure(conn, master, &setups, 0)?;
                assert!(ids.iter().zip(&all).all(|((_, id), row)| *id == row.id));
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(sql(&fixture.path(), counted), before, "{file}");
    }
}
