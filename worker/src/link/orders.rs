//! What each order of the master does.

use std::sync::Arc;

use protocol::command::Command;
use protocol::msgpack::{STOCK_NEWLINE_RE, WorkerSettings};
use protocol::order::{BuilderDir, Order, Reply};

use super::connection::{Answered, Connection};
use super::{builders, resolve};
use crate::commands::{self, Stop};
use crate::info;

const DONE: Answered = Answered::Now(Ok(Reply::Done));

impl Connection<'_> {
    /// Does what is ordered, or begins it.
    pub(super) fn order(&mut self, id: u64, order: Order) -> Answered {
        match order {
            Order::Print { message } => self.print(&message),
            Order::Keepalive | Order::StartBuild { .. } => {}
            Order::Shutdown => tracing::info!("the master asked this worker to shut down"),
            Order::GetWorkerInfo => return self.info(id),
            Order::Settings(settings) => self.set(settings),
            Order::SetBuilderList { builders } => return self.set_builders(id, builders),
            Order::StartCommand { command_id, builder, base, command } => {
                let command = self.resolved(command, &base);
                let started = self.start(command_id, builder, command);
                return Answered::Now(started.map(|()| Reply::Done));
            }
            Order::InterruptCommand { command_id, why, .. } => {
                tracing::info!("asked to interrupt command {command_id}: {why}");
                if !self.running.stop(&command_id, Stop::Interrupt) {
                    tracing::info!("command {command_id} does not run any more");
                }
            }
        }
        DONE
    }

    /// Commands of builders that are gone are killed, and nobody hears of them.
    fn set_builders(&mut self, id: u64, builders: Vec<BuilderDir>) -> Answered {
        let gone = |name: &str| !builders.iter().any(|builder| builder.name == name);
        for command_id in self.running.stop_builders(gone, Stop::Lost) {
            tracing::info!(
                "command {command_id} is killed: the master has no such builder any more"
            );
        }
        let (basedir, delete) = (self.config.basedir.clone(), self.config.delete_leftover_dirs);
        self.later(id, move || builders::arrange(&basedir, &builders, delete).map(|()| Reply::Done))
    }

    /// Has the answer worked out where nothing waits for it but the master.
    fn later(
        &mut self,
        id: u64,
        work: impl FnOnce() -> Result<Reply, String> + Send + 'static,
    ) -> Answered {
        self.replies.spawn(async move {
            let reply = tokio::task::spawn_blocking(work).await;
            (id, reply.unwrap_or_else(|error| Err(error.to_string())))
        });
        Answered::Later
    }

    fn resolved(&self, command: Command, base: &str) -> Command {
        let base = resolve::join(&self.surroundings.basedir, base);
        let own = self.surroundings.environment.get(std::ffi::OsStr::new("HOME"));
        let own = own.map(|home| home.to_string_lossy().into_owned());
        resolve::resolve(command, &base, &|user| match user {
            None => own.clone(),
            Some(user) => {
                let found = nix::unistd::User::from_name(user).ok().flatten()?;
                Some(found.dir.to_string_lossy().into_owned())
            }
        })
    }

    fn print(&mut self, message: &str) {
        tracing::info!("message from master: {message}");
        if !std::mem::replace(&mut self.served, true) {
            self.greet();
        }
    }

    fn info(&mut self, id: u64) -> Answered {
        let config = self.config.clone();
        let environment = Arc::clone(&self.surroundings.environment);
        self.later(id, move || Ok(Reply::Info(Box::new(info::collect(&config, &environment)))))
    }

    fn set(&mut self, settings: WorkerSettings) {
        if settings.newline_re != STOCK_NEWLINE_RE {
            tracing::warn!(
                "the master's newline_re is not the stock one; the stock rules stay in use"
            );
        }
        self.surroundings.settings = settings;
    }

    fn start(
        &mut self,
        command_id: String,
        builder: Option<String>,
        command: Command,
    ) -> Result<(), String> {
        if self.running.contains(&command_id) {
            return Err(format!("command_id '{command_id}' is already in use"));
        }
        tracing::info!("command {command_id}: {}", command.name());
        let (surroundings, link) = (self.surroundings.clone(), self.link.clone());
        self.running.start(command_id.clone(), builder, |stops| {
            commands::run(command, command_id, surroundings, link, stops)
        });
        Ok(())
    }
}
