//! A build request of a try job: tells the client of each build that answers it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use protocol::broker::{Args, no_such_method};
use protocol::jelly::{Failure, Value};
use tokio::sync::oneshot;

use super::build::BuildView;
use super::{Sight, next_fact, subscriber, unreadable};
use crate::actors::worker::{Line, Perspective};
use crate::db::{Conn, DbError, buildrequests, builds};
use crate::events::Event;
use crate::model::{BuildId, BuildRequestId, BuilderId, Results};

/// Builds of one request that are told of at most.
const BUILDS: i64 = 100;

/// One request.
pub(super) struct RequestView {
    sight: Sight,
    builder_name: String,
    builder: BuilderId,
    request: BuildRequestId,
    /// Dropped when the client wants to hear no more.
    subscription: Mutex<Option<oneshot::Sender<()>>>,
}

impl RequestView {
    pub fn new(
        sight: Sight,
        builder_name: String,
        builder: BuilderId,
        request: BuildRequestId,
    ) -> RequestView {
        RequestView { sight, builder_name, builder, request, subscription: Mutex::default() }
    }

    fn subscribe_instead(&self, new: Option<oneshot::Sender<()>>) {
        *self.subscription.lock().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// Tells of the builds that exist, then of those to come.
    async fn subscribe(&self, subscriber: i64, line: &Line) -> Result<(), Failure> {
        let mut facts = self.sight.announcer.listen();
        let mut teller = Teller {
            sight: self.sight.clone(),
            builder_name: self.builder_name.clone(),
            request: self.request,
            subscriber,
            line: line.clone(),
            told: HashSet::new(),
        };
        if teller.tell_new().await? {
            return Ok(());
        }
        let (subscription, cancelled) = oneshot::channel();
        self.subscribe_instead(Some(subscription));
        let (builder, request) = (self.builder, self.request);
        let following = async move {
            while let Ok(fact) = next_fact(&mut facts).await {
                let concerns = fact.is_none_or(|fact| concerns(&fact, builder, request));
                if concerns && teller.tell_new().await.unwrap_or(true) {
                    return;
                }
            }
        };
        line.keep(async move {
            tokio::select! {
                () = following => {}
                _ = cancelled => {}
            }
        })
        .await;
        Ok(())
    }
}

/// May this fact bring a build, or the end without one?
fn concerns(fact: &Event, own: BuilderId, own_request: BuildRequestId) -> bool {
    match fact {
        Event::BuildStarted { builder, .. } => *builder == own,
        Event::RequestCompleted { request, .. } => *request == own_request,
        _ => false,
    }
}

#[async_trait]
impl Perspective for RequestView {
    async fn call(&self, method: &str, args: Args, line: &Line) -> Result<Value, Failure> {
        match method {
            "subscribe" => self.subscribe(subscriber(args)?, line).await?,
            "unsubscribe" => self.subscribe_instead(None),
            _ => return Err(no_such_method(method)),
        }
        Ok(Value::None)
    }

    /// The client is told of builds meanwhile.
    fn is_patient(&self, method: &str) -> bool {
        method == "subscribe"
    }
}

/// Tells one client of builds, each once.
struct Teller {
    sight: Sight,
    builder_name: String,
    request: BuildRequestId,
    subscriber: i64,
    line: Line,
    told: HashSet<Option<BuildId>>,
}

impl Teller {
    /// True when no further build will come.
    async fn tell_new(&mut self) -> Result<bool, Failure> {
        let request = self.request;
        let read = self.sight.db.read(move |conn| look(conn, request)).await;
        let (builds, results) = read.map_err(|error| unreadable(&error))?;
        for build in &builds {
            self.tell(Some(*build), None).await?;
        }
        if results.is_some() && builds.is_empty() {
            // Cancelled, or merged into another one: the client would wait for ever.
            self.tell(None, results).await?;
        }
        Ok(results.is_some())
    }

    async fn tell(
        &mut self,
        build: Option<BuildId>,
        results: Option<Results>,
    ) -> Result<(), Failure> {
        if !self.told.insert(build) {
            return Ok(());
        }
        let view: Arc<BuildView> =
            BuildView::new(self.sight.clone(), self.builder_name.clone(), build, results);
        let shown = self.line.show(view).await?;
        let name = Value::from(self.builder_name.as_str());
        self.line.call(self.subscriber, "newbuild", vec![shown, name]).await.map(|_| ())
    }
}

/// The request's builds, and its result once it is complete.
fn look(
    conn: &mut Conn,
    request: BuildRequestId,
) -> Result<(Vec<BuildId>, Option<Results>), DbError> {
    let builds = builds::of_request(conn, request, BUILDS)?;
    let request = buildrequests::get(conn, request)?;
    let results = if request.complete { request.results } else { None };
    Ok((builds.into_iter().map(|build| build.id).collect(), results))
}
