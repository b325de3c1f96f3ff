//! What a start makes of a database whose master was killed in the middle of a build.

use buildbot::db::{buildrequests, builds, logs, masters, steps};
use buildbot::model::*;

use super::{NOW, recorded, sql};

const CRASHED: &str = "bbhost:/srv/master";
const CLAIMS: &str =
    "SELECT brid || ' ' || masterid AS text FROM buildrequest_claims ORDER BY brid";
const HELD: &str = "SELECT (SELECT count(*) FROM builder_masters) || ' ' || \
    (SELECT count(*) FROM configured_workers) || ' ' || (SELECT count(*) FROM scheduler_masters) \
    || ' ' || (SELECT count(*) FROM changesource_masters) || ' ' || \
    (SELECT count(*) FROM connected_workers) AS text";

async fn assert_tidied(fixture: &super::Fixture) {
    let (build, step, log) = fixture
        .db
        .read(|conn| {
            let build = builds::get(conn, BuildId(2))?;
            Ok((build, steps::get(conn, StepId(6))?, logs::get(conn, LogId(2))?))
        })
        .await
        .unwrap();
    assert_eq!(build.results, Some(Results::Retry));
    assert_eq!((build.complete_at, build.state_string.as_str()), (Some(NOW), "building"));
    assert_eq!(step.results, Some(Results::Retry));
    assert_eq!((step.complete_at, step.state_string.as_str()), (Some(NOW), "running"));
    assert!(log.complete);
    assert_eq!(sql(&fixture.path(), CLAIMS), ["1 1", "4 1"]);
    assert_eq!(sql(&fixture.path(), HELD), ["0 0 0 0 0"]);
    let pending = fixture.db.read(|conn| buildrequests::pending(conn, 100)).await.unwrap();
    let pending: Vec<i64> = pending.iter().map(|request| request.id.0).collect();
    assert_eq!(pending, [2, 3]);
}

#[tokio::test]
async fn the_same_master_tidies_up_at_once() {
    let fixture = recorded("state-crashed");
    assert_eq!(sql(&fixture.path(), CLAIMS), ["1 1", "2 1", "4 1"]);
    let id = fixture.db.write(|conn| masters::register(conn, CRASHED, NOW)).await.unwrap();
    assert_eq!(id, MasterId(1));
    assert_tidied(&fixture).await;
    // Steps that were complete before keep what they say.
    let steps = fixture.db.read(|conn| steps::of_build(conn, BuildId(2))).await.unwrap();
    assert!(steps.iter().any(|step| step.results == Some(Results::Success)));
}

#[tokio::test]
async fn another_master_waits_for_the_expiry() {
    let fixture = recorded("state-crashed");
    let heartbeat: i64 =
        sql(&fixture.path(), "SELECT CAST(last_active AS TEXT) AS text FROM masters")[0]
            .parse()
            .unwrap();
    let before = sql(&fixture.path(), HELD);
    let soon = heartbeat + masters::EXPIRY;
    let expired = fixture
        .db
        .write(move |conn| {
            let me = masters::register(conn, "other:/master", soon)?;
            masters::set_active(conn, me, true, soon)?;
            masters::expire_others(conn, me, soon)
        })
        .await
        .unwrap();
    assert_eq!(expired, []);
    assert_eq!(sql(&fixture.path(), HELD), before);
    assert_eq!(sql(&fixture.path(), CLAIMS), ["1 1", "2 1", "4 1"]);

    let expire = |conn: &mut buildbot::db::Conn| masters::expire_others(conn, MasterId(2), NOW);
    assert_eq!(fixture.db.write(expire).await.unwrap(), [MasterId(1)]);
    // Unlike stock, the dead master's claim goes too.
    assert_tidied(&fixture).await;
    let rows = fixture.db.read(masters::list).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.active).collect::<Vec<_>>(), [false, true]);
    assert_eq!(fixture.db.write(expire).await.unwrap(), []);
}

#[tokio::test]
async fn claims_left_by_a_stock_takeover_are_freed() {
    let fixture = recorded("state-crashed");
    // As a stock master leaves it: everything closed, master inactive, claim still there.
    super::execute(
        &fixture.path(),
        "UPDATE masters SET active = 0; UPDATE builds SET complete_at = 1, results = 5 \
         WHERE complete_at IS NULL",
    );
    let expired = fixture
        .db
        .write(|conn| {
            let me = masters::register(conn, "other:/master", NOW)?;
            masters::expire_others(conn, me, NOW)
        })
        .await
        .unwrap();
    assert_eq!(expired, [MasterId(1)]);
    assert_eq!(sql(&fixture.path(), CLAIMS), ["1 1", "4 1"]);
}
