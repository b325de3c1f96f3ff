//! What a change source sees of the master: the intake, with the source's own memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{Sources, Wiring};
use crate::actors::intake::{Batch, Intake, Memory};
use crate::change_sources::{Desk, SourcePlan, Trouble};
use crate::model::{Clock, NewChange};

/// The desk of one look.
pub(super) struct IntakeDesk {
    plan: Arc<SourcePlan>,
    intake: Intake,
    basedir: PathBuf,
    sources: Sources,
    clock: Clock,
}

impl IntakeDesk {
    pub fn new(plan: Arc<SourcePlan>, wiring: &Wiring, sources: Sources) -> IntakeDesk {
        let (intake, basedir) = (wiring.intake.clone(), wiring.basedir.clone());
        IntakeDesk { plan, intake, basedir, sources, clock: wiring.clock.clone() }
    }
}

#[async_trait]
impl Desk for IntakeDesk {
    fn basedir(&self) -> &Path {
        &self.basedir
    }

    async fn recall(&self, key: &str) -> Result<Option<Value>, Trouble> {
        let state = self.intake.state(&self.plan.memory, self.plan.class, key).await;
        state.map_err(|error| Trouble::Store(error.to_string()))
    }

    async fn report(
        &self,
        mut changes: Vec<NewChange>,
        remember: Vec<(String, Value)>,
    ) -> Result<(), Trouble> {
        for change in &mut changes {
            self.plan.mark(change);
        }
        let memory = Memory {
            name: self.plan.memory.clone(),
            class: self.plan.class.to_owned(),
            values: remember,
        };
        let stored = self.intake.submit(Batch { changes, memory: Some(memory) }).await;
        stored.map(drop).map_err(|error| Trouble::Store(error.to_string()))
    }

    fn well(&self) {
        self.sources.update(&self.plan.name, |status| {
            if let Some(error) = status.last_error.take() {
                tracing::info!("{}: connected again, after: {error}", status.name);
            }
            status.last_poll = Some(self.clock.now());
        });
    }
}
