//! What a client of a Try_Userpass may call: hands over jobs.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use protocol::broker::{Args, no_such_attribute};
use protocol::jelly::{Failure, Value};
use protocol::pb;

use super::buildset::BuildsetView;
use super::{Sight, trouble, unreadable};
use crate::actors::scheduler::SchedulerHandle;
use crate::actors::worker::{Line, Perspective, to_json};
use crate::db::builders;
use crate::flow::try_job::TryJob;
use crate::model::{BuilderId, NewPatch};
use crate::schedulers::{Order, Refused, Submitted, TryRequest};

pub(super) struct TryPerspective {
    sight: Sight,
    scheduler: SchedulerHandle,
}

impl TryPerspective {
    pub fn new(sight: Sight, scheduler: SchedulerHandle) -> TryPerspective {
        TryPerspective { sight, scheduler }
    }

    /// As in stock, nothing is the answer when a builder is not the scheduler's.
    async fn attempt(&self, job: TryJob, line: &Line) -> Result<Value, Failure> {
        let name = &self.scheduler.config().options.name;
        let who = job.who.clone();
        let order = Order::Try(Box::new(TryRequest { job, file: None }));
        match self.scheduler.order(order).await {
            Ok(Some(submitted)) => {
                let buildset = submitted.buildset;
                tracing::info!(scheduler = %name, %buildset, who, "a try job");
                let view = BuildsetView::new(&self.sight, self.named(submitted).await?);
                line.show(Arc::new(view)).await
            }
            Ok(None) => Ok(Value::None),
            Err(Refused::NoBuilder(builder)) => {
                tracing::warn!(scheduler = %name, who, "a try job for the builder '{builder}', which the scheduler does not have");
                Ok(Value::None)
            }
            Err(refused) => Err(trouble(format!("the job was not taken: {refused}"))),
        }
    }

    /// The requests with the names of their builders.
    async fn named(
        &self,
        submitted: Submitted,
    ) -> Result<Vec<(String, BuilderId, crate::model::BuildRequestId)>, Failure> {
        let rows = self.sight.db.read(builders::list).await.map_err(|error| unreadable(&error))?;
        let names: HashMap<BuilderId, String> =
            rows.into_iter().map(|row| (row.id, row.name)).collect();
        let named = submitted.requests.into_iter();
        Ok(named.filter_map(|(id, request)| Some((names.get(&id)?.clone(), id, request))).collect())
    }
}

#[async_trait]
impl Perspective for TryPerspective {
    async fn call(&self, method: &str, args: Args, line: &Line) -> Result<Value, Failure> {
        match method {
            "try" => self.attempt(job(pb::TryJob::from_args(args)?), line).await,
            "getAvailableBuilderNames" => {
                let names = &self.scheduler.config().options.builder_names;
                Ok(Value::List(names.iter().map(|name| Value::from(name.as_str())).collect()))
            }
            _ => Err(no_such_attribute("Try_Userpass_Perspective", method)),
        }
    }
}

fn job(sent: pb::TryJob) -> TryJob {
    let pb::TryPatch { level, body, subdir } = sent.patch;
    let properties = sent.properties.iter().map(|(name, value)| (name.clone(), to_json(value)));
    TryJob {
        id: String::new(),
        branch: sent.branch,
        revision: sent.revision,
        patch: body.map(|body| NewPatch { level, body, subdir, ..NewPatch::default() }),
        repository: sent.repository,
        project: sent.project,
        who: sent.who,
        comment: sent.comment,
        builder_names: sent.builder_names.unwrap_or_default(),
        properties: properties.collect(),
    }
}
