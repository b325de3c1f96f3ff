//! Large files cost neither side memory.

use std::fs::{self, File};

use super::pairs::{Pairs, WorkerKind};
use super::peer::{Kind, Maker};
use super::stock;

/// Bytes of the file; a stock worker takes its time and gets half of it. `LARGE_FILE_MB` asks for
/// another size.
const SIZE: u64 = 512 << 20;
/// What a transfer may add to what a process needs when idle, in kB.
const ALLOWED_KB: u64 = 32 * 1024;

const STEPS: &str = r#"
[[factories.set.steps]]
type = "FileUpload"
workersrc = "large"
masterdest = "up/large"
[[factories.set.steps]]
type = "FileDownload"
mastersrc = "large"
workerdest = "down"
blocksize = 262144
"#;

#[tokio::test]
async fn a_large_file_costs_our_programs_little_memory() {
    transfers(Kind::OURS_PB, SIZE).await;
}

#[tokio::test]
async fn a_large_file_costs_our_programs_little_memory_over_message_pack() {
    transfers(Kind::OURS_MSGPACK, SIZE).await;
}

/// Only our side counts.
#[tokio::test]
async fn a_large_file_of_a_stock_worker_costs_our_master_little_memory() {
    if stock("buildbot-worker").is_some() {
        transfers(Kind::STOCK_PB, SIZE / 2).await;
    }
}

async fn transfers(kind: Kind, size: u64) {
    let asked = std::env::var("LARGE_FILE_MB").ok().and_then(|text| text.parse().ok());
    let size = asked.map_or(size, |megabytes: u64| megabytes << 20);
    let worker = WorkerKind::Program(kind);
    let mut pairs = Pairs::start(Maker::Ours, &[worker], STEPS).await;
    let build = pairs.worker_dir(worker).join("set").join("build");
    let (here, there) = (pairs.site.master_dir(), build);
    fs::create_dir_all(&there).expect("a directory");
    for dir in [&here, &there] {
        let file = File::create(dir.join("large")).expect("a file");
        file.set_len(size).expect("a sparse file");
    }
    let mut watched = vec![("master", pairs.site.master().pid())];
    if kind.maker == Maker::Ours {
        watched.push(("worker", pairs.pid(worker)));
    }
    let idle: Vec<u64> = watched.iter().map(|(_, pid)| kilobytes(*pid, "VmRSS")).collect();
    pairs.force().await;
    let built = pairs.built(worker, 1).await;
    assert_eq!(built["results"], 0, "{built}");
    for received in [here.join("up").join("large"), there.join("down")] {
        assert_eq!(fs::metadata(&received).expect("a file").len(), size, "{received:?}");
    }
    for ((name, pid), idle) in watched.into_iter().zip(idle) {
        let peak = kilobytes(pid, "VmHWM");
        println!("{kind:?}, {} MB: {name}: {idle} kB idle, {peak} kB at most", size >> 20);
        assert!(peak < idle + ALLOWED_KB, "{name}: {idle} kB idle, {peak} kB at most");
    }
}

/// A line of `/proc/…/status`.
fn kilobytes(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a known line");
    let value = line.split_whitespace().nth(1).and_then(|value| value.parse().ok());
    value.expect("a number of kB")
}
