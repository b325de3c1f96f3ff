//! Literal bytes, both ways; garbage; what each wrong request is answered with.

use super::*;
use crate::command::{
    Arg, Command, CommandLine, EnvValue, Limits as CommandLimits, LogFile, Shell,
};
use crate::info::WorkerInfo;
use crate::update::{TimedUpdate, Update};
use proptest::prelude::*;

fn shell(command: CommandLine) -> Shell {
    Shell {
        workdir: "build".into(),
        command,
        env: vec![],
        want_stdout: true,
        want_stderr: true,
        limits: CommandLimits { timeout: Some(1200.0), max_time: None, log_environ: true },
        max_lines: None,
        sigterm_time: None,
        interrupt_signal: Some("KILL".into()),
        initial_stdin: None,
        logfiles: vec![],
        use_pty: false,
    }
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(name, value)| (key(name), value.clone())).collect())
}

fn refusal<R: Op + std::fmt::Debug>(pairs: &[(&str, Value)]) -> String {
    match decode::<R>(&to_bytes(&map(pairs))) {
        Ok(Received::Request { op: Err(text), .. }) => text,
        other => panic!("expected a refused request, got {other:?}"),
    }
}

#[test]
fn print_as_a_stock_master_sends_it() {
    let bytes = b"\x83\xa2op\xa5print\xa7message\xa8attached\xaaseq_number\x00";
    let op = MasterRequest::Print { message: "attached".into() };
    assert_eq!(encode(&Message::Request { seq: 0, op: op.clone() }), bytes);
    assert_eq!(decode(bytes), Ok(Received::Request { seq: 0, op: Ok(op) }));
}

#[test]
fn responses_of_both_kinds() {
    let fine = b"\x83\xa2op\xa8response\xaaseq_number\x07\xa6result\xc0";
    let message = Message::<MasterRequest>::Response { seq: 7, result: Ok(Value::Nil) };
    assert_eq!(encode(&message), fine);
    assert_eq!(
        decode::<WorkerRequest>(fine),
        Ok(Received::Response { seq: 7, result: Ok(Value::Nil) })
    );
    let failed =
        b"\x84\xa2op\xa8response\xaaseq_number\xcd\x01\x2c\xa6result\xa4nope\xacis_exception\xc3";
    let message = Message::<MasterRequest>::Response { seq: 300, result: Err("nope".into()) };
    assert_eq!(encode(&message), failed);
    assert_eq!(
        decode::<WorkerRequest>(failed),
        Ok(Received::Response { seq: 300, result: Err("nope".into()) })
    );
}

#[test]
fn an_update_with_positions_in_characters() {
    let op = WorkerRequest::Update {
        command_id: "17".into(),
        updates: vec![
            TimedUpdate { update: Update::Stdout("ü\nb\n".into()), times: vec![1.5, 2.5] },
            Update::Rc(-1).into(),
        ],
    };
    let mut bytes =
        b"\x84\xa2op\xa6update\xa4args\x92\x92\xa6stdout\x93\xa5\xc3\xbc\nb\n\x92\x01\x03".to_vec();
    bytes.extend(b"\x92\xcb\x3f\xf8\0\0\0\0\0\0\xcb\x40\x04\0\0\0\0\0\0\x92\xa2rc\xff");
    bytes.extend(b"\xaacommand_id\xa217\xaaseq_number\x03");
    assert_eq!(encode(&Message::Request { seq: 3, op: op.clone() }), bytes);
    assert_eq!(decode(&bytes), Ok(Received::Request { seq: 3, op: Ok(op) }));
}

#[test]
fn wrong_requests_get_the_stock_answers() {
    let seq = ("seq_number", Value::from(1));
    let request = |op: &str| vec![("op", Value::from(op)), seq.clone()];
    assert_eq!(
        refusal::<WorkerRequest>(&request("keepalive")),
        "Command keepalive does not exist."
    );
    assert_eq!(refusal::<MasterRequest>(&request("nosuch")), "Command nosuch does not exist.");
    assert_eq!(
        refusal::<MasterRequest>(&request("print")),
        "'message did not contain obligatory \"message\" key'"
    );
    assert_eq!(
        refusal::<WorkerRequest>(&request("update")),
        "'message did not contain obligatory \"command_id\" key'"
    );
    let mut settings = request("set_worker_settings");
    settings.push(("args", map(&[("buffer_size", Value::from(1))])));
    assert_eq!(
        refusal::<MasterRequest>(&settings),
        "'message did not contain obligatory settings for worker'"
    );
    assert_eq!(unknown_command_id(), "'unknown \"command_id\"'");
}

#[test]
fn a_message_without_envelope_is_not_fatal() {
    for value in [map(&[("op", Value::from("print"))]), map(&[]), Value::from(5)] {
        let error = decode::<MasterRequest>(&to_bytes(&value)).expect_err("no envelope");
        assert!(!error.is_fatal(), "{error}");
    }
    assert!(decode::<MasterRequest>(b"\x81\x05\x05").expect_err("number as key").is_fatal());
    assert!(decode::<MasterRequest>(b"\x81").expect_err("cut off").is_fatal());
}

#[test]
fn obfuscated_arguments_go_only_to_workers_that_know_them() {
    let arg = Arg::Obfuscated { real: "pw".into(), shown: "XXX".into() };
    let command = Command::Shell(shell(CommandLine::Args(vec![Arg::Plain("login".into()), arg])));
    let (_, stock) = command.to_msgpack("/b", "posix");
    assert_eq!(
        fields::get(&stock, "command"),
        Some(&fields::texts(&["login".into(), "pw".into()]))
    );
    let info = WorkerInfo { obfuscated_args: true, ..WorkerInfo::default() };
    let (name, ours) = command.to_msgpack_with("/b", &info);
    let mut expected = command.clone();
    if let Command::Shell(shell) = &mut expected {
        shell.workdir = "/b/build".into();
    }
    assert_eq!(Command::from_msgpack(name, &ours), Ok(expected));
}

#[test]
fn every_command_survives_the_way_to_the_worker() {
    let limits = CommandLimits { timeout: Some(120.0), max_time: Some(1.5), log_environ: false };
    let mut program = shell(CommandLine::Text("true".into()));
    program.workdir = "/b/build".into();
    program.env = vec![
        ("A".into(), Some(EnvValue::Text("x".into()))),
        ("B".into(), Some(EnvValue::Paths(vec!["p".into(), "q".into()]))),
        ("C".into(), None),
    ];
    program.logfiles = vec![
        ("a".into(), LogFile { filename: "a.log".into(), follow: false }),
        ("b".into(), LogFile { filename: "b.log".into(), follow: true }),
    ];
    program.max_lines = Some(9);
    program.sigterm_time = Some(2.0);
    program.initial_stdin = Some("in".into());
    let path = || "/b/x".to_owned();
    for command in [
        Command::Shell(program),
        Command::MakeDirectory { dir: path() },
        Command::MakeDirectories { dirs: vec![path(), "/b/y".into()] },
        Command::RemoveDirectory { dirs: vec![path()], limits: limits.clone() },
        Command::CopyDirectory { from: path(), to: "/b/z".into(), limits },
        Command::Stat { file: path() },
        Command::Glob { path: "/b/**/*.txt".into() },
        Command::ListDirectory { dir: path() },
        Command::RemoveFile { path: path() },
    ] {
        let (name, args) = command.to_msgpack("/elsewhere", "posix");
        assert_eq!(Command::from_msgpack(name, &args), Ok(command));
    }
}

#[test]
fn home_is_expanded_by_the_master_for_rmfile() {
    let info = WorkerInfo {
        environ: vec![("HOME".into(), "/home/bb".into())],
        system: "posix".into(),
        ..WorkerInfo::default()
    };
    let (_, args) = Command::RemoveFile { path: "~/x".into() }.to_msgpack_with("/b", &info);
    assert_eq!(fields::get(&args, "path"), Some(&Value::from("/home/bb/x")));
}

#[test]
fn wrong_commands_get_the_stock_answers() {
    let from = |name: &str, args: &[(&str, Value)]| Command::from_msgpack(name, &map(args));
    assert_eq!(from("nosuch", &[]), Err("unrecognized WorkerCommand 'nosuch'".into()));
    assert_eq!(from("mkdir", &[]), Err("MakeDirectory is missing args: paths".into()));
    assert_eq!(from("cpdir", &[]), Err("CopyDirectory is missing args: to_path, from_path".into()));
    let run = [("workdir", Value::from("/w")), ("command", Value::from("true"))];
    let with = |name: &'static str, value: Value| {
        let mut args = run.to_vec();
        args.push((name, value));
        from("shell", &args)
    };
    assert_eq!(
        with("env", map(&[("N", Value::from(5))])),
        Err("'env' values must be strings or lists; key 'N' is incorrect".into())
    );
    assert_eq!(
        with("usePTY", Value::from("slave-config")),
        Err("Unexpected usePTY argument value: slave-config".into())
    );
    assert!(with("usePTY", Value::from(1)).is_ok());
    let unlimited = with("timeout", Value::from(0));
    assert!(
        matches!(unlimited, Ok(Command::Shell(Shell { limits, .. })) if limits.timeout.is_none())
    );
    assert!(with("timeout", Value::from("soon")).is_err());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode::<MasterRequest>(&bytes);
        let _ = decode::<WorkerRequest>(&bytes);
    }

    #[test]
    fn a_damaged_message_never_panics(at in 0usize..200, byte in any::<u8>()) {
        let op = WorkerRequest::Update {
            command_id: "1".into(),
            updates: vec![TimedUpdate { update: Update::Stdout("a\nb\n".into()), times: vec![1.0] },
                Update::Stat([1; 10]).into(), Update::Files(vec!["x".into()]).into()],
        };
        let mut bytes = encode(&Message::Request { seq: 9, op });
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = decode::<WorkerRequest>(&bytes);
        let _ = decode::<WorkerRequest>(&bytes[..at]);
    }

    #[test]
    fn whatever_the_scan_accepts_the_reader_reads(bytes in proptest::collection::vec(any::<u8>(), 1..60)) {
        let limits = Limits::default();
        if scan::check(&bytes, &limits).is_ok() {
            let mut rest = &bytes[..];
            prop_assert!(rmpv::decode::read_value_with_max_depth(&mut rest, scan::reader_depth(&limits)).is_ok());
            prop_assert!(rest.is_empty());
        }
    }
}
