//! The intake against a store that can be stalled and can fail, and against the real one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::queue::HIGH_WATER;
use super::store::{Job, LogStore, What};
use super::*;
use crate::actors::tree::Tree;
use crate::db::{builders, builds, buildsets, compress, logs, masters, steps};
use crate::events::Event;
use crate::model::{LogType, NewBuildset, NewSourceStamp, StepId};

const DEADLINE: Duration = Duration::from_secs(60);

/// Keeps chunks as the table does.
struct Shelf {
    /// One permit per call of `store`.
    gate: Semaphore,
    entered: Semaphore,
    /// So many further calls that hold chunks fail.
    failing: AtomicUsize,
    /// A log that is gone.
    broken: Option<LogId>,
    chunks: Mutex<Vec<(LogId, LogLines)>>,
}

impl Shelf {
    fn new(permits: usize) -> Shelf {
        Shelf {
            gate: Semaphore::new(permits),
            entered: Semaphore::new(0),
            failing: AtomicUsize::new(0),
            broken: None,
            chunks: Mutex::default(),
        }
    }

    /// All lines of a log; checks that there is neither gap nor overlap.
    fn text(&self, log: LogId) -> String {
        let chunks = self.chunks.lock().unwrap();
        let mut text = String::new();
        let mut next = 0;
        for (_, chunk) in chunks.iter().filter(|(id, _)| *id == log) {
            assert_eq!(chunk.first_line, next);
            next += chunk.count;
            text.push_str(&chunk.text);
        }
        text
    }
}

#[async_trait]
impl LogStore for Shelf {
    async fn store(&self, jobs: Arc<Vec<Job>>, _: String) -> Result<(), DbError> {
        self.entered.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        let has_chunks = jobs.iter().any(|job| job.what.chunk().is_some());
        let broken = jobs.iter().any(|job| Some(job.log) == self.broken);
        let fails = |left: usize| left.checked_sub(1);
        let failing = has_chunks
            && self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok();
        if broken || failing {
            return Err(DbError::Query("disk full".into()));
        }
        let mut chunks = self.chunks.lock().unwrap();
        for job in jobs.iter() {
            if let What::Final(lines) | What::Partial(lines) = &job.what {
                chunks.retain(|(log, old)| *log != job.log || old.first_line < lines.first_line);
                chunks.push((job.log, (**lines).clone()));
            }
        }
        Ok(())
    }

    async fn load(&self, log: LogId) -> Result<Log, DbError> {
        Ok(row(log.0))
    }
}

fn row(id: i64) -> Log {
    Log {
        id: LogId(id),
        name: "stdio".into(),
        slug: "stdio".into(),
        step: StepId(1),
        complete: false,
        num_lines: 0,
        log_type: LogType::Stdio,
    }
}

fn settings() -> LogSettings {
    LogSettings { compression: "zstd".into(), max_size: None, max_tail_size: None }
}

struct World {
    intake: LogIntake,
    announcer: Announcer,
    supervisor: Supervisor,
}

fn world(store: Arc<dyn LogStore>) -> World {
    let (alarms, _) = tokio::sync::mpsc::unbounded_channel();
    let supervisor = Supervisor::new("", Tree::default(), alarms);
    let announcer = Announcer::default();
    let home = actix::Arbiter::current();
    let intake = LogIntake::start_with(&supervisor, home, store, announcer.clone(), settings());
    World { intake, announcer, supervisor }
}

impl World {
    /// Waits until the actor answers.
    async fn up(&self) {
        let up = async {
            while self.intake.mailbox.ask(Follow(LogId(-1)), ASK).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, up).await.unwrap();
    }
}

#[actix::test]
async fn a_stalled_database_stops_the_caller_and_not_for_ever() {
    let shelf = Arc::new(Shelf::new(0));
    let world = world(shelf.clone());
    world.up().await;
    let appended = Arc::new(AtomicUsize::new(0));
    let (intake, count) = (world.intake.clone(), appended.clone());
    let text = format!("{}\n", "x".repeat(1023)).repeat(256);
    let mut feeding = tokio::spawn(async move {
        for _ in 0..64 {
            intake.append(LogId(1), Stream::Stdout, text.clone()).await.unwrap();
            count.fetch_add(text.len(), Ordering::SeqCst);
        }
        intake.finish(LogId(1)).await.unwrap()
    });
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut feeding).await.is_err());
    assert!(appended.load(Ordering::SeqCst) <= HIGH_WATER);
    assert_eq!(shelf.entered.available_permits(), 1);
    shelf.gate.add_permits(10_000);
    let num_lines = tokio::time::timeout(DEADLINE, feeding).await.unwrap().unwrap();
    assert_eq!(num_lines, 64 * 256);
    assert_eq!(shelf.text(LogId(1)).len(), 64 * 256 * 1025);
}

#[actix::test]
async fn a_refusing_database_is_told_once_and_leaves_a_note() {
    let shelf = Arc::new(Shelf::new(10_000));
    shelf.failing.store(2, Ordering::SeqCst);
    let world = world(shelf.clone());
    world.up().await;
    let append = |text: String| world.intake.append(LogId(1), Stream::Stdout, text);
    append("a\n".repeat(1001)).await.unwrap();
    let mut refused = 0;
    let mut added = 0;
    let told = async {
        while refused == 0 {
            added += 1;
            if let Err(error) = append("b\n".into()).await {
                assert!(
                    matches!(error, LogError::NotStored(ref text) if text.contains("disk full"))
                );
                refused += 1;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, told).await.unwrap();
    append("c\n".into()).await.unwrap();
    assert!(world.intake.finish(LogId(1)).await.is_ok());
    let text = shelf.text(LogId(1));
    assert!(text.contains("h1000 lines of output could not be stored"), "{text}");
    assert_eq!(text.matches("oa\n").count(), 1);
    assert_eq!(text.matches("ob\n").count(), added);
    assert!(text.ends_with("oc\n"));
}

#[actix::test]
async fn a_log_that_is_gone_does_not_harm_the_others() {
    let shelf = Arc::new(Shelf { broken: Some(LogId(1)), ..Shelf::new(0) });
    let world = world(shelf.clone());
    world.up().await;
    for id in [1, 2] {
        world.intake.append(LogId(id), Stream::Stderr, "x\n".into()).await.unwrap();
    }
    let (bad, good) = (world.intake.finish(LogId(1)), world.intake.finish(LogId(2)));
    shelf.gate.add_permits(10_000);
    let (bad, good) =
        tokio::time::timeout(DEADLINE, async { tokio::join!(bad, good) }).await.unwrap();
    assert!(matches!(bad, Err(LogError::NotStored(_))), "{bad:?}");
    assert_eq!(good.unwrap(), 1);
    assert_eq!(shelf.text(LogId(2)), "ex\n");
}

#[actix::test]
async fn a_viewer_gets_everything_once_and_learns_of_the_end() {
    let shelf = Arc::new(Shelf::new(0));
    let world = world(shelf.clone());
    world.up().await;
    let log = LogId(3);
    assert!(world.intake.follow(log).await.is_none());
    world.intake.append(log, Stream::Stdout, "x\n".repeat(1500) + "hal").await.unwrap();
    let mut viewer = world.intake.follow(log).await.unwrap();
    assert_eq!((viewer.buffered.first_line, viewer.buffered.count), (0, 1500));
    world.intake.append(log, Stream::Stdout, "f\nmore\n".into()).await.unwrap();
    let live = viewer.lines.recv().await.unwrap();
    assert_eq!((live.first_line, live.text.as_str()), (1500, "ohalf\nomore\n"));
    shelf.gate.add_permits(10_000);
    assert_eq!(world.intake.finish(log).await.unwrap(), 1502);
    assert!(viewer.lines.recv().await.is_err());
    assert!(world.intake.follow(log).await.is_none());
}

/// A log in a fresh database.
async fn stored_log(db: &Db) -> Log {
    db.write(|conn| {
        let master = masters::register(conn, "m", 1)?;
        let builder = builders::find_or_create(conn, "b")?;
        let set = NewBuildset {
            sourcestamps: vec![NewSourceStamp::default()],
            builders: vec![builder],
            ..NewBuildset::default()
        };
        let (_, requests) = buildsets::submit(conn, &set, 1)?;
        let new = builds::NewBuild {
            builder,
            request: requests[0].1,
            worker: None,
            master,
            state: "created".into(),
        };
        let build = builds::start(conn, new, 1)?;
        let step = steps::add(conn, build.id, 0, "shell", Some(1), "running")?;
        logs::add(conn, step.id, "stdio", LogType::Stdio)
    })
    .await
    .unwrap()
}

async fn chunks(db: &Db, log: LogId) -> Vec<logs::Chunk> {
    db.read(move |conn| logs::chunks_after(conn, log, 0, 100_000)).await.unwrap()
}

#[actix::test]
async fn a_quiet_log_is_saved_raw_and_replaced_later() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
    let log = stored_log(&db).await;
    let world = world(Arc::new(db.clone()));
    world.up().await;
    let mut facts = world.announcer.listen();
    world.intake.open(&log).await;
    world.intake.append(log.id, Stream::Header, "make\r\n".into()).await.unwrap();
    let fact = tokio::time::timeout(DEADLINE, facts.recv()).await.unwrap().unwrap();
    assert!(matches!(*fact, Event::LogAppended { num_lines: 1, .. }), "{fact:?}");
    let saved = chunks(&db, log.id).await;
    assert_eq!((saved[0].content.as_slice(), saved[0].compressed), (b"hmake".as_slice(), 0));
    world.intake.append(log.id, Stream::Stdout, "a line of output\n".repeat(1500)).await.unwrap();
    world.intake.append(log.id, Stream::Stdout, "no newline".into()).await.unwrap();
    assert_eq!(world.intake.finish(log.id).await.unwrap(), 1502);
    let saved = chunks(&db, log.id).await;
    let ranges: Vec<_> = saved.iter().map(|chunk| (chunk.first_line, chunk.last_line)).collect();
    assert_eq!(ranges, [(0, 999), (1000, 1501)]);
    assert_eq!(saved[0].compressed, 4);
    let first = compress::decode(saved[0].compressed, &saved[0].content).unwrap();
    assert!(first.starts_with(b"hmake\noa line of output\n"));
    let id = log.id;
    let row = db.read(move |conn| logs::get(conn, id)).await.unwrap();
    assert_eq!((row.complete, row.num_lines), (true, 1502));
    let end = world.intake.append(log.id, Stream::Stdout, "late\n".into()).await;
    assert!(matches!(end, Err(LogError::Finished)));
}

#[actix::test]
async fn a_new_life_goes_on_where_the_table_ends() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
    let log = stored_log(&db).await;
    let first = world(Arc::new(db.clone()));
    first.up().await;
    first.intake.append(log.id, Stream::Stdout, "one\ntwo\n".into()).await.unwrap();
    first.supervisor.stop_all().await;
    let second = world(Arc::new(db.clone()));
    second.up().await;
    second.intake.append(log.id, Stream::Stdout, "three\n".into()).await.unwrap();
    assert_eq!(second.intake.finish(log.id).await.unwrap(), 3);
    let id = log.id;
    let lines = db.read(move |conn| logs::lines(conn, id, 0, 10)).await.unwrap();
    assert_eq!(lines.text, "oone\notwo\nothree\n");
}

/// The most memory that this process ever used, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[actix::test]
async fn two_hundred_megabytes_need_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
    let log = stored_log(&db).await;
    let world = world(Arc::new(db.clone()));
    world.up().await;
    // Half of it in lines, half without a single newline.
    let lines = "compiling something that has a long name\n".repeat(1600);
    let endless = "x".repeat(lines.len());
    let before = peak_memory();
    let mut fed = 0;
    while fed < 200 << 20 {
        for text in [&lines, &endless] {
            world.intake.append(log.id, Stream::Stdout, text.clone()).await.unwrap();
            fed += text.len();
        }
    }
    world.intake.finish(log.id).await.unwrap();
    let grown = peak_memory() - before;
    assert!(grown < 40 << 20, "{} MiB", grown >> 20);
    let id = log.id;
    let sizes = db.read(move |conn| logs::chunks_after(conn, id, 0, 500)).await.unwrap();
    assert_eq!(sizes.len(), 500);
    for chunk in sizes {
        let text = compress::decode(chunk.compressed, &chunk.content).unwrap();
        assert!(text.len() <= 64 << 10 && chunk.last_line - chunk.first_line < 1000);
    }
}
