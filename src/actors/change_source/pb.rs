//! `PBChangeSource`: takes the changes that clients send over Perspective Broker.
//!
//! In: calls of clients that have logged in.  Out: `Intake::submit`, status on [`Sources`].
//! Owns: its name among the [logins](super::super::worker::Logins) while it lives.
//! Dies: safely at any time; until it lives again nobody can log in with its name, and a client
//!       that waits is told so.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use async_trait::async_trait;
use protocol::broker::{Args, no_such_attribute, type_error};
use protocol::jelly::{Failure, Value};
use protocol::pb::Change;

use super::sent::to_new_change;
use super::{Sources, Wiring, child_name, claim};
use crate::actors::intake::Batch;
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::actors::worker::{Line, Perspective, Registration};
use crate::config::checked::PbChangeSourceConfig;
use crate::db::DbError;

/// Longer than the intake takes at most.
const DEADLINE: Duration = Duration::from_secs(130);

/// The pause before the next attempt to be the source's only master: when another one is, and when
/// the database is in trouble.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(5));

/// The source while it runs.
pub struct PbChangeSource;

impl PbChangeSource {
    /// Starts the source below `supervisor`; it is tried for ever.
    pub(super) fn start(
        supervisor: &Supervisor,
        config: PbChangeSourceConfig,
        wiring: Wiring,
        sources: Sources,
    ) {
        let mailbox = Mailbox::new(child_name(&config.name));
        let spec = ChildSpec::permanent(mailbox.name());
        let (config, own) = (Arc::new(config), mailbox.clone());
        supervisor.start(spec, &mailbox, move || PbSourceActor {
            config: config.clone(),
            wiring: wiring.clone(),
            sources: sources.clone(),
            own: own.clone(),
            registration: None,
        });
    }
}

/// What a client that has logged in may call.
struct ChangePerspective(Mailbox<PbSourceActor>);

#[async_trait]
impl Perspective for ChangePerspective {
    async fn call(&self, method: &str, args: Args, _: &Line) -> Result<Value, Failure> {
        if method != "addChange" {
            return Err(no_such_attribute("ChangePerspective", method));
        }
        let dictionary = only(args)?;
        let stored = self.0.ask(AddChange(dictionary), DEADLINE).await;
        stored.unwrap_or_else(|error| Err(trouble(&error)))
    }
}

/// The dictionary, which is the only argument.
fn only(mut args: Args) -> Result<Value, Failure> {
    let count = args.positional.len() + args.named.len();
    let dictionary = args.take(0, "changedict").filter(|_| count == 1);
    dictionary.ok_or_else(|| {
        type_error(format!(
            "ChangePerspective.perspective_addChange() takes 2 positional arguments but {} were given",
            count + 1
        ))
    })
}

/// Nothing is wrong with the change.
fn trouble(error: &dyn std::error::Error) -> Failure {
    Failure::new("builtins.RuntimeError", &[], format!("the change could not be stored: {error}"))
}

/// Store this change; answered when it is stored.
#[derive(Message)]
#[rtype(result = "Result<Value, Failure>")]
struct AddChange(Value);

/// The actor; reached through the logins.
pub struct PbSourceActor {
    config: Arc<PbChangeSourceConfig>,
    wiring: Wiring,
    sources: Sources,
    own: Mailbox<PbSourceActor>,
    /// Present unless another master has the source.
    registration: Option<Registration>,
}

impl Actor for PbSourceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // At once, so that nobody is refused who comes right after the master's start.
        self.open();
        self.claim(ctx);
    }
}

impl Child for PbSourceActor {}

crate::receives!(PbSourceActor: AddChange);

impl Handler<AddChange> for PbSourceActor {
    type Result = actix::ResponseActFuture<Self, Result<Value, Failure>>;

    fn handle(&mut self, AddChange(dictionary): AddChange, _: &mut Context<Self>) -> Self::Result {
        let change = Change::from_value(&dictionary)
            .map(|change| to_new_change(change, self.config.prefix.as_deref()));
        if let Err(failure) = &change {
            let (name, what) = (&self.config.name, &failure.value);
            tracing::warn!("{name}: a client sent what is no change: {what}");
        }
        let intake = self.wiring.intake.clone();
        let storing = async move {
            let batch = Batch { changes: vec![change?], memory: None };
            Ok(intake.submit(batch).await)
        };
        Box::pin(storing.into_actor(self).map(|stored, source, _| {
            let outcome = stored?;
            source.tell(outcome.as_ref().err().map(ToString::to_string));
            match outcome {
                Ok(_) => Ok(Value::None),
                Err(error) => Err(trouble(&error)),
            }
        }))
    }
}

impl PbSourceActor {
    fn open(&mut self) {
        let perspective = Arc::new(ChangePerspective(self.own.clone()));
        let PbChangeSourceConfig { user, passwd, port, .. } = &*self.config;
        let registration = self.wiring.logins.register(port.as_ref(), user, passwd, perspective);
        self.registration = Some(registration);
    }

    /// Only one of several masters takes the changes of a source.
    fn claim(&mut self, ctx: &mut Context<Self>) {
        let (name, wiring) = (self.config.name.clone(), self.wiring.clone());
        let claiming = async move { claim(&name, &wiring).await };
        ctx.spawn(
            claiming.into_actor(self).map(|claimed, source, ctx| source.claimed(claimed, ctx)),
        );
    }

    fn claimed(&mut self, claimed: Result<bool, DbError>, ctx: &mut Context<Self>) {
        let pause = match claimed {
            Ok(true) => {
                if self.registration.is_none() {
                    self.open();
                }
                return self.tell(None);
            }
            Ok(false) => {
                self.registration = None;
                self.tell(Some("another master takes the changes of this source".to_owned()));
                PAUSES.0
            }
            Err(error) => {
                self.tell(Some(error.to_string()));
                PAUSES.1
            }
        };
        ctx.run_later(pause, |source, ctx| source.claim(ctx));
    }

    /// Logs what is wrong, or is not any more, and shows it on the pages.
    fn tell(&self, error: Option<String>) {
        let name = &self.config.name;
        self.sources.update(name, |status| {
            if status.last_error == error {
                return;
            }
            match &error {
                Some(error) => tracing::warn!("{name}: {error}"),
                None => tracing::info!("{name} takes changes again"),
            }
            status.last_error = error;
        });
    }
}
