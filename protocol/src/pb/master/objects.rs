//! What a worker may call on the master.

use super::super::command::Transfer;
use super::super::update::Tails;
use super::PbMaster;
use crate::report::WorkerRequest;

/// Objects on one connection, as with stock masters.
const MAX_OBJECTS: usize = 1024;

/// An object of the master's.
#[derive(Debug)]
pub(in crate::pb) enum Object {
    /// What the login gave.
    Avatar,
    Command(Running),
    /// The reader or writer of a command.
    Transfer {
        command: i64,
        command_id: String,
        kind: Transfer,
    },
}

/// A command, also for a while after its end: old workers call late.
#[derive(Debug, Default)]
pub(in crate::pb) struct Running {
    pub(super) command_id: String,
    pub(super) builder: String,
    pub(super) transfer: Option<i64>,
    pub(super) finished: bool,
    /// Why an update could not be read; told when the command ends.
    pub(super) unreadable: Option<String>,
    pub(super) tails: Tails,
}

impl PbMaster {
    /// Makes room for the objects of one more command.
    ///
    /// # Errors
    /// There is none: everything on this connection is in use.
    pub(super) fn make_room(&mut self) -> Result<(), String> {
        while self.exports.len() + 2 > MAX_OBJECTS {
            let over = |object: &Object| matches!(object, Object::Command(run) if run.finished);
            let oldest = self.exports.find(over);
            let oldest = oldest.ok_or("too many commands at once on one connection")?;
            self.forget(oldest);
        }
        Ok(())
    }

    /// Removes a command and its reader or writer.
    pub(super) fn forget(&mut self, object: i64) {
        if let Some(Object::Command(Running { transfer: Some(transfer), .. })) =
            self.exports.remove(object)
        {
            self.exports.remove(transfer);
        }
    }

    pub(super) fn running(&mut self, object: i64) -> Option<&mut Running> {
        match self.exports.get_mut(object) {
            Some(Object::Command(running)) => Some(running),
            _ => None,
        }
    }

    pub(super) fn is_over(&self, object: i64) -> bool {
        match self.exports.get(object) {
            Some(Object::Command(running)) => running.finished,
            _ => true,
        }
    }

    /// The worker has one reference less. If it drops a command that has not ended, the command
    /// never will.
    pub(super) fn dropped(&mut self, object: i64) {
        let Some(Object::Command(running)) = self.exports.decref(object) else { return };
        if let Some(transfer) = running.transfer {
            self.exports.remove(transfer);
        }
        if !running.finished {
            self.unasked(WorkerRequest::Complete {
                command_id: running.command_id,
                failure: Some("the worker has dropped the command without an end".to_owned()),
            });
        }
    }
}
