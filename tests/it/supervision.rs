//! Supervision with actors made for the purpose: deaths, budgets, stops, and the tree.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter, Context, Handler, Message};
use buildbot::actors::mail::{ASK, AskError, CAPACITY, Child, Mailbox};
use buildbot::actors::supervise::{Alarm, ChildSpec, OverBudget, Restart, Supervisor};
use buildbot::actors::tree::{ChildState, ChildStatus, Tree};
use buildbot::flow::restart::Budget;
use tokio::sync::mpsc;

use crate::world::{eventually, run, soon};

/// What the actors of a test leave behind.
#[derive(Clone, Default)]
struct Notes {
    lives: Arc<AtomicUsize>,
    stopped: Arc<Mutex<Vec<&'static str>>>,
}

/// Counts, panics when told, and stops as its test wants.
struct Clerk {
    name: &'static str,
    count: usize,
    dies_at_birth: bool,
    ignores_stop: bool,
    notes: Notes,
}

#[derive(Message)]
#[rtype(result = "usize")]
struct Count;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

#[derive(Message)]
#[rtype(result = "()")]
struct End;

buildbot::receives!(Clerk: Count, Panic, End);

impl Actor for Clerk {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.notes.lives.fetch_add(1, Ordering::Relaxed);
        assert!(!self.dies_at_birth, "born dead");
    }
}

impl Child for Clerk {
    fn stop(&mut self, ctx: &mut Self::Context) {
        if !self.ignores_stop {
            self.notes.stopped.lock().unwrap().push(self.name);
            actix::ActorContext::stop(ctx);
        }
    }
}

impl Handler<Count> for Clerk {
    type Result = usize;

    fn handle(&mut self, _: Count, _: &mut Self::Context) -> usize {
        self.count += 1;
        self.count
    }
}

impl Handler<Panic> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Self::Context) {
        panic!("told to panic");
    }
}

impl Handler<End> for Clerk {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Self::Context) {
        actix::ActorContext::stop(ctx);
    }
}

/// A supervisor and what its children leave.
struct Office {
    supervisor: Supervisor,
    tree: Tree,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    notes: Notes,
}

impl Office {
    fn new() -> Office {
        let (alarm, alarms) = mpsc::unbounded_channel();
        let tree = Tree::default();
        let supervisor = Supervisor::new("office", tree.clone(), alarm);
        Office { supervisor, tree, alarms, notes: Notes::default() }
    }

    fn start(&self, name: &'static str, spec: ChildSpec) -> Mailbox<Clerk> {
        self.start_as(name, spec, |_| {})
    }

    fn start_as(
        &self,
        name: &'static str,
        spec: ChildSpec,
        change: impl Fn(&mut Clerk) + Send + Sync + 'static,
    ) -> Mailbox<Clerk> {
        let mailbox = Mailbox::new(name);
        let notes = self.notes.clone();
        self.supervisor.start(spec, &mailbox, move || {
            let mut clerk = Clerk {
                name,
                count: 0,
                dies_at_birth: false,
                ignores_stop: false,
                notes: notes.clone(),
            };
            change(&mut clerk);
            clerk
        });
        mailbox
    }

    fn lives(&self) -> usize {
        self.notes.lives.load(Ordering::Relaxed)
    }

    fn row(&self, name: &str) -> Option<ChildStatus> {
        let path = format!("office/{name}");
        self.tree.snapshot().into_iter().find(|row| row.path == path)
    }

    fn state(&self, name: &str) -> Option<ChildState> {
        self.row(name).map(|row| row.state)
    }

    async fn is_up(&self, mailbox: &Mailbox<Clerk>) {
        eventually("a life", || mailbox.is_up()).await;
    }
}

async fn count(mailbox: &Mailbox<Clerk>) -> usize {
    mailbox.ask(Count, ASK).await.expect("an answer")
}

fn small() -> Budget {
    Budget { restarts: 1, within: Duration::from_secs(60) }
}

#[test]
fn a_panic_gives_a_fresh_state_and_the_mailbox_stays() {
    run(async {
        let office = Office::new();
        let clerk = office.start("clerk", ChildSpec::permanent("clerk"));
        office.is_up(&clerk).await;
        assert_eq!((count(&clerk).await, count(&clerk).await), (1, 2));

        let asked = clerk.ask(Panic, ASK).await;
        assert_eq!(asked, Err(AskError::Down("clerk".into())), "the asker learns of it at once");
        office.is_up(&clerk).await;
        assert_eq!(count(&clerk).await, 1, "the old count is gone");

        let row = office.row("clerk").expect("a row");
        assert_eq!((row.state, row.restarts, row.rule), (ChildState::Running, 1, "permanent"));
        assert_eq!(row.last_error.as_deref(), Some("told to panic"));
        office.supervisor.stop_all().await;
        assert!(office.tree.snapshot().is_empty(), "a stopped child has no row");
    });
}

#[test]
fn a_panic_does_not_reach_the_siblings() {
    run(async {
        let office = Office::new();
        let (one, two) = (
            office.start("one", ChildSpec::permanent("one")),
            office.start("two", ChildSpec::permanent("two")),
        );
        let away = ChildSpec { home: Arbiter::new().handle(), ..ChildSpec::permanent("away") };
        let away = office.start("away", away);
        for mailbox in [&one, &two, &away] {
            office.is_up(mailbox).await;
            assert_eq!(count(mailbox).await, 1);
        }
        one.post(Panic);
        eventually("the death", || office.row("one").is_some_and(|row| row.restarts == 1)).await;
        assert_eq!((count(&two).await, count(&away).await), (2, 2));
        let asked = away.ask(Panic, ASK).await;
        assert!(asked.is_err());
        eventually("the death", || office.row("away").is_some_and(|row| row.restarts == 1)).await;
        office.is_up(&away).await;
        assert_eq!((count(&two).await, count(&away).await), (3, 1), "another thread, too");
        office.supervisor.stop_all().await;
    });
}

#[test]
fn one_that_dies_at_birth_backs_off() {
    run(async {
        let office = Office::new();
        let began = Instant::now();
        office.start_as("clerk", ChildSpec::permanent("clerk"), |clerk| clerk.dies_at_birth = true);
        eventually("four lives", || office.lives() == 4).await;
        assert!(began.elapsed() >= Duration::from_millis(700), "pauses of 100, 200 and 400 ms");
        eventually("a pause", || office.state("clerk") == Some(ChildState::BackingOff)).await;
        let stopping = Instant::now();
        office.supervisor.stop_all().await;
        assert!(stopping.elapsed() < Duration::from_millis(500), "a pause does not delay a stop");
        assert_eq!(office.lives(), 4);
    });
}

#[test]
fn over_budget_one_is_tried_on_one_is_parked_one_raises_the_alarm() {
    run(async {
        let mut office = Office::new();
        for (name, over_budget) in [
            ("tried", OverBudget::KeepTrying),
            ("parked", OverBudget::Park),
            ("essential", OverBudget::ShutDown),
        ] {
            let spec = ChildSpec { budget: small(), over_budget, ..ChildSpec::permanent(name) };
            office.start_as(name, spec, |clerk| clerk.dies_at_birth = true);
        }
        let alarm = soon("the alarm", office.alarms.recv()).await.expect("an alarm");
        assert_eq!((alarm.path.as_str(), alarm.error.as_str()), ("office/essential", "born dead"));
        eventually("parked", || office.state("parked") == Some(ChildState::Parked)).await;
        assert_eq!(office.row("parked").map(|row| row.restarts), Some(2));
        eventually("tried on", || office.row("tried").is_some_and(|row| row.restarts >= 3)).await;
        assert_eq!(office.row("parked").map(|row| row.restarts), Some(2), "it stays down");
        office.supervisor.stop_all().await;
        assert!(office.supervisor.is_empty() && office.tree.snapshot().is_empty());
    });
}

#[test]
fn somebody_can_revive_a_parked_child_and_restart_a_running_one() {
    run(async {
        let office = Office::new();
        let sick = Arc::new(Mutex::new(true));
        let spec = ChildSpec {
            budget: small(),
            over_budget: OverBudget::Park,
            ..ChildSpec::permanent("clerk")
        };
        let health = sick.clone();
        let clerk = office
            .start_as("clerk", spec, move |clerk| clerk.dies_at_birth = *health.lock().unwrap());
        eventually("parked", || office.state("clerk") == Some(ChildState::Parked)).await;
        assert_eq!(clerk.ask(Count, ASK).await, Err(AskError::Down("clerk".into())));
        *sick.lock().unwrap() = false;
        assert!(office.tree.restart("office/clerk"));
        office.is_up(&clerk).await;
        assert_eq!((count(&clerk).await, count(&clerk).await), (1, 2));

        assert!(office.tree.restart("office/clerk"));
        let lives = office.lives();
        eventually("another life", || office.lives() == lives + 1).await;
        office.is_up(&clerk).await;
        assert_eq!(count(&clerk).await, 1);
        assert!(!office.tree.restart("office/nobody"));
        office.supervisor.stop_all().await;
    });
}

#[test]
fn children_stop_in_the_reverse_order_of_their_start() {
    run(async {
        let office = Office::new();
        for name in ["first", "second", "third"] {
            let clerk = office.start(name, ChildSpec::permanent(name));
            office.is_up(&clerk).await;
        }
        office.supervisor.stop_down_to("first").await;
        assert_eq!(office.supervisor.names(), ["first"]);
        office.supervisor.stop_all().await;
        assert_eq!(*office.notes.stopped.lock().unwrap(), ["third", "second", "first"]);
    });
}

#[test]
fn a_child_that_ignores_stop_is_cut_off() {
    run(async {
        let office = Office::new();
        let spec =
            ChildSpec { stop_within: Duration::from_millis(50), ..ChildSpec::permanent("deaf") };
        let deaf = office.start_as("deaf", spec, |clerk| clerk.ignores_stop = true);
        office.is_up(&deaf).await;
        soon("the stop", office.supervisor.stop("deaf")).await;
        assert!(!deaf.is_up(), "it is gone");
        assert_eq!(deaf.ask(Count, ASK).await, Err(AskError::Down("deaf".into())));
        assert!(office.tree.snapshot().is_empty());
    });
}

#[test]
fn only_those_whose_rule_says_so_live_again() {
    run(async {
        let office = Office::new();
        let transient =
            ChildSpec { restart: Restart::Transient, ..ChildSpec::permanent("transient") };
        let transient = office.start("transient", transient);
        let temporary = office.start("temporary", ChildSpec::temporary("temporary"));
        let panicking = office.start("panicking", ChildSpec::temporary("panicking"));
        for mailbox in [&transient, &temporary, &panicking] {
            office.is_up(mailbox).await;
        }
        temporary.post(End);
        panicking.post(Panic);
        eventually("both are gone", || office.supervisor.names() == ["transient"]).await;
        assert_eq!(office.tree.snapshot().len(), 1);
        // The name is free again.
        let again = office.start("temporary", ChildSpec::temporary("temporary"));
        office.is_up(&again).await;
        assert_eq!(office.supervisor.names(), ["transient", "temporary"]);

        assert!(transient.ask(Panic, ASK).await.is_err());
        office.is_up(&transient).await;
        transient.post(End);
        eventually("its orderly end", || office.supervisor.names() == ["temporary"]).await;
        office.supervisor.stop_all().await;
    });
}

#[test]
fn the_tree_counts_what_waited_and_what_was_lost() {
    run(async {
        let office = Office::new();
        let clerk = office.start("clerk", ChildSpec::permanent("clerk"));
        office.is_up(&clerk).await;
        // Nothing is handled before this task gives way.
        let taken = (0..CAPACITY + 40).filter(|_| clerk.post(End)).count();
        let row = office.row("clerk").expect("a row");
        assert_eq!(row.mail_lost as usize, CAPACITY + 40 - taken);
        assert!(row.mail_lost > 0 && row.mailbox_high_water >= CAPACITY, "{row:?}");
        office.supervisor.stop_all().await;
    });
}

#[test]
fn children_of_a_forgotten_supervisor_end() {
    run(async {
        let office = Office::new();
        let clerk = office.start("clerk", ChildSpec::permanent("clerk"));
        office.is_up(&clerk).await;
        let tree = office.tree.clone();
        drop(office);
        eventually("the end", || tree.snapshot().is_empty()).await;
        assert!(!clerk.is_up());
    });
}
