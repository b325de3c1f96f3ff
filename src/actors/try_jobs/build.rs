//! A build of a try job: tells the client of its steps, and how it ends.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use protocol::broker::{Args, no_such_method};
use protocol::jelly::{Failure, Value};
use tokio::sync::oneshot;

use super::{Sight, next_fact, subscriber, unreadable};
use crate::actors::worker::{Line, Perspective};
use crate::db::{builds, steps};
use crate::events::Event;
use crate::model::{Build, BuildId, Results, StepId};

/// One build, or the end of a request that had none.
pub(super) struct BuildView {
    /// What the client is given, again and again.
    me: Weak<BuildView>,
    sight: Sight,
    builder_name: String,
    build: Option<BuildId>,
    /// Of the request, where there is no build.
    results: Option<Results>,
    /// Dropped when the client wants to hear no more.
    subscription: Mutex<Option<oneshot::Sender<()>>>,
}

impl BuildView {
    pub fn new(
        sight: Sight,
        builder_name: String,
        build: Option<BuildId>,
        results: Option<Results>,
    ) -> Arc<BuildView> {
        let subscription = Mutex::default();
        Arc::new_cyclic(|me| BuildView {
            me: me.clone(),
            sight,
            builder_name,
            build,
            results,
            subscription,
        })
    }

    fn subscribe_instead(&self, new: Option<oneshot::Sender<()>>) {
        *self.subscription.lock().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// Tells of each step that begins or ends from now on.
    async fn subscribe(&self, subscriber: i64, line: &Line) {
        let (Some(build), Some(me)) = (self.build, self.me.upgrade()) else { return };
        let (subscription, cancelled) = oneshot::channel();
        self.subscribe_instead(Some(subscription));
        let mut facts = self.sight.announcer.listen();
        let told = line.clone();
        let following = async move {
            while let Ok(fact) = next_fact(&mut facts).await {
                let over = match &fact {
                    Some(fact) => is_end(fact, build),
                    // What was missed is only missing in the display, but for the end.
                    None => me.stored(build).await.is_ok_and(|build| build.complete_at.is_some()),
                };
                if over {
                    return;
                }
                if let Some((step, ended)) = fact.and_then(|fact| step_of(&fact, build))
                    && me.tell_step(subscriber, step, ended, &told).await.is_err()
                {
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
    }

    async fn tell_step(
        self: &Arc<Self>,
        subscriber: i64,
        step: StepId,
        ended: Option<Results>,
        line: &Line,
    ) -> Result<(), Failure> {
        let read = self.sight.db.read(move |conn| steps::get(conn, step)).await;
        let name = read.map_err(|error| unreadable(&error))?.name;
        let shown = line.show(self.clone()).await?;
        let mut args = vec![Value::from(self.builder_name.as_str()), shown];
        args.extend([Value::from(name.as_str()), Value::None]);
        let method = match ended {
            None => "stepStarted",
            Some(results) => {
                args.push(Value::Int(results.code()));
                "stepFinished"
            }
        };
        line.call(subscriber, method, args).await.map(|_| ())
    }

    /// Answers when the build has ended; it looks at every fact that says so, and at least once.
    async fn wait(&self) -> Result<(), Failure> {
        let Some(id) = self.build else { return Ok(()) };
        let mut facts = self.sight.announcer.listen();
        while self.stored(id).await?.complete_at.is_none() {
            loop {
                match next_fact(&mut facts).await.map_err(|error| unreadable(&error))? {
                    Some(fact) if !is_end(&fact, id) => {}
                    _ => break,
                }
            }
        }
        Ok(())
    }

    async fn stored(&self, id: BuildId) -> Result<Build, Failure> {
        let read = self.sight.db.read(move |conn| builds::get(conn, id)).await;
        read.map_err(|error| unreadable(&error))
    }

    /// The result's code, and the text below it.
    async fn outcome(&self) -> Result<(Option<Results>, String), Failure> {
        match self.build {
            Some(id) => self.stored(id).await.map(|build| (build.results, build.state_string)),
            None => Ok((self.results, "never built".to_owned())),
        }
    }
}

fn step_of(fact: &Event, own: BuildId) -> Option<(StepId, Option<Results>)> {
    match fact {
        Event::StepStarted { step, build } if *build == own => Some((*step, None)),
        Event::StepFinished { step, build, results } if *build == own => {
            Some((*step, Some(*results)))
        }
        _ => None,
    }
}

fn is_end(fact: &Event, own: BuildId) -> bool {
    matches!(fact, Event::BuildFinished { build, .. } if *build == own)
}

#[async_trait]
impl Perspective for BuildView {
    async fn call(&self, method: &str, args: Args, line: &Line) -> Result<Value, Failure> {
        match method {
            "subscribe" => self.subscribe(subscriber(args)?, line).await,
            "unsubscribe" => self.subscribe_instead(None),
            "waitUntilFinished" => {
                self.wait().await?;
                // Clients expect the build itself.
                if let Some(me) = self.me.upgrade() {
                    return line.show(me).await;
                }
            }
            "getResults" => {
                let results = self.outcome().await?.0;
                return Ok(results.map_or(Value::None, |results| Value::Int(results.code())));
            }
            "getText" => return Ok(Value::List(vec![Value::Text(self.outcome().await?.1)])),
            _ => return Err(no_such_method(method)),
        }
        Ok(Value::None)
    }

    fn is_patient(&self, method: &str) -> bool {
        method == "waitUntilFinished"
    }
}
