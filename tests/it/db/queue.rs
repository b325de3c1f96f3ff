//! The queue: who has something to do, and who comes next.

use buildbot::db::{buildrequests, buildsets, collapsing, queue};
use buildbot::model::{BuildRequestId, BuilderId, Results};

use super::{NOW, basics, buildset, fresh};

#[tokio::test]
async fn heads_and_pages_skip_what_is_taken() {
    let fixture = fresh();
    let db = &fixture.db;
    let basics = basics(db).await;
    let builder = basics.builder;
    let ids: Vec<BuildRequestId> = db
        .write(move |conn| {
            let mut ids = Vec::new();
            for (age, priority) in [0, 9, 0, 5].into_iter().enumerate() {
                let mut set = buildset(&[builder]);
                set.priority = priority;
                ids.push(buildsets::submit(conn, &set, NOW + age as i64)?.1[0].1);
            }
            buildrequests::claim(conn, basics.master, &[ids[1]], NOW)?;
            Ok(ids)
        })
        .await
        .unwrap();
    let (a, c, d) = (ids[0], ids[2], ids[3]);
    let nobody = BuilderId(builder.0 + 1_000);
    let heads = db.read(move |conn| queue::heads(conn, &[builder, nobody])).await.unwrap();
    assert_eq!(heads, [(builder, 5, NOW)]);
    let of = |places: Vec<queue::Place>| places.iter().map(|p| p.request).collect::<Vec<_>>();
    let page = db.read(move |conn| queue::next(conn, builder, None, 2)).await.unwrap();
    let last = page.last().copied();
    assert_eq!(of(page), [d, a]);
    let rest = db.read(move |conn| queue::next(conn, builder, last, 2)).await.unwrap();
    assert_eq!(of(rest), [c]);
    let newest = db.read(move |conn| queue::newest(conn, builder, Some(d), 9)).await.unwrap();
    assert_eq!(of(newest), [c, a]);
    let arrived = db.read(move |conn| queue::arrived(conn, a, 9)).await.unwrap();
    assert_eq!(arrived, [(c, builder), (d, builder)]);
    let before = db.read(|conn| queue::last_before(conn, NOW + 2)).await.unwrap();
    assert_eq!(before, ids[1]);
}

#[tokio::test]
async fn the_last_request_takes_what_the_one_before_it_took() {
    let fixture = fresh();
    let db = &fixture.db;
    let basics = basics(db).await;
    let (builder, master) = (basics.builder, basics.master);
    let ids: Vec<BuildRequestId> = db
        .write(move |conn| {
            (0..3)
                .map(|_| Ok(buildsets::submit(conn, &buildset(&[builder]), NOW)?.1[0].1))
                .collect()
        })
        .await
        .unwrap();
    let [a, b, c] = ids[..] else { panic!("three requests") };
    for pair in [(a, b), (b, c)] {
        let gone = db.write(move |conn| collapsing::collapse(conn, master, &[pair], NOW)).await;
        assert_eq!(gone.unwrap().len(), 1);
    }
    let again = db.write(move |conn| collapsing::collapse(conn, master, &[(a, c)], NOW)).await;
    assert!(again.unwrap().is_empty(), "it is gone already");
    let rows = db
        .read(|conn| {
            use buildbot::db::listing::{RequestRow, Scope, all};
            all::<RequestRow>(conn, &Scope::all())
        })
        .await
        .unwrap();
    let links: Vec<_> = rows.iter().map(|row| (row.results, row.rs_collapsed_into)).collect();
    let skipped = Results::Skipped.code();
    assert_eq!(links, [(skipped, Some(c.0)), (skipped, Some(c.0)), (-1, None)]);
}

#[tokio::test]
async fn build_data_is_replaced() {
    use buildbot::db::{build_data, builds};
    let fixture = fresh();
    let db = &fixture.db;
    let basics = basics(db).await;
    let (first, second) = db
        .write(move |conn| {
            let request = buildsets::submit(conn, &buildset(&[basics.builder]), NOW)?.1[0].1;
            let new = builds::NewBuild {
                builder: basics.builder,
                request,
                worker: Some(basics.worker),
                master: basics.master,
                state: "created".into(),
            };
            let build = builds::start(conn, new, NOW)?.id;
            build_data::set(conn, build, "size", b"12", "Compile")?;
            let first = build_data::value(conn, build, "size")?;
            build_data::set(conn, build, "size", &[0, 255], "Compile")?;
            Ok((first, build_data::value(conn, build, "size")?))
        })
        .await
        .unwrap();
    assert_eq!(first.as_deref(), Some(b"12".as_slice()));
    assert_eq!(second.as_deref(), Some([0, 255].as_slice()));
}
