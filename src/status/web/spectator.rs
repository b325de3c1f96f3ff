//! A backstage without a master: shows a database, commands nothing. For looking at the history of
//! a stopped master, and for tests.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::backstage::{
    Backstage, BotNote, Connection, Explain, Following, Refusal, SchedulerNote, SourceNote,
    Submitted, Wish, WorkerOrder,
};
use crate::actors::tree::ChildStatus;
use crate::flow::locks::LockStatus;
use crate::model::{BuildId, BuildRequestId, LogId, ProblemId, SchedulerId, WorkerId};
use crate::status::problem::commands::Order;

/// Refuses every command.
pub struct Spectator;

fn refused<T>() -> Result<T, Refusal> {
    Err(Refusal::Failed("no master runs on this database".to_owned()))
}

#[async_trait]
impl Backstage for Spectator {
    async fn force(&self, _: &str, _: Wish) -> Result<Submitted, Refusal> {
        refused()
    }

    async fn stop_build(&self, _: BuildId, _: &str) -> Result<(), Refusal> {
        refused()
    }

    async fn rebuild(&self, _: BuildId, _: &str) -> Result<Submitted, Refusal> {
        refused()
    }

    async fn cancel_request(&self, _: BuildRequestId, _: &str) -> Result<(), Refusal> {
        refused()
    }

    async fn set_priority(&self, _: BuildRequestId, _: i64) -> Result<(), Refusal> {
        refused()
    }

    async fn enable_scheduler(&self, _: SchedulerId, _: bool) -> Result<(), Refusal> {
        refused()
    }

    async fn tell_worker(&self, _: WorkerId, _: WorkerOrder, _: &str) -> Result<(), Refusal> {
        refused()
    }

    async fn problem(&self, _: ProblemId, _: &str, _: Order) -> Result<(), Refusal> {
        refused()
    }

    async fn follow(&self, _: LogId) -> Option<Following> {
        None
    }

    fn connections(&self) -> HashMap<WorkerId, Connection> {
        HashMap::new()
    }

    fn explain(&self) -> Explain {
        Explain::new(Arc::new(|_, requests| {
            let none = "no master runs on this database".to_owned();
            Ok(requests.iter().map(|request| (*request, none.clone())).collect())
        }))
    }

    fn schedulers(&self) -> Vec<SchedulerNote> {
        Vec::new()
    }

    fn sources(&self) -> Vec<SourceNote> {
        Vec::new()
    }

    fn locks(&self) -> Vec<LockStatus> {
        Vec::new()
    }

    fn tree(&self) -> Vec<ChildStatus> {
        Vec::new()
    }

    fn bots(&self) -> Vec<BotNote> {
        Vec::new()
    }
}
