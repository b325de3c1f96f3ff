//! Mailboxes that survive restarts, and the only place that sends to an actor.
//!
//! A [`Mailbox`] is a shared slot: supervision puts the address of each new life into it, so that
//! handles stay valid. [`Mailbox::post`] never waits and never loses silently; [`Mailbox::ask`]
//! waits with a deadline. Bulk traffic does not come this way without being awaited.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};

/// Messages a mailbox holds before [`Mailbox::post`] refuses.
pub const CAPACITY: usize = 1024;

/// The usual deadline of an ask.
pub const ASK: Duration = Duration::from_secs(30);

/// Where to send messages for an actor, whichever life of it is running.
pub struct Mailbox<A: Actor> {
    slot: Arc<Slot<A>>,
}

struct Slot<A: Actor> {
    name: String,
    addr: RwLock<Option<Addr<A>>>,
    gauge: Arc<Gauge>,
}

/// How full a mailbox is and was.
#[derive(Debug, Default)]
pub struct Gauge {
    queued: AtomicUsize,
    high_water: AtomicUsize,
    lost: AtomicU64,
}

impl Gauge {
    /// The most messages that ever waited at once.
    pub fn high_water(&self) -> usize {
        self.high_water.load(Ordering::Relaxed)
    }

    /// Messages that found the mailbox full or the actor down.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn take_place(self: &Arc<Self>) -> Place {
        let queued = self.queued.fetch_add(1, Ordering::Relaxed) + 1;
        self.high_water.fetch_max(queued, Ordering::Relaxed);
        Place(self.clone())
    }
}

/// One message's place in the queue; given back when the message is handled or dropped.
struct Place(Arc<Gauge>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A message on its way. [`receives!`](crate::receives) unpacks it for the actor.
pub struct Mail<M> {
    message: M,
    place: Place,
}

impl<M> Mail<M> {
    /// The message; its place in the queue becomes free.
    pub fn open(self) -> M {
        drop(self.place);
        self.message
    }
}

impl<M: Message> Message for Mail<M> {
    type Result = M::Result;
}

/// Asks the actor to end in an orderly way; see [`Child`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// An actor that supervision can stop.
pub trait Child: Actor<Context = actix::Context<Self>> {
    /// Ends the actor. What takes time goes into a future that calls `ctx.stop()` at its end.
    fn stop(&mut self, ctx: &mut actix::Context<Self>) {
        use actix::ActorContext;
        ctx.stop();
    }
}

/// Lists what an actor receives through its [`Mailbox`]; [`Stop`] is always among it.
#[macro_export]
macro_rules! receives {
    ($actor:ty: $($message:ty),* $(,)?) => {
        $crate::receives!(@each $actor: $crate::actors::mail::Stop $(, $message)*);

        impl actix::Handler<$crate::actors::mail::Stop> for $actor {
            type Result = ();

            fn handle(&mut self, _: $crate::actors::mail::Stop, ctx: &mut actix::Context<Self>) {
                $crate::actors::mail::Child::stop(self, ctx);
            }
        }
    };
    (@each $actor:ty: $($message:ty),+) => {$(
        impl actix::Handler<$crate::actors::mail::Mail<$message>> for $actor {
            type Result = <Self as actix::Handler<$message>>::Result;

            fn handle(
                &mut self,
                mail: $crate::actors::mail::Mail<$message>,
                ctx: &mut actix::Context<Self>,
            ) -> Self::Result {
                actix::Handler::handle(self, mail.open(), ctx)
            }
        }
    )+};
}

/// Why an ask got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("'{0}' is not running at the moment; try again")]
    Down(String),
    #[error("'{0}' did not answer in time")]
    Late(String),
}

impl<A: Actor> Clone for Mailbox<A> {
    fn clone(&self) -> Self {
        Mailbox { slot: self.slot.clone() }
    }
}

impl<A: Actor> Mailbox<A> {
    /// An empty mailbox: messages are refused until supervision starts the actor.
    pub fn new(name: impl Into<String>) -> Mailbox<A> {
        let slot = Slot { name: name.into(), addr: RwLock::default(), gauge: Arc::default() };
        Mailbox { slot: Arc::new(slot) }
    }

    /// Whose mailbox it is, for errors.
    pub fn name(&self) -> &str {
        &self.slot.name
    }

    /// How full it is and was.
    pub fn gauge(&self) -> Arc<Gauge> {
        self.slot.gauge.clone()
    }

    /// Puts the address of a new life into the slot; `None` while there is none.
    pub(super) fn fill(&self, addr: Option<Addr<A>>) {
        *self.slot.addr.write().unwrap_or_else(PoisonError::into_inner) = addr;
    }

    /// Is a life of the actor running?
    pub fn is_up(&self) -> bool {
        self.slot.addr.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Leaves a message and goes on; false when it could not be left. A full or closed mailbox is counted and logged; whatever is
    /// posted must therefore be found again by the receiver's own look at the tables.
    pub fn post<M>(&self, message: M) -> bool
    where
        M: Message<Result = ()> + Send + 'static,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        let mail = Mail { message, place: self.slot.gauge.take_place() };
        let guard = self.slot.addr.read().unwrap_or_else(PoisonError::into_inner);
        let sent = guard.as_ref().is_some_and(|addr| addr.try_send(mail).is_ok());
        drop(guard);
        if !sent {
            self.slot.gauge.lost.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(actor = %self.slot.name, message = std::any::type_name::<M>(), "mail refused");
        }
        sent
    }

    /// Sends a message and waits for the answer, at most `deadline`.
    ///
    /// # Errors
    /// When the actor is down, dies before it answers, or is late.
    pub async fn ask<M>(&self, message: M, deadline: Duration) -> Result<M::Result, AskError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        let mail = Mail { message, place: self.slot.gauge.take_place() };
        let request = {
            let guard = self.slot.addr.read().unwrap_or_else(PoisonError::into_inner);
            let addr = guard.as_ref().ok_or_else(|| AskError::Down(self.slot.name.clone()))?;
            addr.send(mail)
        };
        match tokio::time::timeout(deadline, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(AskError::Down(self.slot.name.clone())),
            Err(_) => Err(AskError::Late(self.slot.name.clone())),
        }
    }
}
