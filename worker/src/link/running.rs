//! The commands that a connection runs.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};
use tokio::time::timeout;

use crate::commands::Stop;

/// How long killed commands may take to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(12);

/// Commands by their id.
#[derive(Default)]
pub(super) struct Running {
    commands: HashMap<String, Entry>,
    tasks: JoinSet<()>,
}

struct Entry {
    builder: Option<String>,
    stop: mpsc::Sender<Stop>,
    task: task::Id,
}

impl Entry {
    /// A command that was told twice and has not listened yet needs no third word.
    fn stop(&self, stop: Stop) {
        let _ = self.stop.try_send(stop);
    }
}

/// A command that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) command_id: String,
    /// It has reported its end itself.
    pub(super) well: bool,
}

impl Running {
    pub(super) fn contains(&self, command_id: &str) -> bool {
        self.commands.contains_key(command_id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Runs what `command` makes of the receiver of its stops.
    pub(super) fn start<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        command_id: String,
        builder: Option<String>,
        command: impl FnOnce(mpsc::Receiver<Stop>) -> F,
    ) {
        let (stop, stops) = mpsc::channel(2);
        let task = self.tasks.spawn(command(stops)).id();
        self.commands.insert(command_id, Entry { builder, stop, task });
    }

    /// Tells one command to end; `false` if it does not run.
    pub(super) fn stop(&self, command_id: &str, stop: Stop) -> bool {
        self.commands.get(command_id).inspect(|entry| entry.stop(stop)).is_some()
    }

    /// Tells every command of the builders that `of` selects to end; their ids.
    pub(super) fn stop_builders(&self, of: impl Fn(&str) -> bool, stop: Stop) -> Vec<&str> {
        let chosen = self.commands.iter().filter(|(_, e)| e.builder.as_deref().is_some_and(&of));
        chosen.inspect(|(_, e)| e.stop(stop)).map(|(id, _)| id.as_str()).collect()
    }

    /// Waits for the end of a command; never when there is none. Can be cancelled without loss.
    pub(super) async fn next_over(&mut self) -> Over {
        loop {
            let (task, well) = match self.tasks.join_next_with_id().await {
                None => std::future::pending().await,
                Some(Ok((task, ()))) => (task, true),
                Some(Err(error)) => (error.id(), false),
            };
            let id = self.commands.iter().find(|(_, e)| e.task == task).map(|(id, _)| id.clone());
            if let Some(command_id) = id {
                self.commands.remove(&command_id);
                return Over { command_id, well };
            }
        }
    }

    /// Ends everything. What the commands still report leads nowhere.
    pub(super) async fn kill_all(&mut self) {
        for entry in self.commands.values() {
            entry.stop(Stop::Lost);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(KILL_TIMEOUT, all).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command that says why it was stopped.
    fn start(running: &mut Running, id: &str, builder: &str, said: &mpsc::UnboundedSender<Stop>) {
        let said = said.clone();
        running.start(id.into(), Some(builder.into()), |mut stops| async move {
            let _ = said.send(stops.recv().await.expect("a reason"));
        });
    }

    #[tokio::test]
    async fn commands_end_by_id_and_by_builder() {
        let mut running = Running::default();
        let (said, mut hear) = mpsc::unbounded_channel();
        start(&mut running, "1", "a", &said);
        start(&mut running, "2", "b", &said);
        assert!(running.stop("1", Stop::Interrupt) && !running.stop("7", Stop::Interrupt));
        assert_eq!(running.next_over().await, Over { command_id: "1".into(), well: true });
        assert_eq!(hear.recv().await, Some(Stop::Interrupt));
        assert_eq!(running.stop_builders(|builder| builder != "a", Stop::Lost), ["2"]);
        assert_eq!(hear.recv().await, Some(Stop::Lost));
        running.kill_all().await;
        assert!(running.is_empty());
    }

    #[tokio::test]
    async fn a_command_that_panics_is_over() {
        let mut running = Running::default();
        running.start("1".into(), None, |_| async { panic!("on purpose") });
        assert_eq!(running.next_over().await, Over { command_id: "1".into(), well: false });
        assert!(!running.contains("1"));
    }
}
