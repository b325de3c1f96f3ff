//! Writes the seed corpora from the recorded streams of the crate's tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::banana::{Decoder, Dialect, Encoder, Limits};
use protocol::broker::{Arrived, Link, Message};
use support::step;

fn main() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = Corpus { folder: home.join("corpus"), count: 0 };
    for entry in fs::read_dir(home.join("../tests/data")).expect("recordings") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable file");
        match name.starts_with("pb-") {
            true => corpus.pb(&text),
            false => corpus.msgpack(&text),
        }
    }
    corpus.put("basic_auth", b"Basic dy13czpzZWtyZXQ=");
    println!("{} seeds in {}", corpus.count, corpus.folder.display());
}

struct Corpus {
    folder: PathBuf,
    count: usize,
}

impl Corpus {
    fn put(&mut self, target: &str, seed: &[u8]) {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder).expect("a writable folder");
        self.count += 1;
        fs::write(folder.join(format!("seed-{}", self.count)), seed).expect("a writable folder");
    }

    /// Lines of sender and message.
    fn msgpack(&mut self, text: &str) {
        for line in text.lines() {
            let (_, hex) = line.split_once(' ').expect("sender and bytes");
            self.put("msgpack", &bytes(hex));
        }
    }

    /// Lines of connection, sender and bytes.
    fn pb(&mut self, text: &str) {
        let mut connections = BTreeMap::<&str, Vec<(bool, Vec<u8>)>>::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let connection = words.next().expect("connection");
            let from_client = words.next() == Some("client");
            let bytes = bytes(words.next().expect("bytes"));
            connections.entry(connection).or_default().push((from_client, bytes));
        }
        for segments in connections.values() {
            self.connection(segments);
        }
    }

    fn connection(&mut self, segments: &[(bool, Vec<u8>)]) {
        let side = |client: bool| segments.iter().filter(move |(from, _)| *from == client);
        for client in [true, false] {
            let pieces: Vec<u8> = side(client).flat_map(|(_, bytes)| step(0, bytes)).collect();
            self.put("banana", &pieces);
            self.put("pb_clients", &[&[u8::from(!client)][..], &pieces].concat());
        }
        self.put("pb_worker", &worker_script(segments));
        self.put("pb_master", &master_script(segments));
        for (_, bytes) in segments {
            self.values(bytes);
        }
    }

    /// Single expressions that begin a segment.
    fn values(&mut self, bytes: &[u8]) {
        let mut decoder = Decoder::new(Limits::before_login());
        decoder.set_dialect(Dialect::Pb);
        decoder.receive(bytes);
        let Ok(Some(protocol::banana::Expression::List(items))) = decoder.next_expression() else {
            return;
        };
        for item in items.iter().skip(2) {
            let mut encoder = Encoder::new(Dialect::Pb);
            if encoder.expression(item).is_ok() {
                let value = encoder.finish();
                if value.len() > 4 {
                    self.put("jelly", &value);
                }
            }
        }
    }
}

/// The master's orders between what the worker sent.
fn master_script(segments: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let mut link = Link::client(Limits::default());
    let mut script = Vec::new();
    for (from_client, bytes) in segments {
        if *from_client {
            script.extend(step(0, bytes));
            continue;
        }
        for (method, detail) in calls(&mut link, bytes) {
            let action = match (method.as_str(), detail.as_str()) {
                ("print", _) => 1,
                ("getWorkerInfo", _) => 2,
                ("setBuilderList", _) => 3,
                ("startBuild", _) => 4,
                ("startCommand", "uploadFile") => 6,
                ("startCommand", "uploadDirectory") => 7,
                ("startCommand", "downloadFile") => 8,
                ("startCommand", _) => 5,
                ("interruptCommand", _) => 10,
                ("shutdown", _) => 12,
                _ => 0,
            };
            script.extend(step(action, b""));
        }
    }
    script
}

/// The worker's reports between what the master sent.
fn worker_script(segments: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let mut link = Link::server(Limits::default());
    let mut script = Vec::new();
    for (from_client, bytes) in segments {
        if !*from_client {
            script.extend(step(0, bytes));
            continue;
        }
        for (method, _) in calls(&mut link, bytes) {
            let action = match method.as_str() {
                "keepalive" => 1,
                "shutdown" => 2,
                "update" => 3,
                "write" => 4,
                "read" => 5,
                "close" => 6,
                "unpack" => 7,
                "complete" => 8,
                _ => 0,
            };
            script.extend(step(action, b""));
        }
    }
    script
}

/// Method and third argument of the calls in a piece of a stream.
fn calls(link: &mut Link, bytes: &[u8]) -> Vec<(String, String)> {
    link.receive(bytes);
    let mut calls = Vec::new();
    while let Ok(Some(arrived)) = link.next_message() {
        if let Arrived::Message(Message::Call(call), _) = arrived {
            let args = call.args.unwrap_or_default();
            let detail = args.positional.get(2).and_then(|value| value.text());
            calls.push((call.method, detail.unwrap_or_default()));
        }
    }
    calls
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}
