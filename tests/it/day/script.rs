//! What people and machines do in the course of the day.

use super::Day;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// A commit: codebase, branch, revision, file.
    Commit(&'static str, &'static str, &'static str, &'static str),
    /// The same of the category `urgent`.
    Urgent(&'static str, &'static str, &'static str, &'static str),
    Force,
    /// Stops the build of this builder that runs.
    Stop(&'static str),
    /// `buildbot try` by Perspective Broker, for these builders.
    Try(&'static str, &'static [&'static str]),
    /// The same as a file.
    Job(&'static str),
    /// The worker's machine fails, or is there again.
    Lose(&'static str),
    Connect(&'static str),
    /// The operator's switch of a scheduler.
    Switch(&'static str, bool),
    MasterStops,
    MasterStarts,
    /// The scheduler `each` gives way to `smoke`, or comes back in its place.
    Replace,
    Restore,
}

use Act::{
    Commit, Connect, Force, Job, Lose, MasterStarts, MasterStops, Replace, Restore, Stop, Switch,
    Try, Urgent,
};

/// In order. Tests of the rules read the commits from it, too.
pub const DAY: &[(&str, Act)] = &[
    ("09:00", Commit("app", "main", "a1", "a.c")),
    ("09:02", Commit("app", "main", "a2", "a.c")),
    ("09:03", Urgent("app", "hotfix", "u1", "a.c")),
    ("09:04", Commit("app", "main", "a3-bad", "a.c")),
    ("09:40", Commit("app", "main", "a4", "a.c")),
    ("10:00", Commit("lib", "main", "l1", "l.c")),
    ("10:01", Commit("lib", "main", "l2", "l.c")),
    ("10:02", Commit("lib", "main", "l3", "l.c")),
    ("10:30", Commit("docs", "main", "d1", "notes.txt")),
    ("10:40", Commit("docs", "release-1", "d2", "guide.rst")),
    ("10:50", Commit("docs", "main", "d3", "notes.txt")),
    ("10:55", Commit("docs", "wip", "d0", "guide.rst")),
    ("11:00", Commit("lib", "locks", "k1", "l.c")),
    ("12:26", Commit("app", "main", "a5", "a.c")),
    ("12:30", MasterStops),
    ("12:40", MasterStarts),
    ("13:00", Force),
    ("15:00", Replace),
    ("15:05", Commit("lib", "main", "l4", "l.c")),
    ("15:30", Restore),
    ("15:40", Commit("lib", "main", "l5", "l.c")),
    ("16:00", Try("a5", &["try-1", "try-3"])),
    ("16:02", Try("a5", &["quick"])),
    ("16:10", Job("a4")),
    ("17:00", Force),
    ("17:07", Stop("integration")),
    ("19:00", Commit("app", "main", "a6", "a.c")),
    ("19:03", Lose("solo")),
    ("19:05", Connect("solo")),
    ("19:30", Switch("docs", false)),
    ("19:31", Commit("docs", "main", "d4", "guide.rst")),
    ("19:40", Switch("docs", true)),
    ("19:45", Commit("docs", "main", "d5", "guide.rst")),
];

impl Day {
    pub async fn act(&mut self, act: Act) {
        match act {
            Commit(codebase, branch, revision, file) => {
                self.commit((codebase, branch, revision, file), None).await;
            }
            Urgent(codebase, branch, revision, file) => {
                self.commit((codebase, branch, revision, file), Some("urgent")).await;
            }
            Force => self.force().await,
            Stop(builder) => self.stop(builder).await,
            Try(revision, builders) => self.attempt(revision, builders).await,
            Job(revision) => self.drop_job(revision),
            Lose(worker) => drop(self.workers.remove(worker)),
            Connect(worker) => self.connect(worker).await,
            Switch(scheduler, on) => self.switch(scheduler, on).await,
            MasterStops => self.stop_master().await,
            MasterStarts => self.start_master().await,
            Replace => self.reconfigure(true).await,
            Restore => self.reconfigure(false).await,
        }
    }
}
