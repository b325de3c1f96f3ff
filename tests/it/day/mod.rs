//! A whole day of a busy master, played in a few seconds: 53 builders, schedulers of every kind,
//! three codebases, locks, triggers, a restart, two reconfigurations and a worker that fails.
//!
//! What must come of it is written down here from the rules; the tables must say the same.

mod clock;
mod history;
mod rules;
mod script;
mod site;
mod worker;

use buildbot::model::Timestamp;
use clock::DayClock;
use history::History;
use script::DAY;
use site::Day;

use crate::world::run;

/// One line for each buildset: when, whose, which sources (branch or revision by codebase), for
/// which build, and what became of its requests. Lines with `#` say why.
const EXPECTED: &str = "
# A Periodic begins at once, and then every six hours.
00:00 cleaning =newest: cleaning 00:00-00:01 SUCCESS
# onlyIfChanged builds the first time. Nothing has changed by 08:30.
02:30 nightly app=main lib=main docs=main: night 02:30-03:15 SUCCESS
06:00 cleaning =newest: cleaning 06:00-06:01 SUCCESS

# One worker with max_builds = 1 has seven minutes to do for each. What a newer request can replace
# is built with it; priority 10 comes before priority 0. A buildset of which all requests were
# collapsed has ended as SUCCESS, as in stock, so package follows it; it does not follow failures.
09:00 quick app=a1 lib=main docs=main: quick 09:00-09:07 SUCCESS
09:02 quick app=a2 lib=main docs=main: quick into 09:04
09:03 urgent app=u1@hotfix lib=main docs=main: urgent 09:07-09:09 SUCCESS
09:04 package app=a2 lib=main docs=main: package 09:04-09:07 SUCCESS
09:04 quick app=a3-bad lib=main docs=main: quick 09:09-09:16 FAILURE
09:07 package app=a1 lib=main docs=main: package 09:07-09:10 SUCCESS
# Ten quiet minutes of each branch by itself. A worker runs one build of a builder at a time.
09:13 platforms app=u1@hotfix lib=main docs=main: p01..p24 09:13-09:15 SUCCESS
09:14 platforms app=a3-bad lib=main docs=main: p01..p24 09:15-09:17 FAILURE
09:40 quick app=a4 lib=main docs=main: quick 09:40-09:47 SUCCESS
09:47 package app=a4 lib=main docs=main: package 09:47-09:50 SUCCESS
09:50 platforms app=a4 lib=main docs=main: p01..p24 09:50-09:52 SUCCESS

# quick builds the app as it was last seen, each as its defaults say. each collapses nothing.
10:00 each app=main lib=l1 docs=main: each 10:00-10:04 SUCCESS
10:00 quick app=a4 lib=l1 docs=main: quick 10:00-10:07 SUCCESS
10:01 each app=main lib=l2 docs=main: each 10:04-10:08 SUCCESS
10:01 quick app=a4 lib=l2 docs=main: quick into 10:02
10:02 each app=main lib=l3 docs=main: each 10:08-10:12 SUCCESS
10:02 package app=a4 lib=l2 docs=main: package 10:02-10:05 SUCCESS
10:02 quick app=a4 lib=l3 docs=main: quick 10:07-10:14 SUCCESS
10:07 package app=a4 lib=l1 docs=main: package 10:07-10:10 SUCCESS
10:14 package app=a4 lib=l3 docs=main: package 10:14-10:17 SUCCESS
# Notes wait for a page, five minutes from the page on; the branch wip is none of its branches.
10:45 docs app=main lib=main docs=d2@release-1: docs 10:45-10:46 SUCCESS

# license: one at a time. bandwidth: two. disk: one on each worker. tape: one step at a time, while
# the builds go on beside each other.
11:00 locked app=main lib=k1@locks docs=main: alone-1 staged-1 11:00-11:05 SUCCESS, \
    alone-2 11:05-11:10 SUCCESS, alone-3 11:10-11:15 SUCCESS, \
    shared-1 shared-2 11:00-11:03 SUCCESS, shared-3 shared-4 11:03-11:06 SUCCESS, \
    spin-1 one 11:00-11:04 SUCCESS, spin-2 two 11:00-11:06 SUCCESS, spin-3 one 11:04-11:08 SUCCESS, \
    staged-2 11:00-11:08 SUCCESS
12:00 cleaning =newest: cleaning 12:00-12:01 SUCCESS

# The master is away from 12:30 to 12:40: what runs is built again, what was due meanwhile comes now.
12:26 quick app=a5 lib=l3 docs=main: quick 12:26-12:30 RETRY then 12:40-12:47 SUCCESS
12:40 lunch app=main lib=main docs=main: lunch 12:40-12:45 SUCCESS
12:40 platforms app=a5 lib=main docs=main: p01..p24 12:40-12:42 SUCCESS
12:47 package app=a5 lib=l3 docs=main: package 12:47-12:50 SUCCESS

# The parent waits for both children and does not mind flaky; evening only takes note.
13:00 force app=main lib=main docs=main: integration 13:00-13:13 SUCCESS
13:05 children app=main lib=main docs=main for integration 1: child-1 13:05-13:10 SUCCESS, \
    child-2 13:05-13:13 SUCCESS
13:05 flaky app=main lib=main docs=main for integration 1: flaky 13:05-13:06 FAILURE
13:13 later app=main lib=main docs=main for integration 1: deploy 13:13-13:28 SUCCESS
14:30 nightly app=a5 lib=l3 docs=d3: night 14:30-15:15 SUCCESS

# From 15:00 to 15:30 smoke stands for each. smoke begins with what comes; each takes up where it
# was.
15:05 quick app=a5 lib=l4 docs=main: quick 15:05-15:12 SUCCESS
15:05 smoke app=main lib=l4 docs=main: each 15:05-15:09 SUCCESS
15:12 package app=a5 lib=l4 docs=main: package 15:12-15:15 SUCCESS
15:30 each app=main lib=l4 docs=main: each 15:30-15:34 SUCCESS
15:40 each app=main lib=l5 docs=main: each 15:40-15:44 SUCCESS
15:40 quick app=a5 lib=l5 docs=main: quick 15:40-15:47 SUCCESS
15:47 package app=a5 lib=l5 docs=main: package 15:47-15:50 SUCCESS

# A try of some builders; one that names a builder of others is none. Job files are looked for
# every two seconds.
16:00 try =a5+patch: try-1 16:00-16:03 SUCCESS, try-3 16:00-16:05 SUCCESS
16:10:02 jobs =a4+patch: try-1 16:10:02-16:13:02 SUCCESS, try-2 16:10:02-16:14:02 SUCCESS

# A parent that is stopped takes its children along, and triggers nobody any more.
17:00 force app=main lib=main docs=main: integration 17:00-17:07 CANCELLED
17:05 children app=main lib=main docs=main for integration 2: child-1 child-2 17:05-17:07 CANCELLED
17:05 flaky app=main lib=main docs=main for integration 2: flaky 17:05-17:06 FAILURE
18:00 cleaning =newest: cleaning 18:00-18:01 SUCCESS
18:00 evening app=main lib=main docs=main for integration 1: evening 18:00-18:10 SUCCESS

# The only worker of quick fails at 19:03 and is there again at 19:05.
19:00 quick app=a6 lib=l5 docs=main: quick 19:00-19:03 RETRY then 19:05-19:12 SUCCESS
19:10 platforms app=a6 lib=main docs=main: p01..p24 19:10-19:12 SUCCESS
19:12 package app=a6 lib=l5 docs=main: package 19:12-19:15 SUCCESS
# What came while docs was switched off is not built.
19:50 docs app=main lib=main docs=d5: docs 19:50-19:51 SUCCESS
20:30 nightly app=a6 lib=l5 docs=d5: night 20:30-21:15 SUCCESS
# Nothing has changed since; force_at builds all the same.
22:30 nightly app=a6 lib=l5 docs=d5: night 22:30-23:15 SUCCESS
";

/// Midnight of an ordinary day here, as calendars are local.
fn midnight() -> Timestamp {
    let day = jiff::civil::date(2026, 3, 3).to_zoned(jiff::tz::TimeZone::system());
    day.expect("a day").timestamp().as_second()
}

/// Seconds since midnight of `09:05` or `09:05:02`.
fn seconds(time: &str) -> Option<i64> {
    let parts: Vec<i64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    match parts.as_slice() {
        [hours, minutes] => Some(hours * 3600 + minutes * 60),
        [hours, minutes, seconds] => Some(hours * 3600 + minutes * 60 + seconds),
        _ => None,
    }
}

fn expected() -> Vec<&'static str> {
    EXPECTED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// The moments at which time stops: of whatever happens or is expected, and a minute before each,
/// so that nothing comes early.
fn moments() -> Vec<i64> {
    let words = expected().into_iter().flat_map(|line| line.split([' ', '-', ',']));
    let scripted = DAY.iter().map(|(time, _)| *time);
    let named = words.chain(scripted).chain(["23:59"]).filter_map(seconds);
    let mut moments: Vec<i64> = named.flat_map(|at| [at - 60, at]).filter(|at| *at > 0).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

impl Day {
    async fn play(&mut self) {
        let (midnight, mut script) = (self.clock.now(), DAY.iter().peekable());
        for moment in moments() {
            self.clock.go_to(midnight + moment).await;
            while let Some((_, act)) = script.next_if(|(time, _)| seconds(time) == Some(moment)) {
                self.act(*act).await;
                self.clock.settle().await;
            }
        }
        assert!(script.next().is_none(), "the script is over");
    }
}

#[test]
fn a_day_goes_as_the_rules_demand() {
    run(async {
        let mut day = Day::begin(DayClock::stopped_at(midnight())).await;
        day.play().await;
        let history = day.master().read(|conn| {
            rules::nothing_is_left_over(conn);
            History::read(conn, midnight())
        });
        let history = history.await;
        let (lines, expected) = (history.lines(), expected());
        let strange: Vec<&String> =
            lines.iter().filter(|line| !expected.contains(&line.as_str())).collect();
        let missing: Vec<&&str> =
            expected.iter().filter(|line| !lines.iter().any(|own| own == *line)).collect();
        assert!(
            strange.is_empty() && missing.is_empty(),
            "not expected: {strange:#?}\nmissing: {missing:#?}"
        );
        assert_eq!(lines.len(), expected.len(), "none of them comes twice");
        assert!(history.builders().len() >= 40, "it is a large site");
        rules::everything_is_complete(&history);
        rules::locks_were_kept(&history);
        rules::builds_had_their_sources(&history, &day.diary.borrow());
        rules::no_change_was_lost_or_repeated(&history);
        day.stop_master().await;
    });
}
