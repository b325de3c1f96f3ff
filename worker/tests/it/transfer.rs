//! Files on their way between a scripted master and a worker.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;

use protocol::command::{Block, Command, Compression};
use protocol::msgpack::{MasterRequest, WorkerRequest};
use protocol::update::Update;
use rmpv::Value;

use crate::support::{Attached, Connection, Daemon, Report, kinds, until};

fn block(size: u64, max_size: Option<u64>) -> Block {
    Block { workdir: String::new(), max_size, size }
}

fn upload(source: &str, block: Block) -> Command {
    Command::UploadFile { source: source.into(), block, keep_stamp: false }
}

fn download(dest: &str, block: Block, mode: Option<u32>) -> Command {
    Command::DownloadFile { dest: dest.into(), block, mode }
}

/// What a worker asked of the master's end of a transfer, and what it reported.
#[derive(Debug)]
struct Moved {
    /// `write`, `close`, `utime`, `unpack`, or `read` with its length.
    asked: Vec<String>,
    data: Vec<u8>,
    report: Report,
}

impl Moved {
    fn asked(&self) -> Vec<&str> {
        self.asked.iter().map(String::as_str).collect()
    }
}

/// Serves a transfer to its end; `answer` is what to say to each question.
async fn serve(
    connection: &mut Connection,
    mut answer: impl FnMut(&WorkerRequest) -> Result<Value, String>,
) -> Moved {
    let report = Report { updates: Vec::new(), failure: None };
    let mut moved = Moved { asked: Vec::new(), data: Vec::new(), report };
    loop {
        let (seq, request) = connection.request().await;
        let what = match &request {
            WorkerRequest::Update { updates, .. } => {
                moved.report.updates.extend(updates.iter().map(|timed| timed.update.clone()));
                connection.acknowledge(seq).await;
                continue;
            }
            WorkerRequest::Complete { failure, .. } => {
                moved.report.failure = failure.clone();
                connection.acknowledge(seq).await;
                return moved;
            }
            WorkerRequest::UploadFileWrite { data, .. }
            | WorkerRequest::UploadDirectoryWrite { data, .. } => {
                moved.data.extend(data);
                "write".to_owned()
            }
            WorkerRequest::UploadFileClose { .. } | WorkerRequest::ReadFileClose { .. } => {
                "close".to_owned()
            }
            WorkerRequest::UploadFileUtime { .. } => "utime".to_owned(),
            WorkerRequest::UploadDirectoryUnpack { .. } => "unpack".to_owned(),
            WorkerRequest::ReadFile { length, .. } => format!("read {length}"),
        };
        moved.asked.push(what);
        connection.reply(seq, answer(&request)).await;
    }
}

async fn run(connection: &mut Connection, command: &Command) -> Moved {
    connection.start(command).await.expect("accepted");
    serve(connection, |_| Ok(Value::Nil)).await
}

/// Serves a file to be downloaded.
async fn give(connection: &mut Connection, command: &Command, text: &[u8]) -> Moved {
    connection.start(command).await.expect("accepted");
    let mut left = text;
    serve(connection, |request| match request {
        WorkerRequest::ReadFile { length, .. } => {
            let (piece, rest) = left.split_at(left.len().min(*length as usize));
            left = rest;
            Ok(Value::Binary(piece.to_vec()))
        }
        _ => Ok(Value::Nil),
    })
    .await
}

#[tokio::test]
async fn a_file_goes_up_block_by_block() {
    let mut worker = Attached::new().await;
    let path = worker.path("f.bin");
    fs::write(&path, b"0123456789\xff").expect("file");
    let connection = &mut worker.connection;
    connection.start(&upload(&path, block(4, None))).await.expect("accepted");
    let (seq, first) = connection.request().await;
    let WorkerRequest::UploadFileWrite { data, .. } = first else { panic!("{first:?}") };
    assert_eq!(data, b"0123");
    connection.ask(MasterRequest::Keepalive).await.expect("answered");
    assert!(connection.is_quiet(), "the next block waits for the answer");
    connection.acknowledge(seq).await;
    let moved = serve(connection, |_| Ok(Value::Nil)).await;
    assert_eq!(moved.asked(), ["write", "write", "close"]);
    assert_eq!(moved.data, b"456789\xff");
    assert_eq!(moved.report.header(), format!("sending {path}\n"));
    assert_eq!(kinds(&moved.report), ["header", "rc", "elapsed"]);
    assert_eq!((moved.report.rc(), moved.report.failure), (Some(0), None));
}

#[tokio::test]
async fn files_that_cannot_go_up() {
    let mut worker = Attached::new().await;
    let path = |name: &str| worker.dir.path().join(name).to_string_lossy().into_owned();
    fs::write(path("f"), "12").expect("file");
    fs::create_dir(path("d")).expect("directory");
    nix::unistd::mkfifo(path("fifo").as_str(), nix::sys::stat::Mode::S_IRWXU).expect("fifo");
    let cannot = |name: &str| format!("Cannot open file '{}' for upload", path(name));
    let cut = format!("Maximum filesize reached, truncating file '{}'\n", path("f"));
    for (name, max_size, asked, stderr) in [
        ("none", None, vec!["close"], format!("{}\n", cannot("none"))),
        ("fifo", None, vec!["close"], format!("{}: it is a named pipe\n", cannot("fifo"))),
        ("d", None, vec!["close"], format!("{}: it is a directory\n", cannot("d"))),
        ("f", Some(1), vec!["write", "close"], cut.clone()),
        ("f", Some(2), vec!["write", "close"], cut.clone()),
        ("f", Some(0), vec!["close"], cut),
    ] {
        let command = upload(&path(name), block(10, max_size));
        let moved = run(&mut worker.connection, &command).await;
        assert_eq!(moved.asked(), asked, "{name} {max_size:?}");
        assert_eq!(moved.report.stderr(), stderr, "{name} {max_size:?}");
        assert_eq!((moved.report.rc(), &moved.report.failure), (Some(1), &None));
        assert_eq!(kinds(&moved.report), ["header", "rc", "elapsed", "stderr"]);
        assert_eq!(moved.data.len() as u64, max_size.unwrap_or(0));
    }
}

#[tokio::test]
async fn times_follow_the_close_and_may_be_refused() {
    let mut worker = Attached::new().await;
    let path = worker.path("f");
    fs::write(&path, "x").expect("file");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_000_000_500);
    let times = fs::FileTimes::new().set_modified(time).set_accessed(time);
    fs::File::options().write(true).open(&path).expect("file").set_times(times).expect("set");
    let command = Command::UploadFile { source: path, block: block(10, None), keep_stamp: true };
    let connection = &mut worker.connection;
    connection.start(&command).await.expect("accepted");
    let mut told = None;
    let moved = serve(connection, |request| {
        if let WorkerRequest::UploadFileUtime { access_time, modified_time, .. } = request {
            told = Some((*access_time, *modified_time));
        }
        Ok(Value::Nil)
    })
    .await;
    assert_eq!(moved.asked(), ["write", "close", "utime"]);
    assert_eq!(told, Some((1_000_000.5, 1_000_000.5)));
    connection.start(&command).await.expect("accepted");
    let moved = serve(connection, |request| match request {
        WorkerRequest::UploadFileUtime { .. } => Err("takes 2 arguments".to_owned()),
        _ => Ok(Value::Nil),
    })
    .await;
    let expected = "The master did not keep the file's times: takes 2 arguments\n";
    assert_eq!((moved.report.rc(), moved.report.stderr().as_str()), (Some(0), expected));
    assert_eq!(moved.report.failure, None);
}

#[tokio::test]
async fn a_master_that_refuses_ends_the_transfer() {
    let mut worker = Attached::new().await;
    let path = worker.path("f");
    fs::write(&path, "12345").expect("file");
    let archive = Command::UploadDirectory {
        source: worker.path(""),
        block: block(100, None),
        compress: Compression::None,
    };
    let down = download(&worker.path("new"), block(10, None), None);
    let connection = &mut worker.connection;
    for (command, asked) in [
        (upload(&path, block(1, None)), vec!["write", "close"]),
        (archive, vec!["write"]),
        (down, vec!["read 10", "close"]),
    ] {
        connection.start(&command).await.expect("accepted");
        let moved = serve(connection, |request| match request {
            WorkerRequest::UploadFileClose { .. } | WorkerRequest::ReadFileClose { .. } => {
                Ok(Value::Nil)
            }
            _ => Err("disk full".to_owned()),
        })
        .await;
        assert_eq!(moved.asked(), asked);
        assert_eq!(
            (moved.report.rc(), moved.report.failure.as_deref()),
            (Some(1), Some("disk full"))
        );
    }
    assert_eq!(fs::read_dir(worker.dir.path()).expect("readable").count(), 1);
}

#[tokio::test]
async fn an_interrupt_stops_before_the_next_block() {
    let mut worker = Attached::new().await;
    let (up, down) = (worker.path("up"), worker.path("down"));
    fs::write(&up, "12345").expect("file");
    fs::write(&down, "old").expect("file");
    let connection = &mut worker.connection;
    for command in [upload(&up, block(1, None)), download(&down, block(1, None), None)] {
        let id = connection.start(&command).await.expect("accepted");
        let (seq, _) = connection.request().await;
        connection.interrupt(&id).await;
        connection.reply(seq, Ok(Value::Binary(vec![b'x']))).await;
        let moved = serve(connection, |_| Ok(Value::Nil)).await;
        assert_eq!(moved.asked(), ["close"]);
        assert_eq!((moved.report.rc(), &moved.report.failure), (Some(1), &None));
        assert!(!kinds(&moved.report).contains(&"elapsed"));
    }
    assert_eq!(fs::read_to_string(&down).expect("file"), "old");
    assert_eq!(fs::read_dir(worker.dir.path()).expect("readable").count(), 2);
}

#[tokio::test]
async fn a_directory_goes_up_as_an_archive() {
    let mut worker = Attached::new().await;
    let root = worker.path("tree");
    fs::create_dir_all(format!("{root}/sub")).expect("directories");
    fs::write(format!("{root}/sub/f"), "content").expect("file");
    std::os::unix::fs::symlink("sub/f", format!("{root}/link")).expect("link");
    for compress in [Compression::None, Compression::Gzip, Compression::Bzip2] {
        let block = block(1000, None);
        let command = Command::UploadDirectory { source: root.clone(), block, compress };
        let moved = run(&mut worker.connection, &command).await;
        assert_eq!(moved.asked.last().map(String::as_str), Some("unpack"), "{compress:?}");
        assert!(!moved.asked().contains(&"close"));
        assert_eq!(kinds(&moved.report), ["header", "rc", "elapsed"]);
        assert_eq!(
            (moved.report.rc(), moved.report.header()),
            (Some(0), format!("sending {root}\n"))
        );
        let data = std::io::Cursor::new(moved.data);
        let unpacked: Box<dyn std::io::Read> = match compress {
            Compression::None => Box::new(data),
            Compression::Gzip => Box::new(flate2::read::GzDecoder::new(data)),
            Compression::Bzip2 => Box::new(bzip2::read::BzDecoder::new(data)),
        };
        let target = tempfile::tempdir().expect("temporary directory");
        tar::Archive::new(unpacked).unpack(target.path()).expect("unpacked");
        assert_eq!(fs::read_to_string(target.path().join("link")).expect("file"), "content");
    }
}

#[tokio::test]
async fn directories_that_cannot_go_up() {
    let mut worker = Attached::new().await;
    let (missing, file) = (worker.path("none"), worker.path("f"));
    fs::write(&file, "x").expect("file");
    for (path, error) in
        [(&missing, "[Errno 2] No such file or directory"), (&file, "[Errno 20] Not a directory")]
    {
        let command = Command::UploadDirectory {
            source: path.clone(),
            block: block(4096, None),
            compress: Compression::None,
        };
        let moved = run(&mut worker.connection, &command).await;
        assert!(moved.asked.is_empty());
        assert_eq!(kinds(&moved.report), ["rc", "elapsed", "stderr"]);
        let expected = format!("Cannot read directory '{path}' for upload: {error}: '{path}'\n");
        assert_eq!((moved.report.rc(), moved.report.stderr()), (Some(1), expected));
    }
    let command = Command::UploadDirectory {
        source: worker.path(""),
        block: block(700, Some(1000)),
        compress: Compression::None,
    };
    let moved = run(&mut worker.connection, &command).await;
    assert_eq!((moved.asked(), moved.data.len()), (vec!["write", "write"], 1000));
    assert!(moved.report.stderr().starts_with("Maximum filesize reached, truncating file '"));
}

#[tokio::test]
async fn a_file_comes_down_whole_or_not_at_all() {
    let mut worker = Attached::new().await;
    let path = worker.path("new/dir/f");
    let command = download(&path, block(4, None), Some(0o640));
    let connection = &mut worker.connection;
    let moved = give(connection, &command, b"abcdef\xff").await;
    assert_eq!(moved.asked(), ["read 4", "read 4", "read 4", "close"]);
    assert_eq!(kinds(&moved.report), ["rc", "elapsed"]);
    assert_eq!(
        (moved.report.rc(), fs::read(&path).expect("file")),
        (Some(0), b"abcdef\xff".to_vec())
    );
    assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o7777, 0o640);

    connection.start(&command).await.expect("accepted");
    let (seq, _) = connection.request().await;
    connection.reply(seq, Ok(Value::Binary(b"new".to_vec()))).await;
    let (seq, _) = connection.request().await;
    assert_eq!(
        fs::read(&path).expect("file"),
        b"abcdef\xff",
        "the old file until the new one is whole"
    );
    connection.acknowledge(seq).await;
    let moved = serve(connection, |_| Ok(Value::Nil)).await;
    assert_eq!((moved.asked(), moved.report.rc()), (vec!["close"], Some(0)));
    assert_eq!(fs::read(&path).expect("file"), b"new");
}

#[tokio::test]
async fn files_that_cannot_come_down() {
    let mut worker = Attached::new().await;
    let path = worker.path("f");
    let connection = &mut worker.connection;
    let moved = give(connection, &download(&path, block(3, Some(4)), None), b"0123456").await;
    assert_eq!(moved.asked(), ["read 3", "read 1", "close"]);
    let expected = format!("Maximum filesize reached, truncating file '{path}'\n");
    assert_eq!((moved.report.rc(), moved.report.stderr()), (Some(1), expected));
    assert_eq!(kinds(&moved.report), ["rc", "elapsed", "stderr"]);
    assert_eq!(fs::read(&path).expect("file"), b"0123");

    let dir = worker.dir.path().to_string_lossy().into_owned();
    let moved = give(connection, &download(&dir, block(3, None), None), b"0123456").await;
    let expected = format!("Cannot open file '{dir}' for download\n");
    assert_eq!((moved.asked(), moved.report.stderr()), (vec!["close"], expected));

    let moved = give(connection, &download("/proc/nope/x", block(3, None), None), b"0").await;
    let expected = "[Errno 2] No such file or directory: '/proc/nope'";
    assert_eq!((moved.asked(), moved.report.failure.as_deref()), (vec!["close"], Some(expected)));
}

#[tokio::test]
async fn a_lost_connection_leaves_the_old_file() {
    let mut worker = Attached::new().await;
    let path = worker.path("f");
    fs::write(&path, "old").expect("file");
    let command = download(&path, block(3, None), None);
    worker.connection.start(&command).await.expect("accepted");
    let (seq, _) = worker.connection.request().await;
    worker.connection.reply(seq, Ok(Value::Binary(b"new".to_vec()))).await;
    worker.connection.request().await;
    let names = || fs::read_dir(worker.dir.path()).expect("readable").count();
    assert_eq!(names(), 2);
    drop(worker.connection);
    until(|| names() == 1).await;
    assert_eq!(fs::read_to_string(&path).expect("file"), "old");
}

/// The most memory a process ever had, in MiB.
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a value");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[tokio::test]
async fn a_huge_file_costs_little_memory() {
    const SIZE: u64 = 512 << 20;
    let mut worker = Daemon::new().await;
    let path = worker.dir.path().join("huge");
    let file = fs::File::create(&path).expect("file");
    file.set_len(SIZE).expect("sparse");
    file.write_all_at(b"end", SIZE - 3).expect("written");
    let (received, rc) = count(&mut worker.connection, &path).await;
    assert_eq!((received, rc), (SIZE, Some(0)));
    let peak = peak_memory(worker.pid());
    assert!(peak < 32, "{peak} MiB");
}

/// Uploads a file in the blocks of stock's `FileUpload`; its size as it arrived, and the exit status.
async fn count(connection: &mut Connection, path: &Path) -> (u64, Option<i64>) {
    let command = upload(&path.to_string_lossy(), block(262_144, None));
    connection.start(&command).await.expect("accepted");
    let (mut received, mut rc) = (0, None);
    loop {
        let (seq, request) = connection.request().await;
        connection.acknowledge(seq).await;
        match request {
            WorkerRequest::UploadFileWrite { data, .. } => received += data.len() as u64,
            WorkerRequest::Update { updates, .. } => {
                let find = |update: &Update| match update {
                    Update::Rc(rc) => Some(*rc),
                    _ => None,
                };
                rc = rc.or(updates.iter().find_map(|timed| find(&timed.update)));
            }
            WorkerRequest::Complete { .. } => return (received, rc),
            _ => {}
        }
    }
}
