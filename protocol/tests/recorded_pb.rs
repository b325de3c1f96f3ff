//! Streams of stock programs over Perspective Broker, recorded on the wire (`data/pb-*.hex`:
//! connection, sender and bytes per line), and encodings made by Twisted (`data/pb-golden.txt`).

use std::collections::BTreeMap;

use protocol::banana::{Decoder, Dialect, Encoder, Expression, Limits};
use protocol::broker::{Arrived, Link, Message};
use protocol::jelly;

const RECORDINGS: [(&str, &str); 15] = [
    ("connloss", include_str!("data/pb-connloss.hex")),
    ("duplicate", include_str!("data/pb-duplicate.hex")),
    ("edge", include_str!("data/pb-edge.hex")),
    ("failed-login", include_str!("data/pb-failed-login.hex")),
    ("fakemaster", include_str!("data/pb-fakemaster.hex")),
    ("fakeworker", include_str!("data/pb-fakeworker.hex")),
    ("oldslave-0.8.14", include_str!("data/pb-oldslave-0.8.14.hex")),
    ("oldslave-0.8.5", include_str!("data/pb-oldslave-0.8.5.hex")),
    ("raw-errors", include_str!("data/pb-raw-errors.hex")),
    ("sendchange", include_str!("data/pb-sendchange.hex")),
    ("try", include_str!("data/pb-try.hex")),
    ("user", include_str!("data/pb-user.hex")),
    ("worker-1.8.2-py27", include_str!("data/pb-worker-1.8.2-py27.hex")),
    ("worker-2.10.5", include_str!("data/pb-worker-2.10.5.hex")),
    ("worker", include_str!("data/pb-worker.hex")),
];

/// Connections of the recording whose peer ends the connection, and why we do.
const BROKEN: [(&str, &str); 11] = [
    ("raw-errors 2 client", "no dialect of Perspective Broker that both sides know"),
    ("raw-errors 3 client", "version 5 of the protocol; only 6 is known"),
    ("raw-errors 10 client", "a message of an unknown kind, 'bogus'"),
    ("raw-errors 11 client", "a vocabulary word that does not exist or was not agreed on"),
    ("raw-errors 12 client", "a number longer than 64 bytes"),
    ("raw-errors 13 client", "a message that is not a list"),
    ("raw-errors 14 client", "a message that is not a list"),
    ("raw-errors 15 client", "a string of more than 655360 bytes"),
    ("raw-errors 16 client", "a list of more than 655360 elements"),
    ("raw-errors 17 client", "a type byte 0x88, which does not exist"),
    ("raw-errors 24 client", "a vocabulary word that does not exist or was not agreed on"),
];

fn hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// The whole streams, by recording, connection and sender.
fn streams() -> BTreeMap<String, Vec<u8>> {
    let mut streams = BTreeMap::<String, Vec<u8>>::new();
    for (name, text) in RECORDINGS {
        for line in text.lines() {
            let (who, bytes) = line.rsplit_once(' ').expect("connection, sender and bytes");
            streams.entry(format!("{name} {who}")).or_default().extend(hex(bytes));
        }
    }
    streams
}

fn encoded(expression: &Expression, dialect: Dialect) -> Vec<u8> {
    let mut encoder = Encoder::new(dialect);
    encoder.expression(expression).expect("short enough");
    encoder.finish()
}

/// The dialect that the client of the connection chose.
fn chosen(streams: &BTreeMap<String, Vec<u8>>, name: &str) -> Dialect {
    let connection = name.rsplit_once(' ').expect("a sender").0;
    let client = streams.get(&format!("{connection} client"));
    match client.is_some_and(|bytes| bytes.starts_with(b"\x04\x82none")) {
        true => Dialect::None,
        false => Dialect::Pb,
    }
}

#[test]
fn every_stream_decodes_and_encodes_to_the_same_bytes() {
    let streams = streams();
    let mut count = 0;
    for (name, bytes) in &streams {
        let mut decoder = Decoder::new(Limits::default());
        let mut again = Vec::new();
        let mut dialect = Dialect::None;
        decoder.receive(bytes);
        let end = loop {
            match decoder.next_expression() {
                Ok(Some(expression)) => again.extend(encoded(&expression, dialect)),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
            count += 1;
            dialect = chosen(&streams, name);
            decoder.set_dialect(dialect);
        };
        if BROKEN.iter().any(|(who, _)| who == name) {
            continue;
        }
        assert_eq!(end, None, "{name}");
        assert!(again == *bytes, "{name}");
    }
    assert!(count > 2000, "{count}");
}

/// A link that has agreed on the dialect, to read one message of our own encoding.
fn reader(dialect: Dialect) -> Link {
    let mut link = Link::server(Limits::default());
    link.receive(&encoded(&Expression::bytes(dialect.name().as_bytes()), Dialect::None));
    assert!(matches!(link.next_message(), Ok(Some(Arrived::Ready(_)))));
    link
}

#[test]
fn every_message_survives() {
    let streams = streams();
    let mut broken = Vec::new();
    let mut counts = BTreeMap::new();
    for (name, bytes) in &streams {
        let mut link = match name.ends_with(" client") {
            true => Link::server(Limits::default()),
            false => Link::client(Limits::default()),
        };
        let mut again = reader(chosen(&streams, name));
        link.receive(bytes);
        loop {
            match link.next_message() {
                Ok(None) => break,
                Ok(Some(Arrived::Ready(_))) => {}
                Ok(Some(Arrived::Message(message, remotes))) => {
                    *counts.entry(kind_of(&message)).or_insert(0) += 1;
                    if matches!(&message, Message::Call(call) if call.args.is_err()) {
                        continue;
                    }
                    let bytes = again.encode(&message).expect("short enough");
                    again.receive(&bytes);
                    let read = again.next_message();
                    assert_eq!(read, Ok(Some(Arrived::Message(message, remotes))), "{name}");
                }
                Err(violation) => {
                    broken.push((name.clone(), violation.to_string()));
                    break;
                }
            }
        }
    }
    broken.sort();
    let mut expected = BROKEN.map(|(name, text)| (name.to_owned(), text.to_owned()));
    expected.sort();
    assert_eq!(broken, expected);
    let least = [("answer", 850), ("call", 900), ("decref", 130), ("error", 25)];
    assert!(least.iter().all(|(kind, least)| counts[kind] > *least), "{counts:?}");
    assert!(!counts.contains_key("insecure"));
}

fn kind_of(message: &Message) -> &'static str {
    match message {
        Message::Version(_) => "version",
        Message::Call(_) => "call",
        Message::Answer { result: Ok(_), .. } => "answer",
        Message::Error { failure: Ok(_), .. } => "error",
        Message::Answer { .. } | Message::Error { .. } => "insecure",
        Message::Decref { .. } => "decref",
        Message::DidNotUnderstand => "did not understand",
    }
}

/// The notation of the golden file: `i` hexadecimal integer, `f` float, `b` bytes, parentheses.
fn parse(text: &str) -> (Option<Expression>, &str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('(') {
        let mut items = Vec::new();
        while !rest.starts_with(')') {
            let (item, after) = parse(rest);
            items.push(item.expect("lists hold nothing big"));
            rest = after;
        }
        return (Some(Expression::List(items)), &rest[1..]);
    }
    let end = text.find([' ', '(', ')']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let (kind, word) = word.split_at(1);
    let value = match kind {
        "b" => Some(Expression::Bytes(hex(word))),
        "f" => Some(Expression::Float(word.parse().expect("a float"))),
        "i" => i64::from_str_radix(word, 16).ok().map(Expression::Int),
        other => panic!("unknown notation {other}"),
    };
    (value, rest)
}

fn golden(section: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = include_str!("data/pb-golden.txt").lines();
    let lines = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    lines.filter(move |fields| fields[0] == section)
}

fn one(bytes: &[u8], dialect: Dialect) -> Expression {
    let mut decoder = Decoder::new(Limits::default());
    decoder.set_dialect(dialect);
    decoder.receive(bytes);
    decoder.next_expression().expect("sound").expect("whole")
}

#[test]
fn expressions_as_twisted_writes_them() {
    let mut count = 0;
    for fields in golden("banana") {
        let [_, name, value, pb, none] = fields[..] else { panic!("five fields") };
        for (bytes, dialect) in [(hex(pb), Dialect::Pb), (hex(none), Dialect::None)] {
            let read = one(&bytes, dialect);
            match parse(value).0 {
                Some(expected) => assert_eq!(read, expected, "{name}"),
                None => assert!(
                    matches!(&read, Expression::Big(big)
                    if big.to_string() == format!("0x{}", &value[1..])),
                    "{name}"
                ),
            }
            assert_eq!(encoded(&read, dialect), bytes, "{name}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn values_as_twisted_writes_them() {
    let mut refused = Vec::new();
    let mut count = 0;
    for fields in golden("jelly") {
        let [_, name, expression, bytes] = fields[..] else { panic!("four fields") };
        let (expected, bytes) = (parse(expression).0.expect("nothing big"), hex(bytes));
        assert_eq!(one(&bytes, Dialect::Pb), expected, "{name}");
        assert_eq!(encoded(&expected, Dialect::Pb), bytes, "{name}");
        let Ok(value) = jelly::decode(expected, &Limits::default()).value else {
            refused.push(name);
            continue;
        };
        let mut encoder = Encoder::new(Dialect::Pb);
        jelly::encode(&value, &mut encoder).expect("short enough");
        let again = encoder.finish();
        match expression.contains("b7265666572656e6365") {
            // A shared object goes out as a copy.
            true => assert_ne!(again, bytes, "{name}"),
            false => assert_eq!(again, bytes, "{name}"),
        }
        let read = jelly::decode(one(&again, Dialect::Pb), &Limits::default());
        assert_eq!(read.value, Ok(value), "{name}");
        count += 1;
    }
    assert_eq!(refused, ["cyclic list"]);
    assert!(count > 25, "{count}");
}
