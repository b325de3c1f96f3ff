//! The graceful end of a connection.

use protocol::report::{Answer, Report};

use super::connection::Connection;

/// On the way to the end.
pub(super) enum Leaving {
    No,
    /// The master was asked, under this ticket, to shut this worker down after its builds.
    Asked(u64),
    /// The master cannot be asked: the end comes when no command runs.
    WhenIdle,
    Now,
}

impl Connection<'_> {
    /// Somebody asks for the end.
    pub(super) fn leave(&mut self) {
        if !self.logged_in {
            tracing::info!("not in use by a master: ending at once");
            self.leaving = Leaving::Now;
            return;
        }
        let ticket = self.link.ticket("shutdown");
        match self.session.report(ticket, Report::Shutdown) {
            Ok(packet) => {
                tracing::info!(
                    "asked the master to shut this worker down when its builds are over"
                );
                self.send(packet);
                self.leaving = Leaving::Asked(ticket);
            }
            Err(why) => {
                let _ = self.link.answered(ticket, Ok(Answer::Done));
                self.leave_when_idle(&why);
            }
        }
    }

    pub(super) fn leave_when_idle(&mut self, why: &str) {
        let running = self.running.len();
        tracing::info!(
            "the master cannot be asked to shut this worker down ({why}): ending when the {running} \
             command(s) under way are over; builds that are not over by then begin anew elsewhere"
        );
        self.leaving = Leaving::WhenIdle;
    }

    pub(super) fn is_over(&self) -> bool {
        match self.leaving {
            Leaving::Now => true,
            Leaving::WhenIdle => {
                self.running.is_empty() && self.requests.is_empty() && self.link.is_quiet()
            }
            Leaving::No | Leaving::Asked(_) => false,
        }
    }
}
