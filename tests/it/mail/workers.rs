//! Workers that go and come, and the mails about it.

use std::time::Duration;

use buildbot::db::facts::{self, FactKind};
use buildbot::db::{Db, outbox};

use super::{SmtpServer, notifier};
use crate::world::{Place, TestMaster, run, soon};

/// Workers with these keys of their own, and one builder.
fn config(workers: &[(&str, &str)], port: u16, gather: u32) -> String {
    let names: Vec<&str> = workers.iter().map(|(name, _)| *name).collect();
    let workers = workers.iter().map(|(name, more)| {
        format!("[[workers]]\nname = \"{name}\"\npassword = \"pass\"\n{more}\n")
    });
    let generators =
        format!("generators = [{{ type = \"WorkerMissingGenerator\", gather = {gather} }}]");
    format!(
        "title = \"Test\"\nbuildbotURL = \"http://ci.example.org/\"\n{}\
         [[schedulers]]\ntype = \"ForceScheduler\"\nname = \"force\"\nbuilderNames = [\"b\"]\n\
         [[builders]]\nname = \"b\"\nworkernames = {names:?}\n\
         [[builders.steps]]\ntype = \"ShellCommand\"\ncommand = \"true\"\n{}",
        workers.collect::<String>(),
        notifier(port, &generators),
    )
}

/// Told after a second.
const TOLD: &str = "notify_on_missing = [\"ops@example.org\"]\nmissing_timeout = 1";

/// Waits until the notifier knows that its mails were taken: what ends before that sends them again.
pub async fn all_sent(db: &Db) {
    soon("a sent mail", async {
        loop {
            let lines = db.read(|conn| outbox::recent(conn, "mail", 10)).await.expect("an outbox");
            if !lines.is_empty() && lines.iter().all(|line| line.state == "sent") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn facts(master: &TestMaster) -> Vec<FactKind> {
    let (facts, _) = master.read(|conn| facts::after(conn, 0, 1000)).await;
    facts.into_iter().map(|fact| fact.kind).collect()
}

#[test]
fn an_outage_is_one_mail_however_often_the_master_begins_anew() {
    run(async {
        let place = Place::new();
        let mut smtp = SmtpServer::start(&[]).await;
        let text = config(&[("w1", TOLD), ("w2", TOLD)], smtp.port, 0);
        let master = place.master(&text).await;
        let (lost, other) = (place.worker(&master, "w1").await, place.worker(&master, "w2").await);
        lost.vanish();
        let gone = smtp.mail().await;
        assert_eq!(gone.header("Subject").as_deref(), Some("Buildbot Test worker w1 missing"));
        assert_eq!(gone.to, ["ops@example.org"]);
        assert!(gone.text.contains("It last disconnected at"), "{gone:?}");

        all_sent(&master.handles.db).await;
        // The other one is connected when the master ends, and nobody misses it at once.
        master.stop().await;
        other.stop().await;
        for _ in 0..2 {
            place.master(&text).await.stop().await;
        }
        let master = place.master(&text).await;
        let back = place.worker(&master, "w1").await;
        let mail = smtp.mail().await;
        assert_eq!(mail.header("Subject").as_deref(), Some("Buildbot Test worker w1 is back"));
        assert!(mail.text.contains("is back after"), "{mail:?}");
        let worker = master.handles.roster.board().workers["w1"].id;
        let expected = [FactKind::WorkerMissing(worker), FactKind::WorkerReturned(worker)];
        assert_eq!(facts(&master).await, expected);
        back.stop().await;
        master.stop().await;
        assert_eq!(smtp.rest().await.len(), 0);
    });
}

#[test]
fn workers_that_go_together_are_one_mail() {
    run(async {
        let place = Place::new();
        let mut smtp = SmtpServer::start(&[]).await;
        let names = ["w1", "w2", "w3", "w4", "w5"];
        let text = config(&names.map(|name| (name, TOLD)), smtp.port, 8);
        let master = place.master(&text).await;
        let mut workers = Vec::new();
        for name in names {
            workers.push(place.worker(&master, name).await);
        }
        workers.into_iter().for_each(|worker| worker.vanish());
        let gone = smtp.mail().await;
        let subject = gone.header("Subject").expect("a subject");
        assert!(subject.starts_with("5 Buildbot workers missing: "), "{subject}");
        for name in names {
            assert!(gone.text.contains(&format!("The Buildbot worker named {name} went away.")));
        }
        let back = names.map(|name| place.start_worker(&master, name, "pass"));
        let mail = smtp.mail().await;
        let subject = mail.header("Subject").expect("a subject");
        assert!(subject.starts_with("5 Buildbot workers are back: "), "{subject}");
        for worker in back {
            worker.stop().await;
        }
        master.stop().await;
        assert_eq!(smtp.rest().await.len(), 0);
    });
}

#[test]
fn who_is_not_to_be_missed_is_not_told() {
    run(async {
        let place = Place::new();
        let mut smtp = SmtpServer::start(&[]).await;
        let patient = "notify_on_missing = [\"ops@example.org\"]\nmissing_timeout = 0";
        let workers = [("w1", patient), ("w2", "missing_timeout = 1"), ("w3", TOLD)];
        let master = place.master(&config(&workers, smtp.port, 8)).await;
        for (name, _) in workers {
            place.worker(&master, name).await.vanish();
        }
        let mail = smtp.mail().await;
        assert_eq!(mail.header("Subject").as_deref(), Some("Buildbot Test worker w3 missing"));
        let board = master.handles.roster.board();
        let missing = facts(&master).await;
        assert!(missing.contains(&FactKind::WorkerMissing(board.workers["w2"].id)), "{missing:?}");
        assert_eq!(missing.len(), 2, "{missing:?}");
        // Whoever leaves the configuration is away no more.
        let text = config(&workers[..1], smtp.port, 8);
        place.reconfigure(&master, &text).await.expect("a good configuration");
        master.handles.roster.ready().await.expect("the workers are known");
        let known = {
            let id = master.handles.master.id;
            master.read(move |conn| buildbot::db::absences::load(conn, id)).await
        };
        assert_eq!(known.len(), 1, "{known:?}");
        master.stop().await;
        assert_eq!(smtp.rest().await.len(), 0);
    });
}
