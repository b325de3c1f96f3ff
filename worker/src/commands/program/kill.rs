//! The course of ending a program: which signal next, and until when to wait.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

/// How long a program may survive its last signal.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for the end of output after the leader died.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// Where the ending stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// SIGTERM was sent, the group has time to end by itself.
    Asked,
    /// The interrupt signal was sent.
    Signalled,
    /// SIGKILL was sent.
    Killed,
}

/// An ending under way.
#[derive(Debug)]
pub(super) struct Ending {
    phase: Phase,
    signal: Signal,
    pub(super) until: Instant,
}

/// What to do when [`Ending::until`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this to the group; `survived` is the signal that did not suffice and is worth a header.
    Send { signal: Signal, survived: Option<Signal> },
    /// The leader is dead, only its pipes are still held by others: stop reading.
    StopReading,
    /// Nothing helps.
    GiveUp { survived: Signal },
}

impl Ending {
    /// The first signal, to the whole group.
    pub(super) fn begin(
        sigterm: Option<Duration>,
        signal: Signal,
        now: Instant,
    ) -> (Ending, Signal) {
        let (phase, first, time) = match sigterm {
            Some(time) => (Phase::Asked, Signal::SIGTERM, time),
            None => (after(signal), signal, BACKUP_TIMEOUT),
        };
        (Ending { phase, signal, until: later(now, time) }, first)
    }

    /// The next action. Members of the group that outlive their leader are killed, too.
    pub(super) fn next(&mut self, leader_is_dead: bool, now: Instant) -> Next {
        if leader_is_dead {
            return match self.phase {
                Phase::Killed => Next::StopReading,
                _ => self.send(Signal::SIGKILL, None, LAST_OUTPUT, now),
            };
        }
        match self.phase {
            Phase::Asked => self.send(self.signal, None, BACKUP_TIMEOUT, now),
            Phase::Signalled => self.send(Signal::SIGKILL, Some(self.signal), BACKUP_TIMEOUT, now),
            Phase::Killed => Next::GiveUp { survived: Signal::SIGKILL },
        }
    }

    /// The leader died: after SIGTERM the rest keeps its time, otherwise it gets a moment.
    pub(super) fn leader_died(&mut self, now: Instant) {
        if self.phase != Phase::Asked {
            self.until = self.until.min(later(now, LAST_OUTPUT));
        }
    }

    fn send(
        &mut self,
        signal: Signal,
        survived: Option<Signal>,
        wait: Duration,
        now: Instant,
    ) -> Next {
        self.phase = after(signal);
        self.until = later(now, wait);
        Next::Send { signal, survived }
    }
}

fn after(signal: Signal) -> Phase {
    if signal == Signal::SIGKILL { Phase::Killed } else { Phase::Signalled }
}

fn later(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or(now + Duration::from_secs(86400 * 365))
}

/// A signal by its name without `SIG`; an unknown name means KILL.
pub(super) fn signal_by_name(name: Option<&str>) -> Signal {
    let name = name.unwrap_or("KILL");
    let full = if name.starts_with("SIG") { name.to_owned() } else { format!("SIG{name}") };
    full.parse().unwrap_or(Signal::SIGKILL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stubborn_program_goes_through_all_signals() {
        let now = Instant::now();
        let (mut ending, first) = Ending::begin(Some(Duration::from_secs(3)), Signal::SIGINT, now);
        assert_eq!((first, ending.until), (Signal::SIGTERM, now + Duration::from_secs(3)));
        let send = |signal, survived| Next::Send { signal, survived };
        assert_eq!(ending.next(false, now), send(Signal::SIGINT, None));
        assert_eq!(ending.next(false, now), send(Signal::SIGKILL, Some(Signal::SIGINT)));
        assert_eq!(ending.next(false, now), Next::GiveUp { survived: Signal::SIGKILL });
    }

    #[test]
    fn whoever_outlives_the_leader_is_killed() {
        let now = Instant::now();
        let (mut ending, _) = Ending::begin(Some(Duration::from_secs(3)), Signal::SIGKILL, now);
        ending.leader_died(now);
        assert_eq!(ending.until, now + Duration::from_secs(3), "the rest keeps its time");
        let kill = Next::Send { signal: Signal::SIGKILL, survived: None };
        assert_eq!(ending.next(true, now), kill);
        assert_eq!(ending.next(true, now), Next::StopReading);
    }

    #[test]
    fn signals_by_name() {
        assert_eq!(signal_by_name(Some("INT")), Signal::SIGINT);
        assert_eq!(signal_by_name(Some("SIGHUP")), Signal::SIGHUP);
        assert_eq!(signal_by_name(Some("nonsense")), Signal::SIGKILL);
        assert_eq!(signal_by_name(None), Signal::SIGKILL);
    }
}
