//! Messages of stock Buildbot 4.3, recorded on the wire (`data/*.hex`: sender and bytes per line).

use protocol::command::Command;
use protocol::info::WorkerInfo;
use protocol::msgpack::{
    DecodeError, MasterRequest, Message, Op, Received, Target, WorkerRequest, decode, encode,
};
use rmpv::Value;

const RECORDINGS: [&str; 4] = [
    include_str!("data/msgpack-worker.hex"),
    include_str!("data/msgpack-edge.hex"),
    include_str!("data/msgpack-raw.hex"),
    include_str!("data/msgpack-fakemaster.hex"),
];

fn messages() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    RECORDINGS.iter().flat_map(|text| text.lines()).map(|line| {
        let (sender, hex) = line.split_once(' ').expect("sender and bytes");
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
        (sender, (0..hex.len()).step_by(2).map(byte).collect())
    })
}

fn read(mut bytes: &[u8]) -> Value {
    sorted(rmpv::decode::read_value(&mut bytes).expect("recorded MessagePack"))
}

/// The order of keys in a map means nothing.
fn sorted(value: Value) -> Value {
    match value {
        Value::Map(map) => {
            let mut map: Vec<_> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            map.sort_by_key(|(key, _)| key.to_string());
            Value::Map(map)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Decodes and encodes again; the kind of message tells what was checked.
fn round_trip<R: Op + std::fmt::Debug>(bytes: &[u8]) -> &'static str {
    let (message, kind) = match decode::<R>(bytes) {
        Err(DecodeError::Envelope(_)) => return "no envelope",
        Err(DecodeError::Malformed(_)) => return "malformed",
        Err(error) => panic!("{error}"),
        Ok(Received::Request { op: Err(_), .. }) => return "refused",
        Ok(Received::Request { seq, op: Ok(op) }) => (Message::Request { seq, op }, "request"),
        Ok(Received::Response { seq, result }) => (Message::Response { seq, result }, "response"),
    };
    assert_eq!(read(&encode(&message)), read(bytes));
    kind
}

#[test]
fn every_message_decodes_and_encodes_to_the_same_value() {
    let mut counts = std::collections::BTreeMap::new();
    for (sender, bytes) in messages() {
        let kind = match sender {
            "server" => round_trip::<MasterRequest>(&bytes),
            _ => round_trip::<WorkerRequest>(&bytes),
        };
        *counts.entry(kind).or_insert(0) += 1;
    }
    let count = |kind| counts.get(kind).copied().unwrap_or(0);
    assert!(count("request") > 250 && count("response") > 250, "{counts:?}");
    assert!(count("refused") <= 12 && count("malformed") <= 2, "{counts:?}");
}

#[test]
fn recorded_commands_survive_both_ways() {
    let target = Target { base: "/", system: "posix", home: None, obfuscated_args: true };
    let (mut understood, mut refused) = (0, Vec::new());
    for (_, bytes) in messages() {
        let Ok(Received::Request {
            op: Ok(MasterRequest::StartCommand { command_name, args, .. }),
            ..
        }) = decode::<MasterRequest>(&bytes)
        else {
            continue;
        };
        match Command::from_msgpack(&command_name, &args) {
            Ok(command) => {
                let (name, args) = command.to_msgpack_for(&target);
                assert_eq!(name, command_name);
                assert_eq!(Command::from_msgpack(name, &args), Ok(command));
                understood += 1;
            }
            Err(text) => refused.push(text),
        }
    }
    assert!(understood > 50, "{understood}");
    for text in refused {
        assert!(
            text.starts_with("unrecognized WorkerCommand '")
                || text.contains("missing args")
                || text.contains("'env' values"),
            "{text}"
        );
    }
}

#[test]
fn recorded_worker_info_keeps_every_key() {
    let info = messages()
        .find_map(|(_, bytes)| match decode::<WorkerRequest>(&bytes) {
            Ok(Received::Response { result: Ok(value @ Value::Map(_)), .. }) => Some(value),
            _ => None,
        })
        .expect("a recorded worker info");
    let parsed = WorkerInfo::from_value(&info).expect("valid info");
    assert_eq!(parsed.version, "4.3.0");
    assert_eq!(parsed.system, "posix");
    assert_eq!(parsed.basedir, "/srv/bb/w-ws");
    assert_eq!(parsed.admin.as_deref(), Some("Admin <admin@example.org>\n"));
    assert_eq!(parsed.commands.len(), 14);
    assert!(!parsed.obfuscated_args && !parsed.delete_leftover_dirs);
    assert!(parsed.others.iter().any(|(key, _)| key == "os_id"));
    assert_eq!(WorkerInfo::from_value(&parsed.to_value()), Ok(parsed));
}
