//! Commands for workers of every age, and back.

use super::super::versions::Versions;
use super::encode::Told;
use super::*;
use crate::command::{Arg, Block, CommandLine, Compression, EnvValue, Limits, LogFile, Shell};
use crate::jelly::Value;

const ALL: [&str; 11] = [
    "shell",
    "mkdir",
    "rmdir",
    "cpdir",
    "stat",
    "glob",
    "listdir",
    "rmfile",
    "uploadFile",
    "uploadDirectory",
    "downloadFile",
];

fn versions(version: &str) -> Versions {
    Versions::new(&ALL.map(|name| (name.to_owned(), version.to_owned())))
}

fn tell(command: Command, versions: &Versions) -> Result<Told, String> {
    let peer = Peer { worker: "w", versions, base: "/srv/w/b", system: "posix" };
    encode(command, &peer, 7)
}

fn shell() -> Shell {
    Shell {
        workdir: "build".into(),
        command: CommandLine::Args(vec![
            Arg::Plain("echo".into()),
            Arg::Obfuscated { real: "pw".into(), shown: "XXX".into() },
        ]),
        env: vec![
            ("A".into(), Some(EnvValue::Text("a".into()))),
            ("P".into(), Some(EnvValue::Paths(vec!["/a".into(), "/b".into()]))),
            ("GONE".into(), None),
        ],
        want_stdout: true,
        want_stderr: false,
        limits: Limits { timeout: Some(1200.0), max_time: None, log_environ: false },
        max_lines: Some(10),
        sigterm_time: Some(2.5),
        interrupt_signal: Some("KILL".into()),
        initial_stdin: Some("x".into()),
        logfiles: vec![
            ("a".into(), LogFile { filename: "a.log".into(), follow: false }),
            ("b".into(), LogFile { filename: "b.log".into(), follow: true }),
        ],
        use_pty: true,
    }
}

fn every_command() -> Vec<Command> {
    let limits = Limits { timeout: Some(120.0), max_time: Some(5.0), log_environ: true };
    let block = Block { workdir: "build".into(), max_size: Some(9), size: 16384 };
    let dirs = |dirs: &[&str]| dirs.iter().map(|dir| (*dir).to_owned()).collect::<Vec<_>>();
    vec![
        Command::Shell(shell()),
        Command::Shell(Shell { command: CommandLine::Text("x".into()), ..shell() }),
        Command::MakeDirectory { dir: "d".into() },
        Command::RemoveDirectory { dirs: dirs(&["d"]), limits: limits.clone() },
        Command::RemoveDirectory { dirs: dirs(&["d", "e"]), limits: limits.clone() },
        Command::CopyDirectory { from: "a".into(), to: "b".into(), limits },
        Command::Stat { file: "f".into() },
        Command::Glob { path: "*".into() },
        Command::ListDirectory { dir: "d".into() },
        Command::RemoveFile { path: "f".into() },
        Command::UploadFile { source: "f".into(), block: block.clone(), keep_stamp: true },
        Command::UploadDirectory {
            source: "d".into(),
            block: block.clone(),
            compress: Compression::Bzip2,
        },
        Command::DownloadFile { dest: "f".into(), block, mode: Some(0o640) },
    ]
}

#[test]
fn every_command_survives_the_way_to_the_worker() {
    for command in every_command() {
        for version in ["3.3", "3.1"] {
            let told = tell(command.clone(), &versions(version)).expect("a modern worker");
            assert_eq!(told.notes, Vec::<&str>::new());
            assert_eq!(decode("1", told.name, &Value::Dict(told.args)), Ok(command.clone()));
        }
    }
}

#[test]
fn old_slaves_understand_their_own_words() {
    for command in every_command() {
        let told = tell(command.clone(), &versions("2.16")).expect("an old slave");
        let args = Value::Dict(told.args);
        assert!(args.get("workersrc").is_none() && args.get("workerdest").is_none());
        let read = decode("1", told.name, &args).expect("its own command");
        match command {
            Command::RemoveFile { .. } => {
                assert_eq!(told.name, "rmdir");
                assert_eq!(args.get("dir"), Some(&Value::from("/srv/w/b/f")));
                assert_eq!(args.get("path"), Some(&Value::from("f")));
            }
            command => assert_eq!(read, command),
        }
    }
}

#[test]
fn what_a_worker_lacks_is_left_out_and_noted() {
    let args = |shell: Shell, version: &str| {
        let told = tell(Command::Shell(shell), &versions(version)).expect("every worker has it");
        (Value::Dict(told.args), told.notes)
    };
    let (modern, notes) = args(shell(), "3.3");
    assert!(notes.is_empty() && modern.get("sigtermTime").is_some());
    let (slave, notes) = args(Shell { use_pty: false, ..shell() }, "2.16");
    assert_eq!(slave.get("usePTY"), Some(&Value::from("slave-config")));
    assert!(notes.is_empty() && slave.get("interruptSignal").is_some());
    let (older, notes) = args(shell(), "2.14");
    assert_eq!(notes, ["NOTE: worker does not allow master to specify interruptSignal\n"]);
    assert!(older.get("sigtermTime").is_none() && older.get("interruptSignal").is_none());
    let plain = Value::List(vec![Value::from("echo"), Value::from("pw")]);
    assert_eq!(older.get("command"), Some(&plain));
    let (oldest, notes) = args(shell(), "2.6");
    assert_eq!(notes[0], "NOTE: worker does not allow master to override usePTY\n");
    assert!(oldest.get("usePTY").is_none() && oldest.get("dir").is_none());
    let unknown = tell(Command::Shell(shell()), &Versions::default()).expect("shell always goes");
    assert_eq!(Value::Dict(unknown.args).get("dir"), Some(&Value::from("build")));
}

#[test]
fn what_cannot_be_left_out_is_refused() {
    let refused = |command, version: &str| tell(command, &versions(version)).expect_err("too old");
    let glob = tell(Command::Glob { path: "*".into() }, &Versions::default());
    assert_eq!(glob, Err("worker is too old, does not know about glob".into()));
    let file = tell(Command::RemoveFile { path: "f".into() }, &Versions::default());
    assert_eq!(file, Err("worker is too old, does not know about rmfile".into()));
    let block = Block { workdir: String::new(), max_size: None, size: 1 };
    let upload = Command::UploadFile { source: "f".into(), block, keep_stamp: true };
    assert_eq!(
        refused(upload, "2.12"),
        "This worker (w) does not support preserving timestamps. Please upgrade the worker."
    );
    let limits = Limits { timeout: None, max_time: None, log_environ: true };
    let several = Command::RemoveDirectory { dirs: vec!["a".into(), "b".into()], limits };
    assert!(refused(several, "2.13").contains("one directory"));
    let several = Command::MakeDirectories { dirs: vec!["a".into(), "b".into()] };
    assert!(refused(several, "3.3").contains("one directory"));
}

#[test]
fn wrong_commands_get_the_stock_answers() {
    let dict = |pairs: &[(&str, Value)]| {
        Value::Dict(pairs.iter().map(|(name, value)| (key(name), value.clone())).collect())
    };
    let text = |name: &str| (name.to_owned(), Value::from("x"));
    let with = |names: &[&str]| {
        Value::Dict(names.iter().map(|name| text(name)).map(|(n, v)| (key(&n), v)).collect())
    };
    for (name, args, kind, value) in [
        (
            "nosuch",
            dict(&[("a", Value::Int(1))]),
            "buildbot_worker.base.UnknownCommand",
            "(command 16): unrecognized WorkerCommand 'nosuch'",
        ),
        ("shell", with(&["command"]), "builtins.KeyError", "'workdir'"),
        (
            "shell",
            with(&["workdir"]),
            "builtins.ValueError",
            "WorkerShellCommand is missing args: command",
        ),
        (
            "shell",
            dict(&[
                ("workdir", Value::from("")),
                ("command", Value::from("x")),
                ("env", dict(&[("N", Value::Int(5))])),
            ]),
            "builtins.RuntimeError",
            "'env' values must be strings or lists; key 'N' is incorrect",
        ),
        ("uploadFile", with(&["workdir", "workersrc"]), "builtins.KeyError", "'maxsize'"),
        ("mkdir", dict(&[("dir", Value::Int(1))]), "builtins.TypeError", "argument 'dir' is not"),
    ] {
        let failure = decode("16", name, &args).expect_err("a wrong command");
        assert_eq!(failure.kind, kind);
        assert!(failure.value.starts_with(value), "{}", failure.value);
    }
}

#[test]
fn arguments_of_python_2_are_bytes() {
    let bytes = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    let args = Value::Dict(vec![
        (bytes("workdir"), bytes("w")),
        (bytes("command"), Value::List(vec![bytes("echo"), Value::Int(5)])),
        (bytes("logEnviron"), Value::Int(0)),
        (bytes("usePTY"), Value::Int(0)),
    ]);
    let Ok(Command::Shell(shell)) = decode("c2", "shell", &args) else { panic!("a shell") };
    let words = ["echo", "5"].map(|word| Arg::Plain(word.into()));
    assert_eq!(shell.command, CommandLine::Args(words.to_vec()));
    assert!(!shell.use_pty && !shell.limits.log_environ);
}
