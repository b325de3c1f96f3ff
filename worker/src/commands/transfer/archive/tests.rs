//! What comes out of the other end of an archive.

use std::io::Read as _;
use std::os::unix::fs::symlink;

use protocol::command::Block;
use tokio::sync::mpsc;

use super::super::blocks::Halt;
use super::*;

/// The bytes of an archive and how its writing ended.
fn archived(
    root: &Path,
    compress: Compression,
    max_size: Option<u64>,
) -> (Vec<u8>, Option<Failed>) {
    let (sender, mut blocks) = mpsc::channel(10_000);
    let block = Block { workdir: String::new(), max_size, size: 1000 };
    let failed = write(root, BlockWriter::new(&block, sender), compress).err();
    let bytes = std::iter::from_fn(|| blocks.try_recv().ok()).flatten().collect();
    (bytes, failed)
}

/// Kind, name, link target and content of every member.
fn members(bytes: &[u8]) -> Vec<(EntryType, String, Option<String>, String)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().expect("an archive");
    entries
        .map(|entry| {
            let mut entry = entry.expect("a member");
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("content");
            let link = entry.link_name().expect("a link");
            let link = link.map(|link| link.to_string_lossy().into_owned());
            let name = entry.path().expect("a name").to_string_lossy().into_owned();
            (entry.header().entry_type(), name, link, text)
        })
        .collect()
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = |name: &str| dir.path().join(name);
    fs::create_dir_all(path("d/empty")).expect("directories");
    fs::write(path("a"), "text").expect("file");
    fs::write(path("d/z"), "").expect("file");
    fs::hard_link(path("a"), path("d/b")).expect("hard link");
    symlink("../nowhere/./x", path("d/link")).expect("link");
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("fifo");
    std::os::unix::net::UnixListener::bind(path("socket")).expect("socket");
    dir
}

#[test]
fn every_kind_of_member() {
    let dir = tree();
    let (bytes, failed) = archived(dir.path(), Compression::None, None);
    assert!(failed.is_none(), "{failed:?}");
    let member = |kind, name: &str, link: Option<&str>, text: &str| {
        (kind, name.to_owned(), link.map(str::to_owned), text.to_owned())
    };
    let expected = [
        member(EntryType::Directory, "./", None, ""),
        member(EntryType::Regular, "a", None, "text"),
        member(EntryType::Directory, "d/", None, ""),
        member(EntryType::Link, "d/b", Some("a"), ""),
        member(EntryType::Directory, "d/empty/", None, ""),
        member(EntryType::Symlink, "d/link", Some("../nowhere/./x"), ""),
        member(EntryType::Regular, "d/z", None, ""),
        member(EntryType::Fifo, "fifo", None, ""),
    ];
    assert_eq!(members(&bytes), expected);
}

#[test]
fn compressed_archives_hold_the_same() {
    let dir = tree();
    let plain = archived(dir.path(), Compression::None, None).0;
    let mut unpacked = Vec::new();
    let packed = archived(dir.path(), Compression::Gzip, None).0;
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).expect("gzip");
    assert!(unpacked == plain);
    unpacked.clear();
    let packed = archived(dir.path(), Compression::Bzip2, None).0;
    bzip2::read::BzDecoder::new(&*packed).read_to_end(&mut unpacked).expect("bzip2");
    assert!(unpacked == plain);
}

#[test]
fn long_names_and_targets() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let long = format!("{0}/{0}", "n".repeat(150));
    fs::create_dir_all(dir.path().join(&long)).expect("directories");
    fs::write(dir.path().join(&long).join("file"), "x").expect("file");
    symlink(&long, dir.path().join("z")).expect("link");
    let members = members(&archived(dir.path(), Compression::None, None).0);
    assert!(
        members.iter().any(|(_, name, _, text)| *name == format!("{long}/file") && text == "x")
    );
    assert_eq!(members.last().expect("the link").2, Some(long));
}

#[test]
fn too_large_or_vanished() {
    let dir = tree();
    let (bytes, failed) = archived(dir.path(), Compression::None, Some(1500));
    assert_eq!(bytes.len(), 1500);
    assert_eq!(Halt::of(&failed.expect("cut").error), Some(Halt::Full));
    let (_, failed) = archived(&dir.path().join("none"), Compression::Gzip, None);
    assert_eq!(failed.expect("missing").error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_file_that_shrinks_is_an_error_and_one_that_grows_is_cut() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("f"), "12345").expect("file");
    let open = |left| Exactly { file: File::open(dir.path().join("f")).expect("file"), left };
    let mut text = String::new();
    open(3).read_to_string(&mut text).expect("cut");
    assert_eq!(text, "123");
    assert!(open(6).read_to_string(&mut text).is_err());
}
