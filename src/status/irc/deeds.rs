//! What the bot can do with the running master and keep between starts: one trait, so that
//! commands can be tested without actors.

use async_trait::async_trait;
use serde_json::Value;

use crate::actors::handles::Handles;
use crate::actors::memory::Memory;
use crate::actors::scheduler::Submitted;
use crate::db::DbError;
use crate::model::{BuildId, NewBuildset};

/// Stock's name of the sender of a forced build.
const SENDER: &str = "status.words";
/// Stock's class of a bot, under which it keeps its state.
const CLASS: &str = "buildbot.reporters.irc.IrcStatusBot";

/// The master as the bot uses it.
#[async_trait]
pub trait Deeds: Send + Sync {
    /// Ends in `/`.
    fn buildbot_url(&self) -> String;

    /// Submits a buildset.
    ///
    /// # Errors
    /// Why not, for people.
    async fn submit(&self, set: NewBuildset) -> Result<Submitted, String>;

    /// Stops a running build.
    ///
    /// # Errors
    /// Why not, for people.
    async fn stop_build(&self, build: BuildId, reason: &str) -> Result<(), String>;

    fn is_shutting_down(&self) -> bool;
    /// False when it is under way already.
    fn shut_down_when_idle(&self) -> bool;
    /// False when none is under way.
    fn cancel_shutdown(&self) -> bool;
    async fn shut_down(&self);

    async fn recall(&self, key: &str) -> Result<Option<Value>, DbError>;
    async fn remember(&self, key: &str, value: Value) -> Result<(), DbError>;
    /// The nick, as `nick@network`, belongs to the user `uid`.
    async fn own_nick(&self, uid: i64, address: String) -> Result<(), DbError>;
}

/// The deeds of a running master.
pub struct Master {
    handles: Handles,
    memory: Memory,
}

impl Master {
    /// For the bot that wants this nick.
    pub fn new(handles: &Handles, nick: &str) -> Master {
        Master { memory: Memory::new(handles.db.clone(), nick, CLASS), handles: handles.clone() }
    }
}

#[async_trait]
impl Deeds for Master {
    fn buildbot_url(&self) -> String {
        self.handles.config.borrow().buildbot_url.clone()
    }

    async fn submit(&self, set: NewBuildset) -> Result<Submitted, String> {
        self.handles.control.submit(set, SENDER).await.map_err(|error| error.to_string())
    }

    async fn stop_build(&self, build: BuildId, reason: &str) -> Result<(), String> {
        self.handles.control.stop_build(build, reason).await.map_err(|error| error.to_string())
    }

    fn is_shutting_down(&self) -> bool {
        self.handles.control.is_shutting_down()
    }

    fn shut_down_when_idle(&self) -> bool {
        self.handles.control.shut_down_when_idle()
    }

    fn cancel_shutdown(&self) -> bool {
        self.handles.control.cancel_shutdown()
    }

    async fn shut_down(&self) {
        self.handles.control.shut_down().await;
    }

    async fn recall(&self, key: &str) -> Result<Option<Value>, DbError> {
        self.memory.get(key).await
    }

    async fn remember(&self, key: &str, value: Value) -> Result<(), DbError> {
        self.memory.set(key, value).await
    }

    async fn own_nick(&self, uid: i64, address: String) -> Result<(), DbError> {
        self.memory.own_nick(uid, address).await
    }
}
