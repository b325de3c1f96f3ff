//! Problems of a whole master: from the build that breaks to the thanks for the fix, by a clock
//! that the test moves, with people whom the test lets come and go.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use buildbot::actors::scheduler::ForceRequest;
use buildbot::db::listing::{ProblemPerson, ProblemRow, Scope, all, problem_people};
use buildbot::db::{outbox, problem_people as people};
use buildbot::model::{ProblemId, Results, now};
use buildbot::status::problem::commands::{self, Order};
use buildbot::status::problem::{Delivered, Problems, Reach};
use serde_json::Value;

use crate::world::{Place, TestMaster, TestWorker, run, soon};

/// IRC with one person on it.
#[derive(Default)]
struct Chat {
    there: AtomicBool,
    /// Takes nothing, though they seem to be there.
    deaf: AtomicBool,
    seen: AtomicBool,
    told: Mutex<Vec<String>>,
}

impl Chat {
    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait]
impl Reach for Chat {
    fn is_settled(&self) -> bool {
        true
    }

    async fn is_there(&self, bot: Option<&str>, user: &str) -> bool {
        assert_eq!((bot, user), (None, "anna"));
        self.there.load(Ordering::SeqCst)
    }

    async fn tell(&self, _: Option<&str>, user: &str, text: &str) -> Option<Delivered> {
        if self.deaf.load(Ordering::SeqCst) {
            return None;
        }
        self.told.lock().unwrap().push(text.to_owned());
        Some(Delivered { bot: "chat".into(), nick: format!("{user}_"), likelihood: 0.25 })
    }

    fn seen(&self, bot: &str, nick: &str) -> f32 {
        assert_eq!((bot, nick), ("chat", "anna_"));
        if self.seen.load(Ordering::SeqCst) { 1.0 } else { 0.1 }
    }
}

const HOUR: i64 = 3600;

struct World {
    place: Place,
    good: PathBuf,
    chat: Arc<Chat>,
    clock: Arc<AtomicI64>,
    problems: Problems,
}

impl World {
    fn new() -> World {
        let place = Place::new();
        let good = place.path("state").join("good");
        std::fs::write(&good, "").unwrap();
        let (chat, clock) = (Arc::new(Chat::default()), Arc::new(AtomicI64::new(now())));
        let time = clock.clone();
        let problems = Problems::new(chat.clone()).with_clock(move || time.load(Ordering::SeqCst));
        World { place, good, chat, clock, problems }
    }

    async fn start(&self) -> (TestMaster, TestWorker) {
        let good = self.good.display();
        let mut setup = self.place.setup(&format!(
            r#"
[[workers]]
name = "w1"
password = "pass"
[[builders]]
name = "linux"
workernames = ["w1"]
[[builders.steps]]
type = "ShellCommand"
command = ["test", "-e", "{good}"]
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["linux"]
[[services]]
type = "MailNotifier"
fromaddr = "bb@example.org"
relayhost = "127.0.0.1"
smtpPort = 1
lookup = "example.org"
mode = []
[[services]]
type = "ProblemHassler"
"#
        ));
        setup.status.push(Box::new(self.problems.clone()));
        let master = self.place.start(setup).await;
        let worker = self.place.worker(&master, "w1").await;
        (master, worker)
    }

    /// A build that anna asked for.
    async fn build(&self, master: &mut TestMaster, results: Results) {
        match results {
            Results::Success => std::fs::write(&self.good, "").unwrap(),
            _ => drop(std::fs::remove_file(&self.good)),
        }
        let request = ForceRequest { owner: "anna".into(), ..ForceRequest::default() };
        master.handles.control.force("force", request).await.unwrap();
        assert_eq!(master.build_finished().await.1, results);
    }

    /// Lets time pass.
    fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
        self.problems.look();
    }
}

async fn problem(master: &TestMaster) -> Option<(ProblemRow, Vec<ProblemPerson>)> {
    let load = |conn: &mut buildbot::db::Conn| {
        let Some(row) = all::<ProblemRow>(conn, &Scope::all())?.pop() else { return Ok(None) };
        let people = problem_people(conn, [row.problemid])?.remove(&row.problemid);
        Ok(Some((row, people.unwrap_or_default())))
    };
    master.read(load).await
}

/// Waits until the only problem and its only person are so.
async fn holds(
    master: &TestMaster,
    what: &str,
    test: impl Fn(&ProblemRow, &ProblemPerson) -> bool,
) {
    soon(what, async {
        loop {
            if let Some((row, people)) = problem(master).await
                && test(&row, &people[0])
            {
                assert_eq!(people.len(), 1);
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The bodies of all mails, oldest first; no server takes them.
async fn mails(master: &TestMaster) -> Vec<Value> {
    let mut due = master.read(|conn| outbox::due(conn, "MailNotifier", i64::MAX, 100)).await;
    due.sort_by_key(|message| message.id);
    due.into_iter().map(|message| message.body).collect()
}

#[test]
fn a_problem_is_followed_up_until_it_is_acknowledged_and_fixed() {
    run(async {
        let world = World::new();
        let (mut master, worker) = world.start().await;
        world.chat.there.store(true, Ordering::SeqCst);
        world.build(&mut master, Results::Success).await;
        world.build(&mut master, Results::Failure).await;
        holds(&master, "anna is told by IRC", |_, anna| anna.irc_nick.is_some()).await;
        let told = world.chat.told();
        assert!(told[0].contains("problem 1: linux is broken since build #2"), "{told:?}");
        assert!(mails(&master).await.is_empty());

        world.pass(900);
        holds(&master, "a mail follows what she has not seen", |_, anna| anna.round == 1).await;
        assert_eq!(mails(&master).await.len(), 1);
        world.build(&mut master, Results::Failure).await;
        holds(&master, "it goes on", |row, _| row.last_bad_number == 3).await;
        world.pass(HOUR);
        holds(&master, "she is told again", |_, anna| {
            anna.due_at == Some(world.clock.load(Ordering::SeqCst) + 900)
        })
        .await;
        soon("she hears it", async {
            while world.chat.told().len() < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(world.chat.told()[1].contains("still broken"));

        worker.stop().await;
        master.halt().await;
        world.chat.seen.store(true, Ordering::SeqCst);
        let (mut master, worker) = world.start().await;
        world.pass(900);
        holds(&master, "she has seen it", |_, anna| anna.round == 2).await;
        assert_eq!((world.chat.told().len(), mails(&master).await.len()), (2, 1));

        let order = Order::Acknowledge { text: "looking".into() };
        let (db, announcer) = (&master.handles.db, &master.handles.announcer);
        commands::carry_out(db, announcer, ProblemId(1), "anna", order).await.unwrap();
        world.pass(24 * HOUR);
        let time = world.clock.load(Ordering::SeqCst);
        let due = master.read(move |conn| people::due(conn, time, 10)).await;
        assert!(due.is_empty(), "{due:?}");

        world.build(&mut master, Results::Success).await;
        holds(&master, "it is closed", |row, anna| {
            row.state == "closed" && row.fixed_by_number == Some(4) && anna.due_at.is_none()
        })
        .await;
        let mails = mails(&master).await;
        assert_eq!((mails.len(), world.chat.told().len()), (2, 2));
        assert_eq!(mails[1]["subject"], "Problem 1: linux is fixed");
        assert_eq!(mails[1]["users"], serde_json::json!(["anna"]));
        for mail in &mails {
            assert_eq!((&mail["thread"], &mail["personal"]), (&"problem.1.2".into(), &true.into()));
        }
        let (db, announcer) = (&master.handles.db, &master.handles.announcer);
        let late = Order::Silence { hours: 1 };
        let late = commands::carry_out(db, announcer, ProblemId(1), "anna", late).await;
        assert_eq!(late.unwrap_err().to_string(), "problem 1 is closed already");
        worker.stop().await;
        master.halt().await;
    });
}

#[test]
fn whoever_is_absent_gets_mail_and_whoever_heard_of_it_gets_thanks() {
    run(async {
        let world = World::new();
        let (mut master, worker) = world.start().await;
        world.build(&mut master, Results::Failure).await;
        world.build(&mut master, Results::Success).await;
        world.build(&mut master, Results::Failure).await;
        holds(&master, "absent: a mail", |row, anna| {
            row.first_bad_number == 3 && anna.round == 1 && anna.mail_at.is_some()
        })
        .await;
        assert!(world.chat.told().is_empty());
        world.build(&mut master, Results::Success).await;
        holds(&master, "fixed", |row, _| row.state == "closed").await;
        assert_eq!(mails(&master).await.len(), 2, "the problem and its end");

        world.chat.there.store(true, Ordering::SeqCst);
        world.build(&mut master, Results::Failure).await;
        holds(&master, "present: IRC", |row, anna| row.problemid == 2 && anna.irc_nick.is_some())
            .await;
        world.build(&mut master, Results::Success).await;
        soon("thanks", async {
            while world.chat.told().len() < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(world.chat.told()[1].contains("fixed by build #6"), "{:?}", world.chat.told());
        holds(&master, "nothing more", |row, anna| {
            row.state == "closed" && anna.due_at.is_none() && anna.irc_nick.is_some()
        })
        .await;
        assert_eq!(mails(&master).await.len(), 2);

        world.chat.deaf.store(true, Ordering::SeqCst);
        world.build(&mut master, Results::Failure).await;
        holds(&master, "what IRC does not take is mailed", |row, anna| {
            row.problemid == 3 && anna.mail_at.is_some() && anna.irc_at.is_none()
        })
        .await;
        assert_eq!((mails(&master).await.len(), world.chat.told().len()), (3, 2));
        worker.stop().await;
        master.halt().await;
    });
}
