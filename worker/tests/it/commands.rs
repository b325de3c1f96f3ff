//! Commands on a real file system.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use protocol::command::{Arg, Command, CommandLine, EnvValue, Limits, LogFile};
use protocol::update::Update;
use rmpv::Value;

use crate::support::{Attached, args, gone, kinds};

fn limits() -> Limits {
    Limits { timeout: Some(120.0), max_time: None, log_environ: false }
}

#[tokio::test]
async fn a_program_with_both_streams_and_an_unfinished_line() {
    let mut worker = Attached::new().await;
    let shell = worker.shell(args(&["sh", "-c", "echo hello; printf tail"]));
    let report = worker.run(shell).await;
    assert_eq!(report.stdout(), "hello\ntail\n");
    assert_eq!((report.rc(), report.failure.as_deref()), (Some(0), None));
    let build = worker.path("build");
    let header = report.header();
    let (head, tail) = header.split_once("elapsedTime=").expect("elapsed time");
    let expected = format!(
        "sh -c 'echo hello; printf tail'\n in dir {build} (timeout 120 secs)\n \
         watching logfiles {{}}\n argv: [b'sh', b'-c', b'echo hello; printf tail']\n \
         using PTY: False\n"
    );
    assert_eq!(head, expected);
    assert_eq!(tail.trim_end().split('.').nth(1).map(str::len), Some(6));
    assert_eq!(kinds(&report), ["header", "stdout", "rc", "header", "elapsed"]);
}

#[tokio::test]
async fn stderr_exit_status_and_signals() {
    let mut worker = Attached::new().await;
    let shell = worker.script("echo oops >&2; exit 7");
    let report = worker.run(shell).await;
    assert_eq!((report.stderr().as_str(), report.rc()), ("oops\n", Some(7)));
    let shell = worker.script("kill -9 $$");
    let report = worker.run(shell).await;
    assert_eq!(report.rc(), Some(-1));
    assert!(report.header().contains("using PTY: False\nprocess killed by signal 9\n"));
}

#[tokio::test]
async fn a_missing_program_fails_in_words() {
    let mut worker = Attached::new().await;
    let shell = worker.shell(args(&["/no/such/prog"]));
    let report = worker.run(shell).await;
    assert_eq!(report.rc(), Some(1));
    assert!(report.stderr().contains("/no/such/prog"), "{}", report.stderr());
    assert!(report.stderr().contains("No such file"), "{}", report.stderr());
    let shell = worker.shell(CommandLine::Args(vec![]));
    assert_eq!(worker.run(shell).await.rc(), Some(1));
}

#[tokio::test]
async fn environment_and_its_header() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("echo \"[$A][$PWD]\"");
    shell.env = vec![
        ("A".into(), Some(EnvValue::Text("x${NO_SUCH_VARIABLE}y".into()))),
        ("PATH".into(), Some(EnvValue::Paths(vec!["/p".into(), "${PATH}".into()]))),
    ];
    shell.limits.log_environ = true;
    let report = worker.run(shell).await;
    let build = worker.path("build");
    assert_eq!(report.stdout(), format!("[xy][{build}]\n"));
    let header = report.header();
    assert!(header.contains(" environment:\n") && header.contains("\n  A=xy\n"));
    assert!(header.contains(&format!("\n  PATH=/p:{}\n", std::env::var("PATH").expect("PATH"))));
}

#[tokio::test]
async fn standard_input() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("cat");
    shell.initial_stdin = Some("line\nrest".into());
    let report = worker.run(shell).await;
    assert_eq!(report.stdout(), "line\nrest\n");
    assert!(report.header().contains(" writing 9 bytes to stdin\n"));
    let shell = worker.script("cat; echo end");
    assert_eq!(worker.run(shell).await.stdout(), "end\n", "without input it is closed");
    let mut shell = worker.script("true");
    shell.initial_stdin = Some("x".repeat(1 << 20));
    assert_eq!(worker.run(shell).await.rc(), Some(0), "nobody has to read it");
}

#[tokio::test]
async fn a_terminal() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("test -t 1 && tty; echo err >&2");
    shell.use_pty = true;
    let report = worker.run(shell).await;
    assert!(report.stdout().starts_with("/dev/"), "{}", report.stdout());
    assert!(report.stdout().ends_with("\nerr\n") && !report.stdout().contains('\r'));
    assert_eq!(report.rc(), Some(0));
    assert!(report.header().contains(" using PTY: True\n"));
    let mut shell = worker.script("cat");
    shell.use_pty = true;
    shell.initial_stdin = Some("x".into());
    let report = worker.run(shell).await;
    assert_eq!(report.stdout(), "x\n");
    assert!(report.header().starts_with("WARNING: disabling usePTY for this commandcat\n"));
}

#[tokio::test]
async fn unwanted_streams_and_bad_bytes() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("echo hidden; echo shown >&2");
    shell.want_stdout = false;
    let report = worker.run(shell).await;
    assert_eq!((report.stdout().as_str(), report.stderr().as_str()), ("", "shown\n"));
    let shell = worker.script(r"printf '\377\376bad\n'");
    assert_eq!(worker.run(shell).await.stdout(), "\u{fffd}\u{fffd}bad\n");
}

#[tokio::test]
async fn obfuscated_arguments_are_executed_but_not_shown() {
    let mut worker = Attached::new().await;
    let shell = worker.shell(CommandLine::Args(vec![
        Arg::Plain("echo".into()),
        Arg::Obfuscated { real: "s3cret".into(), shown: "XXXX".into() },
    ]));
    let info = protocol::info::WorkerInfo { obfuscated_args: true, ..Default::default() };
    let (name, arguments) = Command::Shell(shell).to_msgpack_with("/", &info);
    worker.connection.start_raw(name, arguments).await.expect("accepted");
    let report = worker.connection.finish().await;
    assert_eq!(report.stdout(), "s3cret\n");
    assert!(report.header().starts_with("echo XXXX\n"));
    assert!(!report.header().contains("s3cret"));
}

#[tokio::test]
async fn silence_ends_a_program() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("sleep 60");
    shell.limits.timeout = Some(0.2);
    let report = worker.run(shell).await;
    assert_eq!((report.rc(), report.reason()), (Some(-1), Some("timeout_without_output")));
    assert!(report.header().contains(
        "\ncommand timed out: 0.2 seconds without output running b'sleep 60', attempting to kill\n\
         process killed by signal 9\n"
    ));
    let expected = ["header", "failure_reason", "header", "rc", "header", "elapsed"];
    assert_eq!(kinds(&report), expected);
}

#[tokio::test]
async fn too_much_time_or_too_many_lines_end_a_program() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("while true; do echo x; sleep 0.02; done");
    shell.limits.max_time = Some(0.3);
    let report = worker.run(shell).await;
    assert_eq!((report.rc(), report.reason()), (Some(-1), Some("timeout")));
    assert!(report.stdout().starts_with("x\n"));
    let mut shell = worker.script("seq 100; sleep 60");
    shell.max_lines = Some(10);
    let report = worker.run(shell).await;
    assert_eq!((report.rc(), report.reason()), (Some(-1), Some("max_lines_failure")));
    assert!(report.header().contains("/10 written/allowed running b'seq 100; sleep 60'"));
    assert!(report.stdout().lines().count() > 10, "the piece that was too much is delivered");
}

#[tokio::test]
async fn a_handler_of_sigterm_has_its_time() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("trap 'echo got term; exit 7' TERM; sleep 60 & wait");
    shell.limits.timeout = Some(0.3);
    shell.sigterm_time = Some(30.0);
    let report = worker.run(shell).await;
    assert_eq!((report.rc(), report.stdout().as_str()), (Some(7), "got term\n"));
    let mut shell = worker.script("trap 'exit 0' INT; sleep 60 & wait");
    shell.limits.timeout = Some(0.3);
    shell.interrupt_signal = Some("INT".into());
    assert_eq!(worker.run(shell).await.rc(), Some(-1), "success after a kill is none");
}

#[tokio::test]
async fn grandchildren_that_ignore_sigterm_are_killed_as_well() {
    let mut worker = Attached::new().await;
    let script = "(trap '' TERM; echo $$ ; sh -c 'echo $$'; exec sleep 60) & echo $!; wait";
    let mut shell = worker.script(&format!("trap '' TERM; {script}"));
    shell.limits.timeout = Some(0.3);
    shell.sigterm_time = Some(0.2);
    let report = worker.run(shell).await;
    assert_eq!(report.rc(), Some(-1));
    for pid in report.stdout().lines() {
        gone(pid).await;
    }
}

#[tokio::test]
async fn an_interrupt_ends_the_whole_group() {
    let mut worker = Attached::new().await;
    let shell = worker.script("sleep 60 & echo $!; wait");
    let id = worker.connection.start(&Command::Shell(shell)).await.expect("accepted");
    worker.connection.interrupt("no such command").await;
    // Output leaves at the latest with the interrupt; without it nothing would be flushed yet.
    worker.connection.interrupt(&id).await;
    let report = worker.connection.finish().await;
    assert_eq!(report.rc(), Some(-1));
    assert!(report.header().contains("\ncommand interrupted, attempting to kill\n"));
    assert!(!kinds(&report).contains(&"elapsed"), "an interrupted command has no duration");
    if let Some(pid) = report.stdout().lines().next() {
        gone(pid).await;
    }
}

#[tokio::test]
async fn log_files_are_followed() {
    let mut worker = Attached::new().await;
    fs::create_dir(worker.path("build")).expect("build");
    fs::write(worker.path("build/old.log"), "old\n").expect("old log");
    let mut shell = worker.script("echo l1 > my.log; echo new >> old.log; printf l2 >> my.log");
    let file = |filename: &str, follow| LogFile { filename: filename.into(), follow };
    shell.logfiles =
        vec![("my".into(), file("my.log", false)), ("fol".into(), file("old.log", true))];
    let report = worker.run(shell).await;
    assert_eq!((report.log("my").as_str(), report.log("fol").as_str()), ("l1\nl2\n", "new\n"));
    let watching =
        " watching logfiles {'my': 'my.log', 'fol': {'filename': 'old.log', 'follow': True}}\n";
    assert!(report.header().contains(watching));
}

#[tokio::test]
async fn file_commands_and_their_failures() {
    let mut worker = Attached::new().await;
    let path = |name: &str| worker.dir.path().join(name).to_string_lossy().into_owned();
    let (deep, file, missing) = (path("a/b/c"), path("a/f.txt"), path("none"));
    let (top, copy) = (path("a"), path("copy/of/a"));
    let connection = &mut worker.connection;
    let report = connection.run(&Command::MakeDirectory { dir: deep.clone() }).await;
    assert_eq!((report.rc(), kinds(&report)), (Some(0), vec!["rc", "elapsed"]));
    fs::write(&file, "12345").expect("file");

    let report = connection.run(&Command::Stat { file: file.clone() }).await;
    let Some(Update::Stat(stat)) = report.updates.first() else { panic!("{report:?}") };
    assert_eq!((stat[6], report.rc()), (5, Some(0)));
    let report = connection.run(&Command::Stat { file: missing.clone() }).await;
    assert_eq!(report.rc(), Some(2));
    assert_eq!(report.header(), format!("stat: No such file or directory: {missing}\n"));

    let report = connection.run(&Command::ListDirectory { dir: top.clone() }).await;
    let Some(Update::Files(names)) = report.updates.first() else { panic!("{report:?}") };
    let mut names = names.clone();
    names.sort();
    assert_eq!(names, ["b", "f.txt"]);
    let report = connection.run(&Command::Glob { path: format!("{top}/*.txt") }).await;
    assert_eq!(report.updates.first(), Some(&Update::Files(vec![file.clone()])));

    let report = connection
        .run(&Command::CopyDirectory { from: top.clone(), to: copy.clone(), limits: limits() })
        .await;
    assert_eq!(
        (report.rc(), fs::read_to_string(format!("{copy}/f.txt")).ok()),
        (Some(0), Some("12345".into()))
    );
    assert!(report.header().starts_with("cp -R -P -p -v "));
    assert_eq!(report.updates.iter().filter(|u| matches!(u, Update::Rc(_))).count(), 1);

    let blocked = format!("{file}/x");
    let report = connection.run(&Command::MakeDirectory { dir: blocked.clone() }).await;
    assert_eq!(report.rc(), Some(20));
    assert_eq!(report.header(), format!("mkdir: Not a directory: {blocked}\n"));
    let to = format!("{blocked}/y");
    let copy = Command::CopyDirectory { from: top.clone(), to, limits: limits() };
    let expected = format!("[Errno 20] Not a directory: '{blocked}'");
    assert_eq!(connection.run(&copy).await.failure, Some(expected));
    assert_eq!(connection.run(&Command::RemoveFile { path: file.clone() }).await.rc(), Some(0));
    assert_eq!(connection.run(&Command::RemoveFile { path: file }).await.rc(), Some(2));

    fs::set_permissions(&deep, fs::Permissions::from_mode(0o500)).expect("read only");
    let report = connection
        .run(&Command::RemoveDirectory { dirs: vec![top.clone(), missing], limits: limits() })
        .await;
    assert_eq!(report.rc(), Some(0));
    assert!(!std::path::Path::new(&top).exists());
}

#[tokio::test]
async fn wrong_commands_are_refused_with_the_stock_texts() {
    let mut worker = Attached::new().await;
    let connection = &mut worker.connection;
    let none = Value::Map(vec![]);
    let refused = connection.start_raw("nosuch", none.clone()).await;
    assert_eq!(refused, Err("(command 0): unrecognized WorkerCommand 'nosuch'".into()));
    let refused = connection.start_raw("mkdir", none).await;
    assert_eq!(refused, Err("MakeDirectory is missing args: paths".into()));
}

#[tokio::test]
async fn a_workdir_that_cannot_be_made_fails_the_command() {
    let mut worker = Attached::new().await;
    fs::write(worker.path("build"), "").expect("file in the way");
    let shell = worker.script("true");
    let report = worker.run(shell).await;
    let error = format!("[Errno 17] File exists: '{}'", worker.path("build"));
    assert_eq!((report.rc(), report.failure.as_ref()), (None, Some(&error)));
    assert_eq!(report.stderr(), format!("error in RunProcess._startCommand ({error})\n"));
}
