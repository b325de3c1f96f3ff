//! What the statements cost: how many there are, and which index answers them.

use std::sync::{Arc, Mutex};

use buildbot::db::{
    Conn, Db, DbError, blame, builders, buildrequests, builds, buildsets, changes, logs, masters,
    queue, schedulers, test_results, workers,
};
use buildbot::model::*;
use diesel::connection::{Connection, InstrumentationEvent};
use diesel::{QueryableByName, RunQueryDsl};

use super::{NOW, basics, buildset, fresh, recorded};

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

/// The statements that `work` ran, `?` replaced by the bound values.
async fn statements<T: Send + 'static>(
    db: &Db,
    work: impl FnOnce(&mut Conn) -> Result<T, DbError> + Send + 'static,
) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    db.write(move |conn| {
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                sink.lock().unwrap().push(filled_in(&query.to_string()));
            }
        });
        let result = work(conn);
        conn.set_instrumentation(|_: InstrumentationEvent<'_>| {});
        result
    })
    .await
    .unwrap();
    let statements = seen.lock().unwrap();
    statements.clone()
}

/// `SELECT … = ? -- binds: [1]` becomes `SELECT … = 1`.
fn filled_in(query: &str) -> String {
    let Some((text, binds)) = query.rsplit_once(" -- binds: ") else { return query.to_owned() };
    let plain = regex::Regex::new(r"\w+\((-?\d+)\)").unwrap();
    let binds = plain.replace_all(binds, "$1");
    let mut values = binds.trim_matches(['[', ']']).split(", ");
    text.split('?')
        .enumerate()
        .map(|(index, part)| match index {
            0 => part.to_owned(),
            _ => values.next().unwrap_or("NULL").replace('"', "'") + part,
        })
        .collect()
}

async fn plan(db: &Db, statement: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    db.read(move |conn| {
        let rows: Vec<Plan> = diesel::sql_query(explain).load(conn)?;
        Ok(rows.into_iter().map(|row| row.detail).collect())
    })
    .await
    .unwrap()
}

/// Every statement of `work` uses an index; the first uses `index`.
async fn assert_indexed<T: Send + 'static>(
    index: &str,
    work: impl FnOnce(&mut Conn) -> Result<T, DbError> + Send + 'static,
) {
    let db = recorded("state-small").db;
    let statements = statements(&db, work).await;
    assert!(!statements.is_empty());
    for (number, statement) in statements.iter().enumerate() {
        let plan = plan(&db, statement).await;
        let text = plan.join("\n");
        let scans = plan.iter().any(|line| {
            line.starts_with("SCAN") && !line.contains("INDEX") && !line.contains("CONSTANT")
        });
        assert!(!scans, "{statement}\n{text}");
        if number == 0 {
            assert!(text.contains(index), "{index} is not used by {statement}\n{text}");
        }
    }
}

#[tokio::test]
async fn queues_are_read_through_indexes() {
    assert_indexed("rs_buildrequests_pending", |conn| buildrequests::pending(conn, 100)).await;
    let builder = BuilderId(4);
    assert_indexed("rs_buildrequests_queue", move |conn| queue::heads(conn, &[builder])).await;
    assert_indexed("rs_buildrequests_oldest", move |conn| queue::heads(conn, &[builder])).await;
    assert_indexed("rs_buildrequests_queue", move |conn| queue::next(conn, builder, None, 9)).await;
    assert_indexed("rs_buildrequests_", move |conn| queue::newest(conn, builder, None, 9)).await;
    assert_indexed("PRIMARY KEY", |conn| queue::arrived(conn, BuildRequestId(3), 9)).await;
    assert_indexed("buildsets_complete", |conn| buildsets::complete_finished(conn, NOW)).await;
    assert_indexed("rs_builds_running", |conn| builds::running(conn, MasterId(1))).await;
    assert_indexed("buildrequests_complete", |conn| {
        buildrequests::claimed_without_build(conn, MasterId(1))
    })
    .await;
}

#[tokio::test]
async fn single_things_are_found_through_their_index() {
    let builder = BuilderId(4);
    assert_indexed("builds_number", move |conn| builds::recent_of_builder(conn, builder, 10)).await;
    assert_indexed("builder", move |conn| builds::last_finished(conn, builder)).await;
    assert_indexed("rs_builds_successful", move |conn| builds::expected_seconds(conn, builder))
        .await;
    assert_indexed("logchunks_lastline", |conn| logs::chunks_after(conn, LogId(9), 5, 8)).await;
    assert_indexed("steps_n", |conn| logs::of_build(conn, BuildId(6))).await;
    assert_indexed("", |conn| changes::for_build(conn, BuildId(6))).await;
    assert_indexed("scheduler_changes", |conn| schedulers::classified(conn, SchedulerId(1))).await;
}

/// Every build of the recorded database.
fn all_builds() -> Vec<BuildId> {
    (1..=53).map(BuildId).collect()
}

#[tokio::test]
async fn lists_cost_the_same_however_long_they_are() {
    let db = recorded("state-small").db;
    let cases: [(usize, usize); 5] = [
        (statements(&db, builders::list).await.len(), 3),
        (statements(&db, workers::list).await.len(), 3),
        (statements(&db, |conn| changes::recent(conn, 100, 0)).await.len(), 4),
        (statements(&db, |conn| buildsets::recent(conn, 100, 0)).await.len(), 4),
        (statements(&db, |conn| blame::of_builds(conn, &all_builds())).await.len(), 30),
    ];
    for (index, (ours, wanted)) in cases.into_iter().enumerate() {
        assert!(ours <= wanted, "case {index}: {ours} statements, {wanted} were enough");
    }
}

#[tokio::test]
async fn a_reconciler_with_nothing_to_do_asks_once() {
    let fixture = fresh();
    let basics = basics(&fixture.db).await;
    fixture
        .db
        .write(move |conn| buildsets::submit(conn, &buildset(&[basics.builder]), NOW))
        .await
        .unwrap();
    let idle = statements(&fixture.db, |conn| buildsets::complete_finished(conn, NOW)).await;
    assert_eq!(idle.len(), 1, "{idle:#?}");
}

#[tokio::test]
async fn submitting_and_configuring_do_not_ask_per_builder() {
    let fixture = fresh();
    let basics = basics(&fixture.db).await;
    let setups = |count: usize| -> Vec<builders::BuilderSetup> {
        (0..count)
            .map(|number| builders::BuilderSetup {
                name: format!("b{number}"),
                description: None,
                tags: vec![format!("t{}", number % 3)],
                workernames: vec!["w1".into(), format!("w{number}")],
                ..builders::BuilderSetup::default()
            })
            .collect()
    };
    let mut counts = Vec::new();
    for count in [100, 300] {
        let setups = setups(count);
        fixture
            .db
            .write({
                let setups = setups.clone();
                move |conn| builders::configure(conn, basics.master, &setups, NOW)
            })
            .await
            .unwrap();
        // Configured again: nothing is new.
        let again = statements(&fixture.db, move |conn| {
            builders::configure(conn, basics.master, &setups, NOW)
        })
        .await;
        let ids: Vec<BuilderId> =
            fixture.db.read(builders::list).await.unwrap().iter().map(|row| row.id).collect();
        let submit =
            statements(&fixture.db, move |conn| buildsets::submit(conn, &buildset(&ids), NOW))
                .await;
        counts.push((again.len(), submit.len()));
    }
    // Two more batches of worker links at most.
    assert!(counts[1].0 <= counts[0].0 + 2, "{counts:?}");
    // The first time the source stamp is new, which costs more.
    assert!(counts[1].1 <= counts[0].1, "{counts:?}");
}

#[tokio::test]
async fn a_heartbeat_is_one_statement() {
    let fixture = fresh();
    let basics = basics(&fixture.db).await;
    let beat =
        statements(&fixture.db, move |conn| masters::heartbeat(conn, basics.master, NOW)).await;
    assert_eq!(beat.len(), 1);
}

#[tokio::test]
async fn test_results_are_found_by_their_set() {
    use buildbot::db::listing::{self, Scope, Spec, TestResultRow, TestResultSetRow};
    assert_indexed("rs_test_results_set", |conn| {
        let scope = Scope::is("test_results.test_result_setid", 1);
        listing::list::<TestResultRow>(conn, &scope, &Spec::default())
    })
    .await;
    assert_indexed("rs_test_result_sets_build", |conn| {
        let scope = Scope::is("test_result_sets.buildid", 1);
        listing::list::<TestResultSetRow>(conn, &scope, &Spec::default())
    })
    .await;
    assert_indexed("rs_test_result_sets_build", |conn| listing::notable_tests(conn, 1, 100)).await;
    let set = TestSet { description: None, category: "pass_fail".into(), value_unit: "b".into() };
    let result = |n: i64| TestResult { name: Some(format!("t{n}")), ..TestResult::default() };
    let fixture = recorded("state-small");
    let results: Vec<TestResult> = (0..400).map(result).collect();
    let count = statements(&fixture.db, move |conn| {
        let step = buildbot::db::steps::of_build(conn, BuildId(6))?[0].id;
        let set = test_results::add_set(conn, BuildId(6), step, &set)?;
        test_results::add(conn, set, &results)
    })
    .await
    .into_iter()
    .filter(|statement| statement.contains("test_names") || statement.contains("test_results"))
    .count();
    assert_eq!(count, 4, "look up, add, look up again, add the results");
}
