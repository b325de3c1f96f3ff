//! Why a request still waits, for people.

use std::collections::HashMap;
use std::fmt;

use super::assign::{Floor, QueueBuilder, Start, Waiting, WorkerState, candidate, chosen_worker};
use super::locks::LockTable;
use super::rules::CanStart;
use crate::model::{BuilderId, Timestamp};

/// Why a request waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingReason {
    /// The master starts no more builds.
    Holding,
    /// This master does not run the builder; names of running ones that do.
    BuilderElsewhere(Vec<String>),
    /// Another master has claimed the request and does not build it yet; its name.
    Taken(String),
    /// The builder's worker list is empty.
    NoWorkers,
    /// What keeps each of the builder's workers: name, obstacle, and what it builds.
    Workers(Vec<(String, Unavailable, Vec<String>)>),
    /// The same for a request that asks for one worker.
    Chosen(String, Unavailable, Vec<String>),
    /// Asks for a worker that is not among the builder's.
    StrangeWorker(String),
    /// The rule cannot be computed.
    Broken(String),
    /// Nothing is in its way but those who come first.
    Next,
}

/// Why a worker cannot take a build of some builder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Unavailable {
    NotConnected {
        last_seen: Option<Timestamp>,
    },
    Paused,
    ShuttingDown,
    Quarantined {
        until: Timestamp,
    },
    /// It runs `max_builds` builds.
    Busy,
    /// It runs another build of the same builder.
    BusyWithBuilder,
    /// `canStartBuild` says no.
    Refused,
    /// The worker is free, a lock is not: which one, and who has it.
    Locked(String),
}

/// What decides about waiting, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// The builders of this master.
    pub builders: HashMap<BuilderId, QueueBuilder>,
    pub workers: HashMap<crate::model::WorkerId, WorkerState>,
    /// A copy, to look ahead in.
    pub locks: LockTable,
    /// The master starts no more builds.
    pub holding: bool,
    pub now: Timestamp,
}

impl Situation {
    /// Why this request of `builder` waits. Its details are needed where the builder's rules need
    /// them.
    pub fn why(&self, builder: BuilderId, waiting: &Waiting) -> PendingReason {
        if self.holding {
            return PendingReason::Holding;
        }
        let Some(known) = self.builders.get(&builder) else {
            return PendingReason::BuilderElsewhere(Vec::new());
        };
        if known.workers.is_empty() {
            return PendingReason::NoWorkers;
        }
        let floor = Floor::new(&self.workers, self.now);
        let (only, candidates) = match self.chosen(known, waiting) {
            Err(stranger) => return PendingReason::StrangeWorker(stranger),
            Ok(Some(worker)) => (true, vec![worker]),
            Ok(None) => (false, known.workers.clone()),
        };
        let start = |worker| Start { request: waiting.request, builder, worker };
        let mut kept = Vec::with_capacity(candidates.len());
        for id in &candidates {
            let obstacle = match floor.obstacle(builder, *id) {
                Some(obstacle) => obstacle,
                None if only => continue,
                None => match floor.may_start(known, waiting, *id) {
                    Ok(true) => match self.locked(&start(*id), known) {
                        None => return PendingReason::Next,
                        Some(why) => Unavailable::Locked(why),
                    },
                    Ok(false) => Unavailable::Refused,
                    Err(error) => return PendingReason::Broken(error),
                },
            };
            kept.push((self.worker_name(*id), obstacle, self.builds_of(*id)));
        }
        match kept.pop() {
            None => PendingReason::Next,
            Some((name, obstacle, builds)) if only => PendingReason::Chosen(name, obstacle, builds),
            Some(last) => {
                kept.push(last);
                PendingReason::Workers(kept)
            }
        }
    }

    /// Which lock keeps a build from starting, and who has it.
    fn locked(&self, start: &Start, builder: &QueueBuilder) -> Option<String> {
        self.locks.obstacle(&candidate(&self.workers, start, builder)?)
    }

    /// The worker that the request asks for, where that is enforced.
    fn chosen(
        &self,
        builder: &QueueBuilder,
        waiting: &Waiting,
    ) -> Result<Option<crate::model::WorkerId>, String> {
        let name = match builder.rules.can_start {
            CanStart::ChosenWorker => chosen_worker(waiting),
            _ => None,
        };
        let Some(name) = name else { return Ok(None) };
        let is_named = |id: &&crate::model::WorkerId| self.worker_name(**id) == name;
        builder.workers.iter().find(is_named).copied().map(Some).ok_or_else(|| name.to_owned())
    }

    fn worker_name(&self, id: crate::model::WorkerId) -> String {
        self.workers.get(&id).map_or_else(|| format!("worker {id}"), |w| w.name.clone())
    }

    /// `runtests #12`
    fn builds_of(&self, id: crate::model::WorkerId) -> Vec<String> {
        let running = self.workers.get(&id).map_or(&[][..], |worker| worker.running.as_slice());
        let name = |id: BuilderId| match self.builders.get(&id) {
            Some(builder) => builder.name.clone(),
            None => format!("builder {id}"),
        };
        running.iter().map(|build| format!("{} #{}", name(build.builder), build.number)).collect()
    }
}

/// How many workers, and builds of each, a reason names.
const NAMES: usize = 5;

impl PendingReason {
    /// In words; times are told as seen from `now`.
    pub fn text(&self, now: Timestamp) -> String {
        Told(self, now).to_string()
    }
}

struct Told<'a>(&'a PendingReason, Timestamp);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told(reason, now) = self;
        let single;
        let workers = match reason {
            PendingReason::Holding => {
                return f.write_str(
                    "the master shuts down as soon as its running builds have finished",
                );
            }
            PendingReason::BuilderElsewhere(masters) if masters.is_empty() => {
                return f.write_str("no running master has this builder in its configuration");
            }
            PendingReason::BuilderElsewhere(masters) => {
                return write!(f, "belongs to the master {}", some_of(masters));
            }
            PendingReason::Taken(master) => {
                return write!(f, "claimed by another master, {master}, which builds it next");
            }
            PendingReason::NoWorkers => return f.write_str("the builder has no workers"),
            PendingReason::StrangeWorker(name) => {
                return write!(f, "asks for the worker '{name}', which is none of the builder's");
            }
            PendingReason::Broken(error) => return f.write_str(error),
            PendingReason::Next => return f.write_str("starts as soon as it is its turn"),
            PendingReason::Chosen(name, obstacle, builds) => {
                f.write_str("waits for the worker that it asks for: ")?;
                single = [(name.clone(), obstacle.clone(), builds.clone())];
                single.as_slice()
            }
            PendingReason::Workers(workers) => workers.as_slice(),
        };
        let mut groups: indexmap::IndexMap<String, Vec<String>> = Default::default();
        for (name, unavailable, builds) in workers {
            let names = groups.entry(unavailable.text().to_owned()).or_default();
            names.push(match unavailable {
                // The text says itself which lock of which worker it is.
                Unavailable::Locked(_) => continue,
                Unavailable::Busy | Unavailable::BusyWithBuilder if !builds.is_empty() => {
                    format!("{name} ({})", some_of(builds))
                }
                Unavailable::NotConnected { last_seen: Some(seen) } => {
                    format!("{name} (last seen {} ago)", span(now - seen))
                }
                Unavailable::Quarantined { until } => {
                    format!("{name} (for another {})", span(until - now))
                }
                _ => name.clone(),
            });
        }
        for (place, (what, names)) in groups.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            let colon = if names.is_empty() { "" } else { ": " };
            write!(f, "{separator}{what}{colon}{}", some_of(names))?;
        }
        Ok(())
    }
}

fn some_of(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMES)].join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `50 s`, `12 min`, `3 h`, `4 days`
fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

impl Unavailable {
    fn text(&self) -> &str {
        match self {
            Unavailable::Locked(why) => why,
            Unavailable::NotConnected { .. } => "not connected",
            Unavailable::Paused => "paused",
            Unavailable::ShuttingDown => "shutting down",
            Unavailable::Quarantined { .. } => "resting after broken builds",
            Unavailable::Busy => "busy with as many builds as allowed",
            Unavailable::BusyWithBuilder => "busy with another build of this builder",
            Unavailable::Refused => "canStartBuild says no",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::assign::Occupied;
    use super::super::expression::Expression;
    use super::super::rules::tests::request;
    use super::*;
    use crate::model::{BuildRequestId, WorkerId};

    fn situation(workers: &[i64], rule: CanStart) -> Situation {
        let mut situation = Situation { now: 1_000, ..Situation::default() };
        let mut builder = QueueBuilder { name: "one".into(), ..QueueBuilder::default() };
        builder.workers = workers.iter().map(|id| WorkerId(*id)).collect();
        builder.rules.can_start = rule;
        situation.builders.insert(BuilderId(1), builder);
        let mut add = |id: i64, change: fn(&mut WorkerState)| {
            let name = format!("w{id}");
            let mut state = WorkerState { name, connected: true, ..WorkerState::default() };
            change(&mut state);
            situation.workers.insert(WorkerId(id), state);
        };
        add(1, |w| (w.connected, w.last_seen) = (false, Some(700)));
        add(2, |w| w.paused = true);
        add(3, |w| w.graceful = true);
        add(4, |w| w.quarantined_until = Some(1_020));
        add(5, |w| w.running = vec![Occupied { builder: BuilderId(1), number: 12 }]);
        add(6, |_| ());
        add(7, |w| {
            w.max_builds = Some(2);
            w.running = [4, 7].map(|number| Occupied { builder: BuilderId(9), number }).to_vec();
        });
        situation
    }

    fn why(situation: &Situation, chosen: Option<&str>) -> String {
        let details = request(1, |r| {
            if let Some(name) = chosen {
                r.properties.set("workername", name, "Force");
            }
        });
        let waiting =
            Waiting { request: BuildRequestId(1), priority: 0, details: Some(Arc::new(details)) };
        situation.why(BuilderId(1), &waiting).text(situation.now)
    }

    #[test]
    fn every_waiting_request_has_a_reason() {
        let table: [(&[i64], &str); 8] = [
            (&[], "the builder has no workers"),
            (&[1, 8], "not connected: w1 (last seen 5 min ago), worker 8"),
            (&[2, 3], "paused: w2; shutting down: w3"),
            (&[4], "resting after broken builds: w4 (for another 20 s)"),
            (&[5], "busy with another build of this builder: w5 (one #12)"),
            (&[7], "busy with as many builds as allowed: w7 (builder 9 #4, builder 9 #7)"),
            (&[1, 6], "starts as soon as it is its turn"),
            (
                &[2, 22, 23, 24, 25, 26, 27],
                "paused: w2; not connected: worker 22, worker 23, \
               worker 24, worker 25, worker 26 and 1 more",
            ),
        ];
        for (workers, expected) in table {
            assert_eq!(why(&situation(workers, CanStart::Always), None), expected, "{workers:?}");
        }
        let mut held = situation(&[6], CanStart::Always);
        held.holding = true;
        assert!(why(&held, None).starts_with("the master shuts down"));
        let lonely = Situation::default();
        assert!(why(&lonely, None).starts_with("no running master has"));
    }

    #[test]
    fn a_chosen_worker_and_a_refusal_are_told() {
        let chosen = || CanStart::ChosenWorker;
        let table = [
            (Some("w2"), "waits for the worker that it asks for: paused: w2"),
            (Some("w6"), "starts as soon as it is its turn"),
            (
                Some("w1"),
                "waits for the worker that it asks for: not connected: w1 (last seen 5 min ago)",
            ),
            (Some("w3"), "asks for the worker 'w3', which is none of the builder's"),
            (None, "starts as soon as it is its turn"),
        ];
        for (name, expected) in table {
            assert_eq!(why(&situation(&[1, 2, 6], chosen()), name), expected, "{name:?}");
        }
        let rule = |text: &str| CanStart::If(Expression::parse(text).unwrap());
        let refused = situation(&[6, 2], rule("worker.name == 'w9'"));
        assert_eq!(why(&refused, None), "canStartBuild says no: w6; paused: w2");
        let broken = why(&situation(&[6], rule("worker.nothing()")), None);
        assert!(broken.starts_with("canStartBuild: the expression"), "{broken}");
    }
}
