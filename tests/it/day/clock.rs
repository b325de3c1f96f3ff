//! Time that stands still until the test moves it: for the master's clock and for every timer of
//! its main thread.
//!
//! The threads of the database, the connections and the logs go on by themselves, so before time
//! moves the whole process must have nothing to do. The kernel knows: every thread sleeps, and none
//! has woken up between two looks. Therefore such a test needs a process of its own, as nextest
//! gives to each.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use buildbot::model::{Clock, Timestamp};
use tokio::time::advance;

/// The longest that everything may take between two moments.
const PATIENCE: Duration = Duration::from_secs(60);
/// The timers' smallest step.
const TICK: Duration = Duration::from_millis(1);

/// The clock of the day. Clones tell the same time.
#[derive(Clone)]
pub struct DayClock {
    now: Arc<AtomicI64>,
    /// As long as somebody on the blocking pool waits for it, timers do not run ahead by themselves.
    _brake: mpsc::Sender<()>,
}

impl DayClock {
    /// Time stands still at `start` from now on.
    pub fn stopped_at(start: Timestamp) -> DayClock {
        tokio::time::pause();
        let (brake, held) = mpsc::channel();
        tokio::task::spawn_blocking(move || held.recv());
        DayClock { now: Arc::new(AtomicI64::new(start)), _brake: brake }
    }

    pub fn now(&self) -> Timestamp {
        self.now.load(Ordering::SeqCst)
    }

    /// For a master.
    pub fn for_master(&self) -> Clock {
        let now = self.now.clone();
        Clock::new(move || now.load(Ordering::SeqCst))
    }

    /// Lets everything happen that is due by `moment`, and whatever follows from it at once.
    pub async fn go_to(&self, moment: Timestamp) {
        let seconds = moment - self.now();
        assert!(seconds >= 0, "time goes on");
        self.now.store(moment, Ordering::SeqCst);
        advance(Duration::from_secs(seconds.unsigned_abs())).await;
        self.settle().await;
    }

    /// Waits until nothing more happens at this moment.
    pub async fn settle(&self) {
        let until = Instant::now() + PATIENCE;
        // What is due now may lie a fraction of a tick ahead.
        for _ in 0..2 {
            loop {
                advance(TICK).await;
                if tokio::task::spawn_blocking(is_quiet).await.expect("no panic") {
                    break;
                }
                assert!(Instant::now() < until, "there is always something to do");
            }
        }
    }

    /// Runs something that needs timers to run, such as a start; the clock of the day stands still
    /// meanwhile.
    pub async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::time::resume();
        let done = work.await;
        tokio::time::pause();
        self.settle().await;
        done
    }
}

/// Does everybody sleep? Looks for a while before it says no.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of the blocking pool, and time stands still"
)]
fn is_quiet() -> bool {
    const LOOKS: usize = 200;
    const IN_A_ROW: usize = 3;
    let (mut before, mut same) = (None, 0);
    for _ in 0..LOOKS {
        let now = sleepers();
        same = if now.is_some() && now == before { same + 1 } else { 0 };
        if same == IN_A_ROW {
            return true;
        }
        before = now;
        std::thread::sleep(TICK);
    }
    false
}

/// How often each other thread has gone to sleep; `None` when one of them is awake.
fn sleepers() -> Option<BTreeMap<String, String>> {
    let me = fs::read_link("/proc/thread-self").ok()?;
    let me = me.file_name()?.to_string_lossy().into_owned();
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/task").ok()? {
        let name = entry.ok()?.file_name().to_string_lossy().into_owned();
        if name == me {
            continue;
        }
        let status = fs::read_to_string(format!("/proc/self/task/{name}/status")).ok()?;
        let value = |key: &str| {
            status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim).unwrap_or("")
        };
        if !value("State:").starts_with('S') {
            return None;
        }
        let switches = value("voluntary_ctxt_switches:").to_owned();
        threads.insert(name, switches + " " + value("nonvoluntary_ctxt_switches:"));
    }
    Some(threads)
}
