//! By what kin are told from strangers.

use std::collections::BTreeMap;

/// One process, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Clock ticks since boot: a process id alone may belong to somebody else by now.
    pub(super) start: u64,
    pub(super) name: String,
}

/// By what kin are recognised.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    pub(super) token: String,
    pub(super) leader: i32,
    pub(super) start: u64,
    /// Seen before: process id and start.
    pub(super) known: BTreeMap<i32, u64>,
}

impl Member {
    pub(super) fn is(&self, other: &Member) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }

    pub(super) fn shown(&self) -> String {
        format!("{} ({})", self.pid, self.name)
    }
}

impl Trace {
    /// Picks kin out of all processes that may be: those not older than the leader. `marked` tells
    /// whether a process has the mark, `orphan` whether it was adopted and has no mark of anybody.
    pub(super) fn pick(
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
}
