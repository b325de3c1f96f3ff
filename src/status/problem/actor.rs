//! One for all problems.
//!
//! In:   facts of the announcer, as a sign that the stream has grown.
//! Out:  problems and mails, in transactions; words on IRC.
//! Owns: nothing; its place in the stream, and who was told, are rows.
//! Dies: safely at any time; nobody is told twice, and who was not told by IRC gets a mail.

use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use async_trait::async_trait;
use tokio::sync::Notify;

use super::chronicler::Chronicler;
use super::hassler::Hassler;
use super::reach::Reach;
use crate::actors::handles::Handles;
use crate::actors::mail::{Child, Mailbox};
use crate::actors::master::Watcher;
use crate::actors::supervise::{ChildSpec, OverBudget, Supervisor};
use crate::config::checked::MasterConfig;
use crate::config::diff::Diff;
use crate::events::Event;
use crate::model::{BuilderId, ProblemId, Timestamp, now};

/// Its name among the children of the master.
const NAME: &str = "problems";

/// Where the time comes from.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Keeps problems, and tells people of them. Clones are the same.
#[derive(Clone)]
pub struct Problems {
    reach: Arc<dyn Reach>,
    clock: Clock,
    bell: Arc<Notify>,
}

impl Problems {
    pub fn new(reach: Arc<dyn Reach>) -> Problems {
        Problems { reach, clock: Arc::new(now), bell: Arc::default() }
    }

    /// The time comes from elsewhere, for whoever plays days in seconds.
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Problems {
        Problems { clock: Arc::new(clock), ..self }
    }

    /// Look whose time has come, such as after the clock was moved.
    pub fn look(&self) {
        self.bell.notify_one();
    }
}

#[async_trait(?Send)]
impl Watcher for Problems {
    fn start(&self, supervisor: &Supervisor, handles: &Handles) {
        let (problems, handles) = (self.clone(), handles.clone());
        let spec = ChildSpec { over_budget: OverBudget::Park, ..ChildSpec::permanent(NAME) };
        supervisor.start(spec, &Mailbox::new(NAME), move || ProblemsActor {
            problems: problems.clone(),
            handles: handles.clone(),
        });
    }

    /// The configuration is read anew whenever somebody's time has come.
    async fn reconfigure(&self, _: &Supervisor, _: &Handles, _: &Diff, _: &MasterConfig) {}
}

/// What both halves hold.
#[derive(Clone)]
pub(super) struct Tools {
    pub handles: Handles,
    pub clock: Clock,
    bell: Arc<Notify>,
}

impl Tools {
    /// Tells everybody that something became of the problem.
    pub fn changed(&self, problem: ProblemId, builder: BuilderId) {
        self.handles.announcer.announce(Event::ProblemChanged { problem, builder });
        self.bell.notify_one();
    }
}

struct ProblemsActor {
    problems: Problems,
    handles: Handles,
}

crate::receives!(ProblemsActor:);

impl Actor for ProblemsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Problems { reach, clock, bell } = self.problems.clone();
        let tools = Tools { handles: self.handles.clone(), clock, bell: bell.clone() };
        // Listening begins before the stream is read, so that nothing falls in between.
        let signs = self.handles.announcer.listen();
        let chronicler = Chronicler { tools: tools.clone(), signs };
        let hassler = Hassler { tools, reach, bell };
        ctx.spawn(chronicler.run().into_actor(self).map(|(), _, ctx| ctx.stop()));
        ctx.spawn(hassler.run().into_actor(self));
    }
}

impl Child for ProblemsActor {}
