//! Forgets facts and messages that nobody needs any more.
//!
//! In:   nothing; it looks by itself.
//! Out:  deleted rows.
//! Owns: nothing.
//! Dies: safely at any time.

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};

use crate::actors::handles::Handles;
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::db::{Conn, Db, DbError, facts, outbox};
use crate::model::now;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(3600);
/// Seconds that facts are kept: a target that is away for longer begins with what is there.
const FACTS: i64 = 14 * 24 * 3600;
/// Seconds that messages are kept after they were sent or given up.
const MESSAGES: i64 = 14 * 24 * 3600;

const NAME: &str = "outbox keeper";

pub(super) fn start(supervisor: &Supervisor, handles: &Handles) {
    let db = handles.db.clone();
    let mailbox = Mailbox::new(NAME);
    supervisor.start(ChildSpec::permanent(NAME), &mailbox, move || Keeper { db: db.clone() });
}

struct Keeper {
    db: Db,
}

crate::receives!(Keeper:);

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let db = self.db.clone();
        let keep = async move {
            loop {
                match db.write(forget).await {
                    Ok(0) => {}
                    Ok(rows) => tracing::debug!(rows, "forgot old facts and messages"),
                    Err(error) => tracing::error!(%error, "cannot forget old facts"),
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        ctx.spawn(keep.into_actor(self).map(|(), _, _| ()));
    }
}

impl Child for Keeper {}

fn forget(conn: &mut Conn) -> Result<usize, DbError> {
    Ok(facts::forget(conn, now() - FACTS)? + outbox::forget(conn, now() - MESSAGES)?)
}
