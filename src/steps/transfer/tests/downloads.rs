//! FileDownload, StringDownload and the two that make JSON.

use protocol::command::Command;

use super::*;
use crate::steps::fake::stamp;

fn with(mut step: Value, options: Value) -> Value {
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

fn download(options: Value) -> Value {
    let step = json!({"type": "FileDownload", "mastersrc": "a.txt", "workerdest": "sub/a.txt"});
    with(step, options)
}

fn string(options: Value) -> Value {
    with(json!({"type": "StringDownload", "s": "text", "workerdest": "sub/a.txt"}), options)
}

#[tokio::test]
async fn a_file_goes_to_the_worker() {
    let mut farm = Farm::new();
    write(farm.master("a.txt"), "0123456789");
    let step = download(json!({"mode": 0o755, "blocksize": 3}));
    assert_eq!(farm.run(step).await, (Results::Success, "downloading to a.txt".into()));
    assert_eq!(fs::read_to_string(farm.worker("sub/a.txt")).unwrap(), "0123456789");
    assert_eq!(mode_of(farm.worker("sub/a.txt")), 0o755);
    farm.run(download(json!({}))).await;
    let Command::DownloadFile { dest, block, mode } = &farm.bench.commands[1] else { panic!() };
    assert_eq!((dest.as_str(), *mode), ("sub/a.txt", None));
    assert_eq!((block.workdir.as_str(), block.size, block.max_size), ("build", 16_384, None));
}

#[tokio::test]
async fn a_file_that_the_master_has_not() {
    let mut farm = Farm::new();
    fs::create_dir(farm.master("dir")).unwrap();
    nix::unistd::mkfifo(&farm.master("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for source in ["gone", "dir", "pipe"] {
        farm.bench.logs.clear();
        let ended = farm.run(download(json!({"mastersrc": source}))).await;
        assert_eq!(ended, (Results::Failure, "downloading to a.txt (failure)".into()));
        let message = format!("File '{source}' not available at master");
        assert_eq!(farm.bench.log_text("stderr"), message);
    }
    assert!(farm.bench.commands.is_empty(), "the worker is not asked");
    farm.bench.properties.set("p", "/etc/passwd", "t");
    let error = farm.fails(download(json!({"mastersrc": "%(prop:p)s"}))).await;
    assert!(error.contains("would lead out of the master's base directory"), "{error}");
}

#[tokio::test]
async fn the_size_is_limited() {
    let mut farm = Farm::new();
    write(farm.master("a.txt"), "0123456789");
    for step in [download(json!({"maxsize": 9})), string(json!({"maxsize": 3}))] {
        let (results, line) = farm.run(step).await;
        assert_eq!(results, Results::Failure, "{line}");
        assert!(farm.bench.log_text("stdio").contains("Maximum filesize reached"));
    }
}

#[tokio::test]
async fn a_stopped_download_is_cancelled() {
    let mut farm = Farm::new();
    write(farm.master("a.txt"), "0123456789");
    farm.bench.interrupt_after = Some(2);
    let ended = farm.run(download(json!({"blocksize": 2}))).await;
    assert_eq!(ended, (Results::Cancelled, "downloading to a.txt (cancelled)".into()));
    assert_eq!(farm.bench.log_text("interrupt"), "enough");
}

#[tokio::test]
async fn texts_become_files() {
    let mut farm = Farm::new();
    farm.bench.properties.set("a", json!(["é"]), "t");
    farm.bench.secrets = vec![("pw".into(), "hunter2".into())];
    let json_step = json!({"type": "JSONStringDownload", "workerdest": "sub/a.txt",
                           "o": {"k": {"type": "Property", "key": "a"}, "n": 1}});
    let cases = [
        (string(json!({})), "text"),
        (string(json!({"s": "é%(prop:a)s %(secret:pw)s", "blocksize": 1})), "é['é'] hunter2"),
        (string(json!({"s": ""})), ""),
        (json_step, r#"{"k": ["\u00e9"], "n": 1}"#),
    ];
    for (step, expected) in cases {
        let ended = farm.run(step.clone()).await;
        assert_eq!(ended, (Results::Success, "downloading to a.txt".into()));
        assert_eq!(fs::read_to_string(farm.worker("sub/a.txt")).unwrap(), expected, "{step}");
    }
    let shown: String = farm.bench.logs.iter().map(|(_, _, text)| text.as_str()).collect();
    assert!(!shown.contains("hunter2"));
}

#[tokio::test]
async fn the_build_becomes_a_file() {
    let mut farm = Farm::new();
    farm.bench.sources = vec![stamp("lib", Some("main"), None)];
    farm.bench.properties.set("b", 2, "t");
    farm.bench.properties.set("a", "x", "t");
    let step = json!({"type": "JSONPropertiesDownload", "workerdest": "build.json"});
    assert_eq!(farm.run(step).await.0, Results::Success);
    let expected = concat!(
        r#"{"properties": {"a": "x", "b": 2}, "sourcestamps": [{"branch": "main", "#,
        r#""revision": null, "repository": "", "project": "", "codebase": "lib", "#,
        r#""patch_level": null, "patch_body": null, "patch_subdir": null, "#,
        r#""patch_author": null, "patch_comment": null}]}"#
    );
    assert_eq!(fs::read_to_string(farm.worker("build.json")).unwrap(), expected);
}
