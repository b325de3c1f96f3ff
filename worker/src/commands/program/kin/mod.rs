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

use std::collections::BTreeMap;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{sleep, timeout};

/// The variable by which a program's offspring is found. Headers do not show it.
pub(in crate::commands) const MARK: &str = "BUILDBOT_STEP";

/// How often and with which pauses killed processes are looked for again: about two seconds.
const ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);
/// Looking at a process can hang with the process.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// One process, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    /// Clock ticks since boot: a process id alone may belong to somebody else by now.
    start: u64,
    name: String,
}

/// By what kin are recognised.
#[derive(Debug, Clone)]
struct Trace {
    token: String,
    leader: i32,
    start: u64,
    /// Seen before: process id and start.
    known: BTreeMap<i32, u64>,
}

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

impl Member {
    fn is(&self, other: &Member) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }

    fn shown(&self) -> String {
        format!("{} ({})", self.pid, self.name)
    }
}

impl Trace {
    /// Picks kin out of all processes that may be: those not older than the leader. `marked` tells
    /// whether a process has the mark, `orphan` whether it was adopted and has no mark of anybody.
    fn pick(
        &self,
        all: Vec<Member>,
        marked: impl Fn(&Member) -> bool,
        orphan: impl Fn(&Member) -> bool,
    ) -> Vec<Member> {
        let stranger = |one: &Member| one.pid == self.leader && one.start != self.start;
        let renumbered = all.iter().any(stranger);
        let is_close = |one: &Member| {
            self.known.get(&one.pid) == Some(&one.start)
                || (!renumbered && [one.pid, one.group, one.session].contains(&self.leader))
        };
        let (mut kin, mut others): (Vec<Member>, Vec<Member>) = all
            .into_iter()
            .filter(|member| member.start >= self.start)
            .partition(|member| is_close(member) || marked(member) || orphan(member));
        loop {
            let is_child = |one: &Member| kin.iter().any(|parent| parent.pid == one.parent);
            let (children, rest): (Vec<Member>, Vec<Member>) =
                others.into_iter().partition(is_child);
            if children.is_empty() {
                return kin;
            }
            kin.extend(children);
            others = rest;
        }
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

    fn member(pid: i32, parent: i32, group: i32, start: u64) -> Member {
        Member { pid, parent, group, session: group, start, name: format!("p{pid}") }
    }

    fn trace() -> Trace {
        Trace { token: "t".into(), leader: 10, start: 100, known: [(40, 140)].into() }
    }

    #[test]
    fn who_belongs_to_a_program() {
        let all = vec![
            member(1, 0, 1, 0),      // older than the program
            member(10, 5, 10, 100),  // the program
            member(11, 10, 11, 101), // its child, which left the group
            member(12, 11, 11, 102), // and a grandchild
            member(20, 1, 20, 120),  // marked
            member(30, 1, 10, 130),  // in its group
            member(40, 1, 1, 140),   // known from before
            member(41, 1, 1, 141),   // a stranger
            member(50, 1, 1, 150),   // an orphan
            member(60, 20, 1, 99),   // cannot be: older
        ];
        let pick = |trace: &Trace| {
            let kin = trace.pick(all.clone(), |one| one.pid == 20, |one| one.pid == 50);
            let mut pids: Vec<i32> = kin.iter().map(|one| one.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pick(&trace()), [10, 11, 12, 20, 30, 40, 50]);
        let reused = Trace { known: [(40, 139)].into(), ..trace() };
        assert_eq!(pick(&reused), [10, 11, 12, 20, 30, 50], "the id belongs to another process");
        let reused = Trace { start: 99, ..trace() };
        assert_eq!(pick(&reused), [20, 40, 50, 60], "the leader's id does");
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
        kin.killed = vec![member(1, 0, 1, 0), member(2, 0, 2, 0)];
        kin.spared = vec![(member(3, 0, 3, 0), Errno::EPERM)];
        let expected = "killed 2 processes that had left the process group: 1 (p1), 2 (p2)\n\
                        could not kill process 3 (p3): Operation not permitted\n";
        assert_eq!(kin.tell(), expected);
        assert_eq!(kin.tell(), "", "once");
    }
}
