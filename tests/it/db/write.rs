//! Writing: each noun's life, and what refuses.

use buildbot::db::{
    DbError, builders, buildrequests, builds, buildsets, changes, changesources, compress, logs,
    masters, properties, schedulers, sourcestamps, state, steps, workers,
};
use buildbot::model::*;
use serde_json::json;

use super::{Basics, Fixture, NOW, basics, buildset, fresh, sql};

async fn prepared() -> (Fixture, Basics) {
    let fixture = fresh();
    let basics = basics(&fixture.db).await;
    (fixture, basics)
}

fn change(revision: &str, branch: Option<&str>) -> NewChange {
    let mut properties = Properties::new();
    properties.set("p", "ä", "ignored");
    NewChange {
        author: "Ann Äuthor <ann@example.org>".into(),
        comments: "a change\n".into(),
        files: vec!["a/b.c".into(), "ü".into()],
        branch: branch.map(str::to_owned),
        revision: Some(revision.into()),
        repository: "https://example.org/r.git".into(),
        project: "p".into(),
        properties,
        src: Some("git".into()),
        ..NewChange::default()
    }
}

#[tokio::test]
async fn a_change_comes_back_as_it_was_announced() {
    let (fixture, _) = prepared().await;
    let (first, second, other, default, default_again) = fixture
        .db
        .write(|conn| {
            Ok((
                changes::add(conn, &change("1", Some("main")), NOW)?,
                changes::add(conn, &change("2", Some("main")), NOW)?,
                changes::add(conn, &change("3", Some("other")), NOW)?,
                changes::add(conn, &change("4", None), NOW)?,
                changes::add(conn, &change("5", None), NOW)?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(first.parent, None);
    assert_eq!(second.parent, Some(first.id));
    assert_eq!(other.parent, None);
    assert_eq!(default.parent, None);
    assert_eq!(default_again.parent, Some(default.id));
    assert_eq!(first.properties.property("p").unwrap().source, "Change");
    let (stored, recent, after, newest) = fixture
        .db
        .read(move |conn| {
            Ok((
                changes::get(conn, ChangeId(1))?,
                changes::recent(conn, 2, 1)?,
                changes::after(conn, ChangeId(3), 10)?,
                changes::max_id(conn)?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(stored, first);
    assert_eq!(recent, [default.clone(), other]);
    assert_eq!(after, [default, default_again]);
    assert_eq!(newest, Some(ChangeId(5)));
    // One user for all of them.
    let users = "SELECT u.identifier || '|' || i.attr_type || '|' || count(*) AS text FROM users u \
                 JOIN users_info i ON i.uid = u.uid JOIN change_users c ON c.uid = u.uid \
                 GROUP BY i.attr_type";
    assert_eq!(
        sql(&fixture.path(), users),
        ["Ann Äuthor <ann@example.org>|email|5", "Ann Äuthor <ann@example.org>|git|5"]
    );
    let value = "SELECT property_value AS text FROM change_properties LIMIT 1";
    assert_eq!(sql(&fixture.path(), value), [r#"["\u00e4", "Change"]"#]);
}

#[tokio::test]
async fn equal_stamps_share_a_row() {
    let (fixture, basics) = prepared().await;
    let (set, other, change) = fixture
        .db
        .write(move |conn| {
            let new = change("abc", Some("main"));
            let set = buildsets::submit(conn, &buildset(&[basics.builder]), NOW)?.0;
            let other = buildsets::submit(conn, &buildset(&[basics.builder]), NOW)?.0;
            let mut same = buildset(&[]).sourcestamps[0].clone();
            same.project = new.project.clone();
            let change = changes::add(conn, &new, NOW)?;
            assert_eq!(sourcestamps::find_or_create(conn, &same, NOW)?, change.sourcestamp.id);
            Ok((set, other, change))
        })
        .await
        .unwrap();
    let (a, b) = fixture
        .db
        .read(move |conn| {
            Ok((sourcestamps::for_buildset(conn, set)?, sourcestamps::for_buildset(conn, other)?))
        })
        .await
        .unwrap();
    assert_eq!(a, b);
    assert_ne!(a[0].id, change.sourcestamp.id, "another project is another stamp");
}

#[tokio::test]
async fn a_buildset_without_stamps_is_refused() {
    let (fixture, basics) = prepared().await;
    let empty = NewBuildset { builders: vec![basics.builder], ..NewBuildset::default() };
    let refused = fixture.db.write(move |conn| buildsets::submit(conn, &empty, NOW)).await;
    assert!(matches!(refused, Err(DbError::Query(text)) if text.contains("source stamp")));
    assert_eq!(sql(&fixture.path(), "SELECT 'x' AS text FROM buildrequests"), [""; 0]);
}

#[tokio::test]
async fn requests_are_queued_claimed_and_completed() {
    let (fixture, basics) = prepared().await;
    let db = &fixture.db;
    let ids = db
        .write(move |conn| {
            let mut ids = Vec::new();
            for priority in [0, 5, 0, 5] {
                let mut set = buildset(&[basics.builder]);
                set.priority = priority;
                ids.push(buildsets::submit(conn, &set, NOW)?.1[0].1);
            }
            Ok(ids)
        })
        .await
        .unwrap();
    let [a, b, c, d] = ids[..] else { panic!("four requests, not {ids:?}") };
    let pending = move || async move {
        let rows = db.read(|conn| buildrequests::pending(conn, 10)).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(pending().await, [b, d, a, c]);

    let master = basics.master;
    db.write(move |conn| buildrequests::claim(conn, master, &[a], NOW)).await.unwrap();
    let taken = db.write(move |conn| buildrequests::claim(conn, master, &[b, a, c], NOW)).await;
    assert!(matches!(taken, Err(DbError::Conflict(_))), "{taken:?}");
    assert_eq!(pending().await, [b, d, c], "all or none");
    let orphans = db.read(move |conn| buildrequests::claimed_without_build(conn, master)).await;
    assert_eq!(orphans.unwrap(), [a]);

    let cancelled =
        db.write(move |conn| buildrequests::cancel_pending(conn, a, master, "x", NOW)).await;
    assert!(!cancelled.unwrap(), "a claimed request is not cancelled behind its build's back");
    let cancelled =
        db.write(move |conn| buildrequests::cancel_pending(conn, c, master, "x", NOW)).await;
    assert!(cancelled.unwrap());
    db.write(move |conn| buildrequests::complete(conn, &[a], Results::Failure, NOW + 1))
        .await
        .unwrap();
    let again =
        db.write(move |conn| buildrequests::complete(conn, &[b, a], Results::Success, NOW)).await;
    assert!(matches!(again, Err(DbError::Conflict(_))));
    let row = db.read(move |conn| buildrequests::get(conn, b)).await.unwrap();
    assert!(!row.complete && row.results.is_none() && row.claim.is_none());

    db.write(move |conn| buildrequests::claim(conn, master, &[b], NOW)).await.unwrap();
    db.write(move |conn| buildrequests::unclaim(conn, master, &[b])).await.unwrap();
    assert_eq!(pending().await, [b, d]);
    let row = db.read(move |conn| buildrequests::get(conn, a)).await.unwrap();
    assert_eq!((row.results, row.complete_at), (Some(Results::Failure), Some(NOW + 1)));
    assert_eq!(row.claim, Some(Claim { master, claimed_at: NOW }));
}

#[tokio::test]
async fn buildsets_end_with_the_worst_of_their_requests() {
    let (fixture, basics) = prepared().await;
    let cases: [(&[Results], Results); 5] = [
        (&[Results::Success, Results::Warnings], Results::Warnings),
        (&[Results::Failure, Results::Cancelled], Results::Cancelled),
        (&[Results::Skipped, Results::Skipped], Results::Success),
        (&[Results::Exception, Results::Failure], Results::Exception),
        (&[], Results::Success),
    ];
    for (results, wanted) in cases {
        let done = fixture
            .db
            .write(move |conn| {
                let other = builders::find_or_create(conn, "other")?;
                let builders = &[basics.builder, other][..results.len()];
                let (set, requests) = buildsets::submit(conn, &buildset(builders), NOW)?;
                for (index, ((builder, request), result)) in
                    requests.into_iter().zip(results).enumerate()
                {
                    assert_eq!(builder, builders[index]);
                    assert_eq!(buildsets::complete_finished(conn, NOW)?, []);
                    buildrequests::complete(conn, &[request], *result, NOW)?;
                }
                let done = buildsets::complete_finished(conn, NOW + 9)?;
                let row = buildsets::get(conn, set)?;
                assert_eq!((row.complete, row.complete_at), (true, Some(NOW + 9)));
                assert_eq!(done, [(set, row.results.unwrap())]);
                Ok(done)
            })
            .await
            .unwrap();
        assert_eq!(done[0].1, wanted, "{results:?}");
        assert_eq!(
            fixture.db.write(|conn| buildsets::complete_finished(conn, NOW)).await.unwrap(),
            []
        );
    }
}

#[tokio::test]
async fn a_build_lives_and_ends() {
    let (fixture, basics) = prepared().await;
    let (first, second, stored) = fixture
        .db
        .write(move |conn| {
            let (_, requests) = buildsets::submit(conn, &buildset(&[basics.builder]), NOW)?;
            let new = builds::NewBuild {
                builder: basics.builder,
                request: requests[0].1,
                worker: Some(basics.worker),
                master: basics.master,
                state: "created".into(),
            };
            let first = builds::start(conn, new.clone(), NOW)?;
            let second = builds::start(conn, new, NOW + 1)?;
            assert_eq!(builds::get(conn, first.id)?, first);
            assert_eq!(builds::running(conn, basics.master)?, [first.clone(), second.clone()]);
            assert_eq!(builds::expected_seconds(conn, basics.builder)?, None);
            builds::set_state_string(conn, first.id, "building")?;
            builds::add_locks_duration(conn, first.id, 3)?;
            builds::add_locks_duration(conn, first.id, 4)?;
            builds::finish(conn, first.id, Results::Success, "build successful", NOW + 30)?;
            let stored = builds::by_number(conn, basics.builder, 1)?;
            assert_eq!(builds::last_finished(conn, basics.builder)?, Some(stored.clone()));
            assert_eq!(builds::expected_seconds(conn, basics.builder)?, Some(30));
            assert_eq!(
                builds::recent_of_builder(conn, basics.builder, 5)?,
                [second.clone(), stored.clone()]
            );
            Ok((first, second, stored))
        })
        .await
        .unwrap();
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(stored.locks_duration_s, 7);
    assert_eq!(stored.progress(), BuildProgress::Finished(Results::Success));
    assert_eq!(stored.state_string, "build successful");
}

/// A started build to hang steps on.
fn build(conn: &mut buildbot::db::Conn, basics: Basics) -> Result<Build, DbError> {
    let (_, requests) = buildsets::submit(conn, &buildset(&[basics.builder]), NOW)?;
    let new = builds::NewBuild {
        builder: basics.builder,
        request: requests[0].1,
        worker: None,
        master: basics.master,
        state: "created".into(),
    };
    builds::start(conn, new, NOW)
}

#[tokio::test]
async fn steps_get_names_of_their_own() {
    let (fixture, basics) = prepared().await;
    let (steps, build) = fixture
        .db
        .write(move |conn| {
            let build = build(conn, basics)?;
            for (number, name) in ["make", "make", "x y", "make"].into_iter().enumerate() {
                steps::add(conn, build.id, number as i64, name, None, "pending")?;
            }
            let steps = steps::of_build(conn, build.id)?;
            steps::set_started(conn, steps[0].id, NOW + 1, None)?;
            steps::set_started(conn, steps[1].id, NOW + 1, Some(NOW + 5))?;
            steps::set_state_string(conn, steps[1].id, "working")?;
            let url = StepUrl { name: "naïve".into(), url: "http://x/?a&b".into() };
            steps::set_urls(conn, steps[1].id, &[url.clone(), url])?;
            steps::finish(conn, steps[1].id, Results::Warnings, "done (warnings)", true, NOW + 9)?;
            Ok((steps::of_build(conn, build.id)?, build))
        })
        .await
        .unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["make", "make_1", "x y", "make_2"]);
    assert_eq!((steps[0].started_at, steps[0].locks_acquired_at), (Some(NOW + 1), None));
    let step = &steps[1];
    assert_eq!((step.results, step.hidden), (Some(Results::Warnings), true));
    assert_eq!((step.locks_acquired_at, step.complete_at), (Some(NOW + 5), Some(NOW + 9)));
    assert_eq!(step.urls.len(), 1);
    let taken =
        fixture.db.write(move |conn| steps::add(conn, build.id, 0, "late", Some(NOW), "x")).await;
    assert!(matches!(taken, Err(DbError::Conflict(_))), "two steps of one number");
}

fn chunk(first_line: i64, lines: &[&str], method: &str) -> logs::Chunk {
    let (content, compressed) = compress::encode(method, lines.join("\n").as_bytes());
    let last_line = first_line + lines.len() as i64 - 1;
    logs::Chunk { first_line, last_line, content, compressed }
}

#[tokio::test]
async fn a_partial_chunk_gives_way_to_the_final_one() {
    let (fixture, basics) = prepared().await;
    let (log, partial, all, of_build) = fixture
        .db
        .write(move |conn| {
            let build = build(conn, basics)?;
            let step = steps::add(conn, build.id, 0, "make", Some(NOW), "running")?;
            let log = logs::add(conn, step.id, "stdio", LogType::Stdio)?;
            let text = ["ofirst", "esecond", "hthird", "ofourth"];
            logs::store_chunk(conn, log.id, chunk(0, &text[..1], "raw"), 1)?;
            logs::store_chunk(conn, log.id, chunk(1, &text[1..2], "raw"), 2)?;
            let partial = logs::lines(conn, log.id, 0, 99)?;
            logs::store_chunk(conn, log.id, chunk(1, &text[1..], "zstd"), 4)?;
            assert_eq!(logs::unfinished(conn, build.id)?.len(), 1);
            logs::finish(conn, log.id, 4)?;
            assert_eq!(logs::unfinished(conn, build.id)?, []);
            assert_eq!(logs::chunks_after(conn, log.id, 0, 9)?.len(), 2);
            assert_eq!(logs::chunks_after(conn, log.id, 2, 9)?[0].first_line, 1);
            let all = logs::lines(conn, log.id, 1, 2)?;
            Ok((log, partial, all, logs::of_build(conn, build.id)?))
        })
        .await
        .unwrap();
    assert_eq!(partial.text, "ofirst\nesecond\n");
    assert_eq!(all, LogLines { first_line: 1, count: 2, text: "esecond\nhthird\n".into() });
    let stored = Log { complete: true, num_lines: 4, ..log };
    assert_eq!(of_build, [(stored.step, stored)]);
}

#[tokio::test]
async fn logs_of_one_name_get_slugs_of_their_own() {
    let (fixture, basics) = prepared().await;
    let slugs = fixture
        .db
        .write(move |conn| {
            let build = build(conn, basics)?;
            let step = steps::add(conn, build.id, 0, "make", Some(NOW), "running")?;
            let names = ["text log", "text log", "text_log", "report.html"];
            let mut slugs = Vec::new();
            for name in names {
                let log = logs::add(conn, step.id, name, LogType::Text)?;
                assert_eq!(logs::by_slug(conn, step.id, &log.slug)?, log);
                slugs.push(log.slug);
            }
            assert_eq!(logs::of_step(conn, step.id)?.len(), names.len());
            Ok(slugs)
        })
        .await
        .unwrap();
    assert_eq!(slugs, ["text_log", "text_log_2", "text_log_3", "report_html"]);
}

#[tokio::test]
async fn a_long_log_is_read_in_pieces() {
    let (fixture, basics) = prepared().await;
    let log = fixture
        .db
        .write(move |conn| {
            let build = build(conn, basics)?;
            let step = steps::add(conn, build.id, 0, "make", Some(NOW), "running")?;
            let log = logs::add(conn, step.id, "stdio", LogType::Stdio)?.id;
            for part in 0..40i64 {
                let lines: Vec<String> = (0..10).map(|n| format!("o{}", part * 10 + n)).collect();
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                logs::store_chunk(conn, log, chunk(part * 10, &lines, "gz"), part * 10 + 10)?;
            }
            Ok(log)
        })
        .await
        .unwrap();
    for (first, count, wanted) in
        [(0, 1000, 400), (5, 1, 1), (95, 210, 210), (399, 5, 1), (400, 5, 0)]
    {
        let lines =
            fixture.db.read(move |conn| logs::lines(conn, log, first, count)).await.unwrap();
        let text: String = (first..first + wanted).map(|n| format!("o{n}\n")).collect();
        assert_eq!((lines.first_line, lines.count, lines.text), (first, wanted, text));
    }
}

#[tokio::test]
async fn properties_are_set_again() {
    let (fixture, basics) = prepared().await;
    let property = |value, source: &str| Property { value, source: source.to_owned() };
    let (one, many) = fixture
        .db
        .write(move |conn| {
            let first = build(conn, basics)?.id;
            let second = build(conn, basics)?.id;
            let set = [
                ("a".to_owned(), property(json!(1), "Build")),
                ("é".to_owned(), property(json!({"k": ["ü", null]}), "Git")),
            ];
            properties::set_build(conn, first, &set)?;
            properties::set_build(conn, second, &set[..1])?;
            properties::set_build(conn, first, &[("a".to_owned(), property(json!("x"), "Step"))])?;
            let names = ["a".to_owned()];
            Ok((
                properties::of_build(conn, first)?,
                properties::of_builds(conn, &[first, second], Some(&names))?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(one.len(), 2);
    assert_eq!(one.property("a"), Some(&property(json!("x"), "Step")));
    assert_eq!(one.get("é"), Some(&json!({"k": ["ü", null]})));
    assert_eq!(many.len(), 2);
    assert!(many.values().all(|properties| properties.len() == 1));
}

#[tokio::test]
async fn schedulers_keep_what_they_have_to_build() {
    let (fixture, basics) = prepared().await;
    let (waiting, rest, row) = fixture
        .db
        .write(move |conn| {
            let id = schedulers::find_or_create(conn, "all")?;
            assert_eq!(schedulers::find_or_create(conn, "all")?, id);
            assert!(schedulers::is_enabled(conn, id)?);
            schedulers::set_enabled(conn, id, false)?;
            assert!(!schedulers::is_enabled(conn, id)?);
            let other = masters::register(conn, "other", NOW)?;
            assert!(schedulers::claim(conn, id, basics.master)?);
            assert!(schedulers::claim(conn, id, basics.master)?, "a second time is no harm");
            assert!(!schedulers::claim(conn, id, other)?);
            let first = changes::add(conn, &change("1", Some("main")), NOW)?.id;
            let second = changes::add(conn, &change("2", Some("main")), NOW)?.id;
            schedulers::classify(conn, id, second, false)?;
            schedulers::classify(conn, id, first, false)?;
            schedulers::classify(conn, id, first, true)?;
            let waiting = schedulers::classified(conn, id)?;
            schedulers::unclassify(conn, id, &[first])?;
            let rest = schedulers::classified(conn, id)?;
            schedulers::release_all(conn, basics.master)?;
            assert!(schedulers::claim(conn, id, other)?);
            let row = schedulers::list(conn)?.remove(0);
            assert_eq!(row.master, Some(other));
            Ok((waiting, rest, row))
        })
        .await
        .unwrap();
    let important: Vec<(i64, bool)> = waiting.iter().map(|(c, i)| (c.id.0, *i)).collect();
    assert_eq!(important, [(1, true), (2, false)]);
    assert_eq!(rest.len(), 1);
    assert_eq!((row.name.as_str(), row.enabled), ("all", false));
}

#[tokio::test]
async fn change_sources_belong_to_one_master() {
    let (fixture, basics) = prepared().await;
    fixture
        .db
        .write(move |conn| {
            let id = changesources::find_or_create(conn, "git")?;
            let other = masters::register(conn, "other", NOW)?;
            assert!(changesources::claim(conn, id, basics.master)?);
            assert!(!changesources::claim(conn, id, other)?);
            changesources::release_all(conn, basics.master)?;
            assert_eq!(changesources::list(conn)?[0].master, None);
            assert!(changesources::claim(conn, id, other)?);
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn workers_come_and_go() {
    let (fixture, basics) = prepared().await;
    let info = json!({"admin": "Ädmin", "host": null, "access_uri": null, "version": "4.3.0"});
    let said = info.clone();
    let (there, gone) = fixture
        .db
        .write(move |conn| {
            let id = basics.worker;
            workers::attached(conn, id, basics.master, &said)?;
            workers::attached(conn, id, basics.master, &said)?;
            workers::set_paused(conn, id, true, Some("mäint"))?;
            workers::set_graceful(conn, id, true)?;
            let there = workers::get(conn, id)?;
            workers::detached(conn, id, basics.master)?;
            workers::set_paused(conn, id, false, Some("left over"))?;
            Ok((there, workers::list(conn)?.remove(0)))
        })
        .await
        .unwrap();
    assert_eq!(there.info, info);
    assert_eq!(there.connected_to, [basics.master]);
    assert_eq!(there.configured_on, [(basics.master, basics.builder)]);
    assert_eq!((there.paused, there.graceful), (true, true));
    assert_eq!(there.pause_reason.as_deref(), Some("mäint"));
    assert_eq!((gone.connected_to, gone.paused, gone.pause_reason), (vec![], false, None));
    assert_eq!(
        sql(&fixture.path(), "SELECT info AS text FROM workers"),
        [r#"{"admin": "\u00c4dmin", "host": null, "access_uri": null, "version": "4.3.0"}"#]
    );
}

#[tokio::test]
async fn a_new_configuration_replaces_the_old_one() {
    let (fixture, basics) = prepared().await;
    let rows = fixture
        .db
        .write(move |conn| {
            let setups = [
                builders::BuilderSetup {
                    name: "runtests".into(),
                    description: Some("other words".into()),
                    tags: vec!["slow".into(), "slow".into()],
                    workernames: vec!["w2".into(), "w1".into(), "w2".into()],
                    ..builders::BuilderSetup::default()
                },
                builders::BuilderSetup { name: "büild/日本".into(), ..Default::default() },
            ];
            let ids = builders::configure(conn, basics.master, &setups, NOW)?;
            assert_eq!(ids[0], ("runtests".to_owned(), basics.builder));
            assert_eq!(builders::by_name(conn, "büild/日本")?.id, ids[1].1);
            assert_eq!(workers::list(conn)?.len(), 2);
            let rows = builders::list(conn)?;
            masters::set_active(conn, basics.master, false, NOW)?;
            assert!(builders::list(conn)?.iter().all(|row| row.masterids.is_empty()));
            assert!(workers::list(conn)?.iter().all(|row| row.configured_on.is_empty()));
            Ok(rows)
        })
        .await
        .unwrap();
    assert_eq!(rows[0].description.as_deref(), Some("other words"));
    assert_eq!(rows[0].tags, ["slow"]);
    assert_eq!(rows[0].masterids, [basics.master]);
    assert_eq!(rows[1].tags, [""; 0]);
}

#[tokio::test]
async fn objects_remember() {
    let (fixture, _) = prepared().await;
    let long = "n".repeat(300);
    fixture
        .db
        .write(move |conn| {
            let id = state::object(conn, "repo", "GitPoller")?;
            assert_eq!(state::object(conn, "repo", "GitPoller")?, id);
            assert_ne!(state::object(conn, "repo", "HgPoller")?, id);
            assert_eq!(state::get(conn, id, "lastRev")?, None);
            for value in [json!({"main": "abc"}), json!(null), json!([1.5, "ä"])] {
                state::set(conn, id, "lastRev", &value)?;
                assert_eq!(state::get(conn, id, "lastRev")?, Some(value));
            }
            let id = state::object(conn, &long, "X")?;
            assert_eq!(state::object(conn, &long, "X")?, id);
            state::set(conn, id, &long, &json!(1))?;
            assert_eq!(state::get(conn, id, &long)?, Some(json!(1)));
            Ok(())
        })
        .await
        .unwrap();
    let longest = "SELECT max(length(name)) || '' AS text FROM objects";
    assert_eq!(sql(&fixture.path(), longest), ["104"]);
}
