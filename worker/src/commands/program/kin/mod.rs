//! Whoever a program has started, also those who left its process group.
//!
//! A process group ends together, but any process can leave it with `setsid`, and one whose parent
//! ended belongs to nobody. So every program gets a variable [`MARK`] in its environment, which its
//! offspring inherits. On Linux kin are: the program's group and session, everybody whose environment
//! in `/proc` has the mark, the children of kin, and who was seen as such before the first signal
//! broke families up. A worker that adopts orphans also takes those without any mark that were
//! orphaned while no other program ran.
//!
//! Only a program that is killed takes its kin along; one that ends by itself leaves its daemons
//! running, as on a stock worker. Elsewhere than on Linux the process group is all there is.

#[cfg(target_os = "linux")]
mod proc;
mod trace;

use std::collections::BTreeMap;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{sleep, timeout};
use trace::{Member, Trace};

/// The variable by which a program's offspring is found. Headers do not show it.
pub(in crate::commands) const MARK: &str = "BUILDBOT_STEP";

/// How often and with which pauses killed processes are looked for again: about two seconds.
const ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);
/// Looking at a process can hang with the process.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// The kin of one program.
#[derive(Debug)]
pub(super) struct Kin {
    trace: Trace,
    /// Killed outside of the group.
    killed: Vec<Member>,
    /// Not killed, and why.
    spared: Vec<(Member, Errno)>,
    /// The hunt has begun and is not over.
    hunted: bool,
}

/// A value of [`MARK`] for a new program. A worker that itself runs in a step keeps that step's mark
/// in front.
pub(super) fn token(outer: Option<&str>) -> (String, String) {
    let token = format!("{:016x}", fastrand::u64(..));
    let value = match outer {
        Some(outer) if !outer.is_empty() => format!("{outer}:{token}"),
        _ => token.clone(),
    };
    (token, value)
}

impl Kin {
    /// The kin of a program just started with this token.
    pub(super) fn new(token: String, leader: Pid) -> Kin {
        let leader = leader.as_raw();
        let trace = Trace { token, leader, start: started(leader), known: BTreeMap::new() };
        Kin { trace, killed: Vec::new(), spared: Vec::new(), hunted: false }
    }

    /// Call before the first signal: families are still together.
    pub(super) async fn remember(&mut self) {
        self.hunted = true;
        let members = self.look().await;
        self.trace.known.extend(members.iter().map(|member| (member.pid, member.start)));
    }

    /// Kills everybody and looks again until nobody is left, as new ones may be born meanwhile.
    pub(super) async fn kill(&mut self) {
        for _ in 0..ROUNDS {
            let members = self.look().await;
            if !self.strike(members) {
                break;
            }
            sleep(PAUSE).await;
        }
        self.hunted = false;
    }

    /// Like [`Kin::kill`] where nothing can be waited for: once.
    pub(super) fn kill_at_once(&mut self) {
        let members = look(&self.trace);
        self.strike(members);
        self.hunted = false;
    }

    /// Whether somebody could still be alive although the program was to be killed.
    pub(super) fn is_hunted(&self) -> bool {
        self.hunted
    }

    /// Whether the leader's process id, and so the group's, belongs to a stranger by now.
    pub(super) fn is_renumbered(&self) -> bool {
        let now = started(self.trace.leader);
        now != 0 && now != self.trace.start
    }

    /// What there is to tell, each line once.
    pub(super) fn tell(&mut self) -> String {
        let mut text = String::new();
        let killed = std::mem::take(&mut self.killed);
        if !killed.is_empty() {
            let who: Vec<String> = killed.iter().map(Member::shown).collect();
            let count = processes(killed.len());
            text +=
                &format!("killed {count} that had left the process group: {}\n", who.join(", "));
        }
        for (member, error) in std::mem::take(&mut self.spared) {
            text += &format!("could not kill process {}: {}\n", member.shown(), error.desc());
        }
        text
    }

    async fn look(&self) -> Vec<Member> {
        let trace = self.trace.clone();
        let looking = tokio::task::spawn_blocking(move || look(&trace));
        match timeout(LOOK_TIMEOUT, looking).await {
            Ok(Ok(members)) => members,
            _ => Vec::new(),
        }
    }

    /// Sends SIGKILL to each; whether another look is worth it.
    fn strike(&mut self, members: Vec<Member>) -> bool {
        let mut again = false;
        for member in members {
            self.trace.known.insert(member.pid, member.start);
            match kill(Pid::from_raw(member.pid), Signal::SIGKILL) {
                Ok(()) => {
                    again = true;
                    let outside = member.group != self.trace.leader;
                    if outside && !self.killed.iter().any(|known| known.is(&member)) {
                        self.killed.push(member);
                    }
                }
                Err(Errno::ESRCH) => {}
                Err(error) => {
                    if !self.spared.iter().any(|(known, _)| known.is(&member)) {
                        self.spared.push((member, error));
                    }
                }
            }
        }
        again
    }
}

fn processes(count: usize) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{count} processes") }
}

/// When a process started; 0, and so older than all others, if that cannot be told.
#[cfg(target_os = "linux")]
fn started(pid: i32) -> u64 {
    proc::member(pid).map_or(0, |member| member.start)
}

/// Kin that are alive. Blocks.
#[cfg(target_os = "linux")]
fn look(trace: &Trace) -> Vec<Member> {
    use crate::commands::orphans;
    let alone = orphans::only_program(trace.leader);
    let orphan = |member: &Member| {
        alone && orphans::is_adopted(member.pid, member.parent) && !proc::has_any_mark(member.pid)
    };
    trace.pick(proc::all(), |member| proc::has_mark(member.pid, &trace.token), orphan)
}

#[cfg(not(target_os = "linux"))]
fn started(_pid: i32) -> u64 {
    0
}

#[cfg(not(target_os = "linux"))]
fn look(_trace: &Trace) -> Vec<Member> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: i32) -> Member {
        Member { pid, parent: 0, group: pid, session: pid, start: 1, name: format!("p{pid}") }
    }

    #[test]
    fn marks_of_nested_workers_are_joined() {
        let (token, value) = token(Some("outer"));
        assert_eq!(value, format!("outer:{token}"));
        let (token, value) = super::token(None);
        assert_eq!((value, token.len()), (token.clone(), 16));
    }

    #[test]
    fn what_is_told() {
        let mut kin = Kin::new("t".into(), Pid::from_raw(10));
        assert_eq!(kin.tell(), "");
        kin.killed = vec![member(1), member(2)];
        kin.spared = vec![(member(3), Errno::EPERM)];
        let expected = "killed 2 processes that had left the process group: 1 (p1), 2 (p2)\n\
                        could not kill process 3 (p3): Operation not permitted\n";
        assert_eq!(kin.tell(), expected);
        assert_eq!(kin.tell(), "", "once");
    }
}
