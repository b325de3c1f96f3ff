//! DirectoryUpload: good archives, and those that no honest worker sends.

use std::os::unix::fs::{MetadataExt, symlink};

use base64::Engine as _;
use protocol::command::Compression;
use tar::{Builder, EntryType, Header};

use super::*;
use crate::steps::fake::transfer::packed;

fn upload(options: Value) -> Value {
    let mut step = json!({"type": "DirectoryUpload", "workersrc": "docs", "masterdest": "out"});
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

/// An archive whose names are written as they are, whatever they are.
struct Archive(Builder<Vec<u8>>);

impl Archive {
    fn new() -> Archive {
        Archive(Builder::new(Vec::new()))
    }

    fn member(mut self, kind: EntryType, name: &str, link: &str, data: &str) -> Archive {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        if let Some(gnu) = header.as_gnu_mut() {
            gnu.realsize = *b"00000000000\0";
        }
        header.set_size(data.len() as u64);
        header.set_mode(0o6777);
        header.set_mtime(1_000_000_000);
        header.set_cksum();
        self.0.append(&header, data.as_bytes()).unwrap();
        self
    }

    fn file(self, name: &str, data: &str) -> Archive {
        self.member(EntryType::Regular, name, "", data)
    }

    fn directory(self, name: &str) -> Archive {
        self.member(EntryType::Directory, name, "", "")
    }

    fn link(self, name: &str, target: &str) -> Archive {
        self.member(EntryType::Symlink, name, target, "")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn sending(data: Vec<u8>) -> Farm {
    Farm::with(Worker::Sends { blocks: vec![data], closes: true, answer: ended(0, "") })
}

#[tokio::test]
async fn a_directory_comes_to_the_master() {
    for compress in [None, Some("gz"), Some("bz2")] {
        let mut farm = Farm::new();
        write(farm.worker("docs/a.txt"), "A");
        write(farm.worker("docs/deep/er/b.txt"), "B".repeat(100_000));
        symlink("../a.txt", farm.worker("docs/deep/link")).unwrap();
        symlink("nowhere", farm.worker("docs/dangling")).unwrap();
        let long = format!("docs/{}/{}", "x".repeat(200), "y".repeat(200));
        write(farm.worker(&long), "L");
        let mut options = json!({"url": "http://x/", "masterdest": "new/out/"});
        if let Some(compress) = compress {
            options["compress"] = compress.into();
        }
        let ended = farm.run(upload(options)).await;
        assert_eq!(ended, (Results::Success, "uploading docs".into()), "{compress:?}");
        assert_eq!(farm.read("new/out/a.txt"), "A");
        assert_eq!(farm.read("new/out/deep/er/b.txt").len(), 100_000);
        assert_eq!(farm.read("new/out/deep/link"), "A");
        assert!(farm.master("new/out/dangling").is_symlink());
        assert_eq!(farm.read(&long.replace("docs", "new/out")), "L");
        assert_eq!(farm.everything().len(), 10, "{:?}", farm.everything());
        assert_eq!(farm.bench.urls, [("out".into(), "http://x/".into())]);
    }
}

#[tokio::test]
async fn what_is_there_and_not_in_the_archive_stays() {
    let mut farm = Farm::new();
    write(farm.master("out/old.txt"), "old");
    write(farm.master("out/deep/a.txt"), "old");
    write(farm.worker("docs/deep/a.txt"), "new");
    write(farm.worker("docs/deep/b.txt"), "new");
    symlink("deep", farm.master("out/was-link")).unwrap();
    write(farm.worker("docs/was-link/c.txt"), "new");
    assert_eq!(farm.run(upload(json!({}))).await.0, Results::Success);
    let texts = ["out/old.txt", "out/deep/a.txt", "out/deep/b.txt", "out/was-link/c.txt"];
    assert_eq!(texts.map(|path| farm.read(path)), ["old", "new", "new", "new"]);
    assert!(!farm.master("out/was-link").is_symlink());
    assert_eq!(farm.everything().len(), 7, "{:?}", farm.everything());
}

#[tokio::test]
async fn nothing_is_moved_when_something_is_in_the_way() {
    for (is, comes) in [("x/file", "x"), ("x", "x/file")] {
        let mut farm = Farm::new();
        write(farm.master("out/a.txt"), "old");
        write(farm.master("out").join(is), "old");
        write(farm.worker("docs/a.txt"), "new");
        write(farm.worker("docs").join(comes), "new");
        let before = farm.everything();
        let error = farm.fails(upload(json!({}))).await;
        assert!(error.contains("came for it"), "{error}");
        assert_eq!(farm.everything(), before);
        assert_eq!(farm.read("out/a.txt"), "old");
    }
    let mut farm = Farm::new();
    write(farm.worker("docs/a/b.txt"), "new");
    fs::create_dir_all(farm.master("out")).unwrap();
    fs::create_dir_all(farm.master("elsewhere")).unwrap();
    symlink(farm.master("elsewhere"), farm.master("out/a")).unwrap();
    let error = farm.fails(upload(json!({}))).await;
    assert!(error.contains("came for it"), "not through a link of the admin's: {error}");
    write(farm.master("plain"), "");
    let error = farm.fails(upload(json!({"masterdest": "plain"}))).await;
    assert!(error.contains("is not a directory"), "{error}");
}

#[tokio::test]
async fn a_failed_upload_leaves_what_was_there() {
    let mut farm = Farm::new();
    write(farm.master("out/a.txt"), "old");
    let before = farm.everything();
    let missing = farm.run(upload(json!({}))).await;
    assert_eq!(missing, (Results::Failure, "uploading docs (failure)".into()));
    assert!(farm.bench.log_text("stdio").contains("Cannot read directory 'docs' for upload"));
    write(farm.worker("docs/a.txt"), "new".repeat(1000));
    assert_eq!(farm.run(upload(json!({"maxsize": 1000}))).await.0, Results::Failure);
    farm.bench.interrupt_after = Some(1);
    assert_eq!(farm.run(upload(json!({"blocksize": 512}))).await.0, Results::Cancelled);
    assert_eq!(farm.everything(), before);
    assert_eq!(farm.read("out/a.txt"), "old");
}

#[tokio::test]
async fn a_step_stopped_while_it_unpacks_is_cancelled() {
    let mut farm = Farm::new();
    write(farm.worker("docs/a.txt"), "new");
    // The last block is on its way when the stop comes: only unpacking is left.
    farm.bench.worker_side = Worker::Sends {
        blocks: vec![Archive::new().file("a.txt", "new").bytes()],
        closes: true,
        answer: ended(0, ""),
    };
    farm.bench.interrupt_after = Some(1);
    assert_eq!(farm.run(upload(json!({}))).await.0, Results::Cancelled);
    assert_eq!(farm.bench.log_text("interrupt"), "enough");
}

/// A stock worker's archive of a.txt, b.txt (the same file) and deep/link, with the names Python gives.
const STOCK: &str = concat!(
    "H4sICClQCWsC/wDtmEFOwzAQRb3mFDmBM554PGWBxJIlVwiqJSpSgkKQcnwcsUAUWtSFrYL/28RxInn133jG",
    "tra9ve+Xu9hv42SyQB8cexJ1/nO97jtix6ZZTAHeXud+SsebOuFNs593+3jj9FpU2Yta5o1j5SsD/j1tgTPW",
    "UKvI8fyntZOOmIVIXNrXELxppGT+p3GcT/332/c/ir0I/3ff/e/g/yL+15/8T8n/0H8N9HZecnttDXXw/oT/",
    "w1f/O5KQ7n9UMv+V+v8xDsOIqFcL6j/qP+p/vTxcRP0/6P9cehPTuBKXE/R/8D/8f+B/D/9XwjbGl9wzwLPn",
    "f6n/Y8b8D/6H/+F/kN3/w+75Kbf/Vc/wP4t2pmFr2+wtQOX+BwAAAEB9vAPxPGv4ACgAAA=="
);

#[tokio::test]
async fn a_stock_workers_archive_is_unpacked() {
    let mut farm = sending(base64::prelude::BASE64_STANDARD.decode(STOCK).unwrap());
    assert_eq!(farm.run(upload(json!({"compress": "gz"}))).await.0, Results::Success);
    let texts = ["out/a.txt", "out/b.txt", "out/deep/link"].map(|path| farm.read(path));
    assert_eq!(texts, ["hello\n"; 3]);
    assert_eq!(farm.everything().len(), 5);
    let data = fs::metadata(farm.master("out/a.txt")).unwrap();
    assert_eq!((data.nlink(), data.mtime()), (2, 1_795_772_457));
}

#[tokio::test]
async fn harmless_members_are_unpacked() {
    let archive = Archive::new()
        .directory("/")
        .directory("./a/")
        .file("./a/x", "one")
        .member(EntryType::Link, "a/second", "a/x", "")
        .file("a/x", "two")
        .link("a/up", "../b")
        .link("to-root", ".")
        .file("not/declared/y", "y")
        .bytes();
    let mut farm = sending(archive);
    assert_eq!(farm.run(upload(json!({}))).await.0, Results::Success);
    assert_eq!((farm.read("out/a/x"), farm.read("out/a/second")), ("two".into(), "one".into()));
    assert_eq!(farm.read("out/to-root/not/declared/y"), "y");
    let data = fs::metadata(farm.master("out/a/x")).unwrap();
    assert_eq!((data.mode() & 0o7777, data.mtime()), (0o755, 1_000_000_000));
    assert_eq!(fs::read_link(farm.master("out/a/up")).unwrap(), Path::new("../b"));
}

#[tokio::test]
async fn members_that_lead_out_are_refused() {
    let cases = [
        (Archive::new().file("/etc/x", ""), "'/etc/x' is an absolute path"),
        (Archive::new().file("../x", ""), "'../x' leads out"),
        (Archive::new().file("a/../../x", ""), "leads out"),
        (Archive::new().file("/", ""), "would replace the directory itself"),
        (Archive::new().link("l", "/etc"), "'l' is a link that leads out"),
        (Archive::new().link("l", ".."), "leads out"),
        (Archive::new().link("a/l", "../.."), "leads out"),
        (Archive::new().link("l", "a/../b"), "leads out"),
        (Archive::new().link("l", ""), "leads out"),
        (Archive::new().link("l", ".").file("l/x", ""), "'l/x' lies behind a link"),
        (Archive::new().link("l", ".").directory("l/x"), "lies behind a link"),
        (Archive::new().file("f", "").file("f/x", ""), "lies behind a link or a file"),
        (Archive::new().member(EntryType::Link, "h", "/etc/passwd", ""), "is an absolute path"),
        (Archive::new().member(EntryType::Link, "h", "../x", ""), "leads out"),
        (
            Archive::new().link("l", "x").member(EntryType::Link, "h", "l", ""),
            "is a second name of something that is no file",
        ),
        (
            Archive::new().directory("d").file("d/f", "").link("l", "d").member(
                EntryType::Link,
                "h",
                "l/f",
                "",
            ),
            "lies behind a link",
        ),
        (Archive::new().member(EntryType::Char, "c", "", ""), "is neither file nor directory"),
        (Archive::new().member(EntryType::Block, "b", "", ""), "is neither"),
        (Archive::new().member(EntryType::Fifo, "p", "", ""), "is neither"),
        (Archive::new().member(EntryType::GNUSparse, "s", "", ""), "is neither"),
    ];
    for (archive, part) in cases {
        let mut farm = sending(archive.bytes());
        write(farm.master("out/a.txt"), "old");
        let error = farm.fails(upload(json!({}))).await;
        assert!(error.contains(part), "{part}: {error}");
        assert!(error.starts_with("the archive is refused: '"), "{error}");
        assert_eq!(farm.everything(), ["out", "out/a.txt"], "{part}");
    }
}

#[tokio::test]
async fn broken_archives_are_told() {
    let whole = Archive::new().file("a.txt", &"x".repeat(5000)).bytes();
    let long_name = |length: u64| {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(length);
        header.set_cksum();
        let mut archive = Builder::new(Vec::new());
        archive.append(&header, std::io::Read::take(std::io::repeat(b'n'), length)).unwrap();
        archive.into_inner().unwrap()
    };
    let deep = {
        let mut archive = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(0);
        archive.append_data(&mut header, "d/".repeat(200) + "f", std::io::empty()).unwrap();
        archive.into_inner().unwrap()
    };
    let cases = [
        (whole[..2000].to_vec(), json!({}), "'a.txt' is cut off"),
        (b"no archive at all".repeat(100), json!({}), "the archive is broken"),
        (whole.clone(), json!({"compress": "gz"}), "the archive is broken"),
        (whole.clone(), json!({"compress": "bz2"}), "the archive is broken"),
        (long_name(3 << 20), json!({}), "a name in it is too long"),
        (deep, json!({}), "lies too deep"),
        (
            packed(&Archive::new().file("z", &"0".repeat(1_000_000)).bytes(), Compression::Gzip),
            json!({"compress": "gz", "maxsize": 9000}),
            "grows too much",
        ),
    ];
    for (archive, options, part) in cases {
        let mut farm = sending(archive);
        let error = farm.fails(upload(options)).await;
        assert!(error.contains(part), "{part}: {error}");
        assert!(farm.everything().is_empty(), "{part}: {:?}", farm.everything());
    }
}
