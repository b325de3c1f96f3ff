//! MakeDirectory, RemoveDirectory, CopyDirectory, FileExists and SetPropertiesFromEnv.

use super::*;

/// A worker with a file and a directory.
fn worker() -> (tempfile::TempDir, FakeBench) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "x").unwrap();
    std::fs::create_dir(directory.path().join("dir")).unwrap();
    std::fs::write(directory.path().join("dir/inside"), "x").unwrap();
    let bench = FakeBench::local(directory.path());
    (directory, bench)
}

#[tokio::test]
async fn directories_are_made_removed_and_copied() {
    let cases = [
        (json!({"type": "MakeDirectory", "dir": "a/%(prop:p)s"}), Results::Success, "Created"),
        (json!({"type": "MakeDirectory", "dir": "dir"}), Results::Success, "Created"),
        (
            json!({"type": "MakeDirectory", "dir": "file/x"}),
            Results::Failure,
            "Create failed. (failure)",
        ),
        (json!({"type": "RemoveDirectory", "dir": "dir"}), Results::Success, "Deleted"),
        (json!({"type": "RemoveDirectory", "dir": ["dir", "none"]}), Results::Success, "Deleted"),
        (
            json!({"type": "RemoveDirectory", "dir": "file/x"}),
            Results::Failure,
            "Delete failed. (failure)",
        ),
        (
            json!({"type": "CopyDirectory", "src": "dir", "dest": "%(prop:p)s"}),
            Results::Success,
            "Copied dir to new",
        ),
        (
            json!({"type": "CopyDirectory", "src": "none", "dest": "new"}),
            Results::Failure,
            "Copying none to new failed. (failure)",
        ),
        (json!({"type": "FileExists", "file": "file"}), Results::Success, "File found."),
        (json!({"type": "FileExists", "file": "dir"}), Results::Failure, "Not a file. (failure)"),
        (
            json!({"type": "FileExists", "file": "%(prop:p)s"}),
            Results::Failure,
            "File not found. (failure)",
        ),
        (
            json!({"type": "MakeDirectory", "dir": "a", "descriptionDone": "ready"}),
            Results::Success,
            "ready",
        ),
        (
            json!({"type": "FileExists", "file": "file", "descriptionSuffix": "here"}),
            Results::Success,
            "File found. here",
        ),
    ];
    for (step, results, expected) in cases {
        let (directory, mut bench) = worker();
        bench.properties.set("p", "new", "t");
        let configured = plan(step.clone());
        assert!(configured.options.halt_on_failure);
        let (outcome, line) = bench.run(&configured).await;
        assert_eq!((outcome.results, line.as_str()), (results, expected), "{step}");
        if results == Results::Success {
            assert!(bench.logs.is_empty(), "as in stock: {:?}", bench.logs);
        }
        if step["type"] == "CopyDirectory" && results == Results::Success {
            assert!(directory.path().join("new/inside").exists());
        }
        if step["dir"] == json!("dir") && step["type"] == "RemoveDirectory" {
            assert!(!directory.path().join("dir").exists());
        }
    }
}

#[tokio::test]
async fn a_failure_says_why() {
    let (_directory, mut bench) = worker();
    bench.run(&plan(json!({"type": "MakeDirectory", "dir": "file/x"}))).await;
    assert!(bench.log_text("stdio").starts_with("Not a directory"), "{:?}", bench.logs);
    let words = Finished { stderr: "cp: no space\n".into(), ..ended(1, "") };
    let mut bench = FakeBench::scripted([words]);
    bench.run(&plan(json!({"type": "CopyDirectory", "src": "a", "dest": "b"}))).await;
    assert_eq!(bench.log_text("stdio"), "cp: no space\n");
}

#[tokio::test]
async fn stopped_ones_are_cancelled() {
    for step in [
        json!({"type": "MakeDirectory", "dir": "a"}),
        json!({"type": "FileExists", "file": "a"}),
        json!({"type": "RemoveDirectory", "dir": "a"}),
    ] {
        let mut bench = FakeBench::scripted([ended(1, "")]);
        bench.interrupt.send_replace(Some("stop".into()));
        assert_eq!(bench.run(&plan(step.clone())).await.0.results, Results::Cancelled, "{step}");
    }
}

#[tokio::test]
async fn limits_reach_the_worker() {
    let step = |options: Value| {
        let mut step = json!({"type": "CopyDirectory", "src": "a", "dest": "b"});
        for (key, value) in options.as_object().unwrap() {
            step[key] = value.clone();
        }
        plan(step)
    };
    let mut bench = FakeBench::scripted([ended(0, ""), ended(0, ""), ended(0, "")]);
    bench.run(&step(json!({}))).await;
    bench.run(&step(json!({"timeout": 5, "maxTime": 9}))).await;
    bench.run(&step(json!({"timeout": false}))).await;
    let sent: Vec<_> = bench
        .commands
        .iter()
        .map(|command| match command {
            Command::CopyDirectory { limits, .. } => (limits.timeout, limits.max_time),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent, [(Some(120.0), None), (Some(5.0), Some(9.0)), (None, None)]);
}

#[tokio::test]
async fn properties_come_from_the_workers_environment() {
    let environ = [("HOME", "/home/me"), ("EMPTY", ""), ("PATH", "C:\\bin")];
    let cases = [
        ("posix", json!(["HOME", "Path", "EMPTY", "NONE"]), vec![("HOME", "/home/me")]),
        ("nt", json!("Path"), vec![("Path", "C:\\bin")]),
    ];
    for (system, variables, expected) in cases {
        let mut bench = FakeBench::scripted([]);
        bench.worker.system = system.into();
        bench.worker.environ =
            environ.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let step = plan(json!({"type": "SetPropertiesFromEnv", "variables": variables}));
        assert_eq!(bench.run(&step).await.1, "Set");
        let set: Vec<(&str, &str)> =
            bench.properties.iter().map(|(name, p)| (name, p.value.as_str().unwrap())).collect();
        assert_eq!(set, expected);
        let source = &bench.properties.property(expected[0].0).unwrap().source;
        assert_eq!(source, "WorkerEnvironment");
        let shown = expected[0].1.replace('\\', "\\\\");
        assert_eq!(bench.log_text("properties"), format!("{} = '{shown}'", expected[0].0));
    }
}
