//! One actor per status target.
//!
//! In:   facts of the announcer, as a sign that the stream has grown.
//! Out:  messages into the outbox, and from there to whom they are for.
//! Owns: nothing; its place in the stream and its messages are rows.
//! Dies: safely at any time; what was being sent is sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use async_trait::async_trait;
use tokio::sync::Notify;

use super::courier::Courier;
use super::house_keeping;
use super::reader::Reader;
use crate::actors::handles::Handles;
use crate::actors::mail::{Child, Mailbox};
use crate::actors::master::Watcher;
use crate::actors::supervise::{ChildSpec, OverBudget, Supervisor};
use crate::config::checked::MasterConfig;
use crate::config::diff::Diff;
use crate::reporters::registry::Plan;
use crate::reporters::{Reporter, ReporterConfig, Site};

/// How long an orderly end waits for a message that is on its way.
const FAREWELL: Duration = Duration::from_secs(5);

/// Starts and stops the status targets that the configuration names.
pub struct Targets;

#[async_trait(?Send)]
impl Watcher for Targets {
    fn start(&self, supervisor: &Supervisor, handles: &Handles) {
        house_keeping::start(supervisor, handles);
        let config = handles.config.borrow().clone();
        for reporter in &config.reporters {
            start(supervisor, reporter, handles);
        }
    }

    async fn reconfigure(
        &self,
        supervisor: &Supervisor,
        handles: &Handles,
        diff: &Diff,
        _: &MasterConfig,
    ) {
        for name in diff.reporters.ending(|reporter| &reporter.name) {
            supervisor.stop(&child_name(&name)).await;
        }
        for reporter in diff.reporters.beginning() {
            start(supervisor, reporter, handles);
        }
    }
}

/// Name of a target among its siblings.
fn child_name(target: &str) -> String {
    format!("target {target}")
}

/// A target that dies again and again stays down, and nobody else notices.
fn start(supervisor: &Supervisor, config: &ReporterConfig, handles: &Handles) {
    let Plan::Messages(reporter) = &config.plan else { return };
    let name = child_name(&config.name);
    let (target, reporter, handles) = (config.name.clone(), reporter.clone(), handles.clone());
    let spec = ChildSpec {
        over_budget: OverBudget::Park,
        stop_within: FAREWELL,
        ..ChildSpec::permanent(name.clone())
    };
    supervisor.start(spec, &Mailbox::new(name), move || TargetActor {
        target: target.clone(),
        reporter: reporter.clone(),
        handles: handles.clone(),
        closing: Arc::default(),
    });
}

struct TargetActor {
    target: String,
    reporter: Arc<dyn Reporter>,
    handles: Handles,
    closing: Arc<Closing>,
}

/// Ends the courier after what is on its way.
#[derive(Default)]
pub(super) struct Closing {
    pub now: AtomicBool,
    /// Rung when messages were stored, and at the end.
    pub letterbox: Notify,
}

crate::receives!(TargetActor:);

impl Actor for TargetActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let reader = Reader {
            target: self.target.clone(),
            reporter: self.reporter.clone(),
            // Listening begins before the stream is read, so that nothing falls in between.
            signs: self.handles.announcer.listen(),
            handles: self.handles.clone(),
            closing: self.closing.clone(),
        };
        let courier = Courier {
            target: self.target.clone(),
            reporter: self.reporter.clone(),
            handles: self.handles.clone(),
            closing: self.closing.clone(),
        };
        ctx.spawn(reader.run().into_actor(self).map(|(), _, ctx| ctx.stop()));
        ctx.spawn(courier.run().into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}

/// What is on its way is waited for, so that an orderly end does not send it twice.
impl Child for TargetActor {
    fn stop(&mut self, _: &mut Self::Context) {
        self.closing.now.store(true, Ordering::Relaxed);
        self.closing.letterbox.notify_one();
    }
}

/// What messages say about this installation, as of now.
pub(super) fn site(handles: &Handles) -> Site {
    Site::of(&handles.config.borrow())
}
