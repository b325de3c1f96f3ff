//! FileUpload and MultipleFileUpload.

use std::os::unix::fs::MetadataExt;

use protocol::command::Command;

use super::*;

fn upload(options: Value) -> Value {
    let mut step = json!({"type": "FileUpload", "workersrc": "a.txt", "masterdest": "out/a.txt"});
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

fn several(options: Value) -> Value {
    let mut step = json!({"type": "MultipleFileUpload", "workersrcs": [], "masterdest": "out"});
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

#[tokio::test]
async fn a_file_comes_to_the_master() {
    let mut farm = Farm::new();
    write(farm.worker("sub/a.txt"), "hello");
    farm.bench.properties.set("name", "b", "t");
    let step = upload(json!({
        "workersrc": "sub/a.txt", "masterdest": "out/%(prop:name)s.txt", "mode": 0o644,
        "url": "http://x/%(prop:name)s",
    }));
    assert_eq!(farm.run(step).await, (Results::Success, "uploading a.txt".into()));
    assert_eq!(farm.read("out/b.txt"), "hello");
    assert_eq!(mode_of(farm.master("out/b.txt")), 0o644);
    assert_eq!(farm.everything(), ["out", "out/b.txt"]);
    assert_eq!(farm.bench.urls, [("b.txt".into(), "http://x/b".into())]);
    assert_eq!(farm.bench.summaries, ["uploading a.txt"]);
    assert_eq!(farm.bench.logs[0].0, "stdio");
}

#[tokio::test]
async fn options_reach_the_worker_with_stock_defaults() {
    let mut farm = Farm::with(Worker::Script((0..2).map(|_| ended(1, "")).collect()));
    farm.run(upload(json!({}))).await;
    let given = json!({"workdir": "w", "blocksize": 100, "maxsize": 7, "keepstamp": true});
    farm.run(upload(given)).await;
    let [Command::UploadFile { source, block, keep_stamp }, second] =
        farm.bench.commands.as_slice()
    else {
        panic!("{:?}", farm.bench.commands);
    };
    assert_eq!((source.as_str(), *keep_stamp), ("a.txt", false));
    assert_eq!((block.workdir.as_str(), block.size, block.max_size), ("build", 262_144, None));
    let Command::UploadFile { block, keep_stamp: true, .. } = second else { panic!("{second:?}") };
    assert_eq!((block.workdir.as_str(), block.size, block.max_size), ("w", 100, Some(7)));
}

#[tokio::test]
async fn lines_can_be_configured() {
    let cases = [
        (json!({"descriptionSuffix": "it"}), "uploading a.txt it"),
        (json!({"description": "fetching"}), "fetching"),
        (json!({"descriptionDone": "fetched", "descriptionSuffix": "it"}), "fetched it"),
    ];
    for (options, line) in cases {
        let mut farm = Farm::new();
        write(farm.worker("a.txt"), "");
        assert_eq!(farm.run(upload(options.clone())).await.1, line, "{options}");
    }
}

#[tokio::test]
async fn a_failed_upload_leaves_what_was_there() {
    let mut farm = Farm::new();
    write(farm.master("out/a.txt"), "old");
    let missing = farm.run(upload(json!({}))).await;
    assert_eq!(missing, (Results::Failure, "uploading a.txt (failure)".into()));
    assert!(farm.bench.log_text("stdio").contains("Cannot open file 'a.txt' for upload"));
    write(farm.worker("a.txt"), "0123456789");
    let (results, _) = farm.run(upload(json!({"maxsize": 9, "blocksize": 4}))).await;
    assert_eq!(results, Results::Failure);
    assert!(farm.bench.log_text("stdio").contains("Maximum filesize reached"));
    farm.bench.interrupt_after = Some(2);
    let (results, line) = farm.run(upload(json!({"blocksize": 4}))).await;
    assert_eq!((results, line.as_str()), (Results::Cancelled, "uploading a.txt (cancelled)"));
    assert_eq!(farm.bench.log_text("interrupt"), "enough");
    assert_eq!(farm.read("out/a.txt"), "old");
    assert_eq!(farm.everything(), ["out", "out/a.txt"]);
}

#[tokio::test]
async fn a_dropped_upload_leaves_nothing_behind() {
    let farm = Farm::new();
    let path = farm.master("out/a.txt");
    let mut end =
        crate::steps::transfer::file::ReceivedFile::create(path, None, None).await.unwrap();
    crate::steps::transfer::TransferEnd::write(&mut end, b"half".to_vec()).await.unwrap();
    assert_eq!(farm.everything().len(), 2, "the temporary file is there");
    drop(end);
    assert_eq!(farm.everything(), ["out"]);
    assert!(farm.bench.commands.is_empty());
}

#[tokio::test]
async fn a_worker_cannot_send_more_than_allowed_or_less_than_all() {
    let send = |closes| Worker::Sends {
        blocks: vec![b"0123".to_vec(), b"4567".to_vec()],
        closes,
        answer: ended(0, ""),
    };
    let mut farm = Farm::with(send(true));
    let error = farm.fails(upload(json!({"maxsize": 7}))).await;
    assert!(error.contains("more than 'maxsize'"), "{error}");
    let mut farm = Farm::with(send(false));
    let error = farm.fails(upload(json!({}))).await;
    assert!(error.contains("did not finish"), "{error}");
    assert_eq!(farm.everything(), ["out"]);
    let mut farm = Farm::with(send(true));
    assert_eq!(farm.run(upload(json!({"maxsize": 8}))).await.0, Results::Success);
    assert_eq!(farm.read("out/a.txt"), "01234567");
}

#[tokio::test]
async fn times_are_kept_when_asked() {
    for keep in [true, false] {
        let mut farm = Farm::new();
        write(farm.worker("a.txt"), "x");
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let times = fs::FileTimes::new().set_modified(time).set_accessed(time);
        fs::File::options()
            .write(true)
            .open(farm.worker("a.txt"))
            .unwrap()
            .set_times(times)
            .unwrap();
        farm.run(upload(json!({"keepstamp": keep}))).await;
        let data = fs::metadata(farm.master("out/a.txt")).unwrap();
        assert_eq!(data.mtime() == 1_000_000_000, keep);
        assert_eq!(mode_of(farm.master("out/a.txt")), 0o600, "as in stock");
    }
}

#[tokio::test]
async fn trouble_on_the_master_is_told() {
    let mut farm = Farm::new();
    write(farm.worker("a.txt"), "x");
    write(farm.master("file"), "");
    fs::create_dir(farm.master("dir")).unwrap();
    farm.bench.properties.set("p", "../../etc", "t");
    for (destination, part) in [
        ("file/a.txt", "cannot write"),
        ("dir", "cannot write"),
        ("out/%(prop:p)s", "would lead out of out/"),
    ] {
        let error = farm.fails(upload(json!({"masterdest": destination}))).await;
        assert!(error.contains(part), "{destination}: {error}");
    }
    assert_eq!(farm.everything(), ["dir", "file"]);
}

#[tokio::test]
async fn several_files_and_directories_come_together() {
    let mut farm = Farm::new();
    write(farm.worker("a.txt"), "A");
    write(farm.worker("sub/b.txt"), "B");
    write(farm.worker("docs/deep/c.txt"), "C");
    let step = several(json!({
        "workersrcs": ["a.txt", "sub/b.txt", "docs"], "url": "http://x/", "urlText": "all of it",
        "mode": 0o640, "compress": "gz",
    }));
    assert_eq!(farm.run(step).await, (Results::Success, "uploading 3 files".into()));
    let expected = ["out", "out/a.txt", "out/b.txt", "out/docs", "out/docs/deep"];
    assert_eq!(farm.everything()[..5], expected);
    assert_eq!(farm.read("out/docs/deep/c.txt"), "C");
    assert_eq!(mode_of(farm.master("out/a.txt")), 0o640);
    assert_eq!(farm.bench.urls, [("all of it".into(), "http://x/".into())]);
}

#[tokio::test]
async fn patterns_are_matched_on_the_worker() {
    let mut farm = Farm::new();
    for name in ["a.log", "b.log", "c.txt"] {
        write(farm.worker(name), name);
    }
    let globs = |pattern: &str| several(json!({"workersrcs": pattern, "glob": true}));
    assert_eq!(farm.run(globs("*.log")).await, (Results::Success, "uploading 2 files".into()));
    assert_eq!(farm.everything(), ["out", "out/a.log", "out/b.log"]);
    let Command::Glob { path } = &farm.bench.commands[0] else { panic!() };
    assert_eq!(path, "build/*.log");
    let none = farm.run(globs("*.none")).await;
    assert_eq!(none, (Results::Skipped, "uploading 0 files (skipped)".into()));
    let nothing = farm.run(several(json!({}))).await;
    assert_eq!(nothing, (Results::Skipped, "finished (skipped)".into()));
}

#[tokio::test]
async fn the_first_source_that_fails_ends_the_step() {
    let mut farm = Farm::new();
    write(farm.worker("a.txt"), "A");
    write(farm.worker("c.txt"), "C");
    nix::unistd::mkfifo(&farm.worker("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (middle, message) in [
        ("gone/b.txt", "File build/gone/b.txt not available at worker"),
        ("pipe", "pipe is neither a regular file, nor a directory"),
    ] {
        farm.bench.logs.clear();
        let sources = json!({"workersrcs": ["a.txt", middle, "c.txt"], "url": "http://x"});
        let ended = farm.run(several(sources)).await;
        assert_eq!(ended, (Results::Failure, "uploading 3 files (failure)".into()));
        assert_eq!(farm.bench.log_text("stderr"), message);
        assert_eq!(farm.everything(), ["out", "out/a.txt"]);
    }
    assert_eq!(farm.bench.urls.len(), 2, "the link is there all the same");
}

#[tokio::test]
async fn names_told_by_the_worker_stay_below_the_destination() {
    use protocol::update::Update;
    let mut stat = [0; 10];
    stat[0] = 0o100_644;
    let files = Finished { updates: vec![Update::Files(vec!["/w/..".into()])], ..ended(0, "") };
    let stat = Finished { updates: vec![Update::Stat(stat)], ..ended(0, "") };
    let mut farm = Farm::with(Worker::Script([files, stat].into()));
    let error = farm.fails(several(json!({"workersrcs": "*", "glob": true}))).await;
    assert!(error.contains("'/w/..' has no name"), "{error}");
}

#[tokio::test]
async fn an_interrupted_pattern_is_no_empty_one() {
    let mut farm = Farm::new();
    farm.bench.interrupt.send_replace(Some("stop".into()));
    let step = several(json!({"workersrcs": "*", "glob": true}));
    assert_eq!(farm.run(step).await.0, Results::Cancelled);
    assert_eq!(farm.run(several(json!({"workersrcs": "a"}))).await.0, Results::Cancelled);
}

/// The peak of this process's memory, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_large_file_costs_little_memory() {
    let mut farm = Farm::new();
    let size = 256 << 20;
    fs::File::create(farm.worker("a.txt")).unwrap().set_len(size).unwrap();
    let before = peak();
    assert_eq!(farm.run(upload(json!({}))).await.0, Results::Success);
    let step = json!({"type": "FileDownload", "mastersrc": "out/a.txt", "workerdest": "b",
                      "blocksize": 262_144});
    assert_eq!(farm.run(step).await.0, Results::Success);
    let grown = peak() - before;
    assert_eq!(fs::metadata(farm.worker("b")).unwrap().len(), size);
    assert!(grown < 32 << 10, "{grown} KiB");
}
