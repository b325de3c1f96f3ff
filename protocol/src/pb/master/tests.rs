//! Recorded sessions of stock workers of all ages, replayed: our master gives the orders that the
//! stock one gave, and both must say and understand the same.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use super::super::login::{LoginEvent, PbLogin};
use super::super::tests::recording::{Segment, connection, messages};
use super::*;
use crate::banana::Limits;
use crate::broker::{Args, Call, Target};
use crate::command::Command;
use crate::info::WorkerInfo;
use crate::order::BuilderDir;
use crate::pb::command;
use crate::report::{Report, WorkerRequest};
use crate::update::Update;

/// What came of a replay.
struct Replay {
    master: PbMaster,
    /// Reads what our master sends.
    reader: Link,
    /// Calls that our master makes without being asked to.
    own: VecDeque<Call>,
    /// What we answered, and what the stock master did.
    answers: BTreeMap<i64, Message>,
    stock_answers: BTreeMap<i64, Message>,
    info: Option<WorkerInfo>,
    refused: Vec<String>,
    failed: Vec<String>,
    /// Command → what became of it.
    commands: BTreeMap<String, String>,
    others: Vec<Report>,
    builders: HashMap<i64, String>,
}

fn replay(text: &str) -> Replay {
    let segments = connection(text, 1);
    let stock_answers = segments.iter().filter(|segment| !segment.from_client);
    let stock_answers: BTreeMap<i64, Message> = stock_answers
        .flat_map(|segment| &segment.messages)
        .filter_map(|message| match message {
            Message::Answer { request, .. } | Message::Error { request, .. } => {
                Some((*request, message.clone()))
            }
            _ => None,
        })
        .collect();
    let (master, reader, rest) = log_in(&segments, &stock_answers[&1]);
    let mut replay = Replay {
        master,
        reader,
        own: VecDeque::new(),
        answers: BTreeMap::new(),
        stock_answers,
        info: None,
        refused: Vec::new(),
        failed: Vec::new(),
        commands: BTreeMap::new(),
        others: Vec::new(),
        builders: HashMap::new(),
    };
    for segment in rest {
        replay.segment(segment);
    }
    replay
}

/// The login with the recorded challenge, and the segments after it.
fn log_in<'a>(segments: &'a [Segment], challenge: &Message) -> (PbMaster, Link, &'a [Segment]) {
    let Message::Answer { result: Ok(challenge), .. } = challenge else { panic!("a challenge") };
    let Value::Bytes(challenge) = &challenge.items().expect("a tuple")[0] else { panic!("bytes") };
    let challenge = challenge.as_slice().try_into().expect("16 bytes");
    let mut login = PbLogin::with_challenges(Box::new(move || Ok(challenge)));
    let mut reader = Link::client(Limits::default());
    reader.receive(&login.begin());
    for (at, segment) in segments.iter().enumerate().filter(|(_, segment)| segment.from_client) {
        login.receive(&segment.bytes);
        while let Some(event) = login.next().expect("a sound worker") {
            match event {
                LoginEvent::Send(bytes) => reader.receive(&bytes),
                LoginEvent::Respond { name, proof } => {
                    assert!(name.starts_with("w-") && proof.matches("sekret"));
                    messages(&mut reader);
                    return (login.into_worker(), reader, &segments[at + 1..]);
                }
            }
        }
    }
    panic!("no login")
}

impl Replay {
    fn segment(&mut self, segment: &Segment) {
        if segment.from_client {
            self.master.receive(&segment.bytes);
            self.learn_builders(&segment.messages);
        }
        while let Some(event) = self.master.next().expect("a sound worker") {
            self.event(event);
        }
        if !segment.from_client {
            for message in &segment.messages {
                match message {
                    Message::Call(call) => self.stock_call(call),
                    Message::Answer { request: 2, .. } => {
                        let packet = self.master.admit();
                        self.sent(&packet);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Which object is which builder's, to understand the stock master's calls.
    fn learn_builders(&mut self, messages: &[Message]) {
        for message in messages {
            if let Message::Answer { result: Ok(Value::Dict(pairs)), .. } = message {
                for (name, value) in pairs {
                    if let (Some(name), Value::Remote(object)) = (name.text(), value) {
                        self.builders.insert(*object, name);
                    }
                }
            }
        }
    }

    fn event(&mut self, event: MasterEvent) {
        match event {
            MasterEvent::Send(packet) => self.sent(&packet),
            MasterEvent::Answered { result: Ok(Reply::Info(info)), .. } => self.info = Some(*info),
            MasterEvent::Answered { result: Ok(Reply::Done), .. } => {}
            MasterEvent::Answered { result: Err(text), .. } => self.failed.push(text),
            MasterEvent::Reported { id, report } => {
                let request = self.master.asked.get(&id).map(|asked| asked.request);
                let answer = match request.and_then(|request| self.stock_answers.get(&request)) {
                    Some(Message::Answer { result: Ok(Value::Bytes(data)), .. }) => {
                        Answer::Data(data.clone())
                    }
                    _ => Answer::Done,
                };
                self.note(report);
                let packet = self.master.answer(id, Ok(answer));
                self.sent(&packet);
            }
        }
    }

    fn note(&mut self, report: Report) {
        let request = match report {
            Report::Command(request) => request,
            other => return self.others.push(other),
        };
        let line = self.commands.entry(request.command_id().to_owned()).or_default();
        match request {
            WorkerRequest::Update { updates, .. } => {
                for timed in updates {
                    let _ = match timed.update {
                        Update::Stdout(text) => write!(line, "{text:?} "),
                        Update::Stderr(text) => write!(line, "err{text:?} "),
                        Update::Header(_) => write!(line, "h "),
                        Update::Rc(rc) => write!(line, "rc{rc} "),
                        Update::Elapsed(_) => Ok(()),
                        Update::Files(files) => write!(line, "{} files ", files.len()),
                        Update::Stat(stat) => write!(line, "size {} ", stat[6]),
                        other => write!(line, "{other:?} "),
                    };
                }
            }
            WorkerRequest::Complete { failure: None, .. } => line.push_str("end"),
            WorkerRequest::Complete { failure: Some(text), .. } => {
                let _ = write!(line, "failed {text:?}");
            }
            WorkerRequest::UploadFileWrite { data, .. }
            | WorkerRequest::UploadDirectoryWrite { data, .. } => {
                let _ = write!(line, "write{} ", data.len());
            }
            WorkerRequest::ReadFile { length, .. } => {
                let _ = write!(line, "read{length} ");
            }
            WorkerRequest::UploadFileUtime { .. } => line.push_str("utime "),
            WorkerRequest::UploadDirectoryUnpack { .. } => line.push_str("unpack "),
            WorkerRequest::UploadFileClose { .. } | WorkerRequest::ReadFileClose { .. } => {
                line.push_str("close ");
            }
        }
    }

    /// What our master sends.
    fn sent(&mut self, packet: &[u8]) {
        self.reader.receive(packet);
        for message in messages(&mut self.reader) {
            match message {
                Message::Call(call) => self.own.push_back(call),
                Message::Answer { request, .. } | Message::Error { request, .. } => {
                    assert!(self.answers.insert(request, message).is_none(), "answered twice");
                }
                _ => {}
            }
        }
    }

    /// Our master is to make the same call.
    fn stock_call(&mut self, stock: &Call) {
        if let Some(order) = self.order_of(stock) {
            match self.master.order(stock.request.unsigned_abs(), order) {
                Ok(packet) => self.sent(&packet),
                Err(text) => {
                    self.refused.push(text);
                    // Only for the numbering: the stock master has made the call.
                    let plain = Waiting::Plain(0);
                    self.master.invoke(plain, 0, "", Args::default()).expect("nothing long");
                    return;
                }
            }
        }
        let own = self.own.pop_front().expect("our master calls as well");
        assert_same(&own, stock);
    }

    fn order_of(&self, call: &Call) -> Option<Order> {
        let args = call.args.as_ref().expect("sound arguments");
        let named = |name: &str| args.named.iter().find(|(own, _)| own == name);
        let text = |at: usize| args.positional[at].text().expect("text");
        let builder = || match call.target {
            Target::Object(object) => self.builders.get(&object).cloned(),
            Target::Root => None,
        };
        Some(match call.method.as_str() {
            "print" => {
                let message = named("message").expect("named").1.text().expect("text");
                return (!message.contains("detected")).then_some(Order::Print { message });
            }
            "getWorkerInfo" => Order::GetWorkerInfo,
            "shutdown" => Order::Shutdown,
            "startBuild" => Order::StartBuild { builder: builder()? },
            "interruptCommand" => {
                Order::InterruptCommand { command_id: text(0), builder: builder(), why: text(1) }
            }
            "setBuilderList" => Order::SetBuilderList {
                builders: args.positional[0].items().expect("a list").iter().map(dir_of).collect(),
            },
            "startCommand" => Order::StartCommand {
                command_id: text(1),
                builder: builder(),
                base: "/srv".to_owned(),
                command: stock_command(&text(2), &args.positional[3]),
            },
            _ => return None,
        })
    }

    /// Every call of the worker was answered as by the stock master, these ones apart.
    fn assert_same_answers(&self, apart: &[i64]) {
        for (request, stock) in self.stock_answers.iter().filter(|(request, _)| **request > 2) {
            let own = self.answers.get(request).unwrap_or_else(|| panic!("{request}: no answer"));
            let same = match (own, stock) {
                (
                    Message::Error { failure: Ok(own), .. },
                    Message::Error { failure: Ok(stock), .. },
                ) => own.display() == stock.display(),
                _ => own == stock,
            };
            assert_eq!(same, !apart.contains(request), "{request}: {own:?} {stock:?}");
        }
        assert_eq!(self.answers.len() + 1, self.stock_answers.len(), "all but the login's");
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.commands.iter().collect();
        lines.sort_by_key(|(id, _)| id.parse::<u32>().ok());
        lines.iter().map(|(id, line)| format!("{id}: {line}")).collect()
    }
}

fn dir_of(pair: &Value) -> BuilderDir {
    let pair = pair.items().expect("a pair");
    let text = |at: usize| pair[at].text().expect("text");
    BuilderDir { name: text(0), dir: text(1) }
}

fn stock_command(name: &str, args: &Value) -> Command {
    command::decode("0", name, args).expect("a command of the stock master")
}

/// Our arguments hold those of the stock master, and sometimes more: what the stock one leaves to
/// the worker's defaults.
fn assert_same(own: &Call, stock: &Call) {
    let (own_args, stock_args) =
        (own.args.clone().expect("args"), stock.args.clone().expect("args"));
    assert_eq!((own.request, own.target), (stock.request, stock.target), "{own:?} {stock:?}");
    assert_eq!((&own.method, &own_args.named), (&stock.method, &stock_args.named));
    for (own, stock) in own_args.positional.iter().zip(&stock_args.positional) {
        match (own, stock) {
            (Value::Dict(own), Value::Dict(stock)) => {
                for (key, value) in stock {
                    let name = key.text().expect("text");
                    let mine = own.iter().find(|(own, _)| own == key);
                    let unused = (name == "logEnviron" || name == "workdir") && mine.is_none();
                    if !unused && name != "file" {
                        assert_eq!(mine.map(|(_, own)| own), Some(value), "{name}");
                    }
                }
            }
            (own, stock) => assert_eq!(own, stock),
        }
    }
    assert_eq!(own_args.positional.len(), stock_args.positional.len());
}

#[test]
fn a_modern_worker() {
    let replay = replay(include_str!("../../../tests/data/pb-worker.hex"));
    replay.assert_same_answers(&[]);
    let info = replay.info.as_ref().expect("info");
    assert_eq!((info.version.as_str(), info.numcpus), ("4.3.0", Some(2)));
    assert_eq!((info.basedir.as_str(), info.system.as_str()), ("/srv/bb/w-pb", "posix"));
    assert_eq!(info.admin.as_deref(), Some("Admin <admin@example.org>\n"));
    assert_eq!((info.commands.len(), info.env("TERM")), (14, Some("dumb")));
    assert!(info.others.iter().any(|(key, _)| key == "os_id"));
    let keepalive = Report::Keepalive;
    let others = [keepalive.clone(), keepalive.clone(), Report::Shutdown, keepalive];
    assert_eq!(replay.others, others);
    let lines = replay.lines();
    for (at, line) in [
        (0, r#"0: h "hello\n" err"oops\n" rc0 h "tail\n" end"#),
        (1, "1: rc0 end"),
        (2, "2: read16384 read16384 close rc0 end"),
        (3, "3: read16384 read16384 read16384 close rc0 end"),
        (4, "4: write20000 close utime h rc0 end"),
        (5, "5: write171 unpack h rc0 end"),
        (6, "6: 1 files rc0 end"),
        (7, "7: size 18 rc0 end"),
        (8, "8: write18 close h rc0 end"),
        (11, "11: h rc0 end"),
        (12, r#"12: h "line1\nline2\n" rc3 h end"#),
        (14, r#"14: h "start\n" h rc-1 h end"#),
    ] {
        assert_eq!(lines[at], line);
    }
    assert_eq!(lines.len(), 15);
    assert!(replay.refused.is_empty() && replay.failed.is_empty() && replay.own.is_empty());
}

/// The build that all old workers were recorded with; `first` is its first command.
fn assert_old_build(replay: &Replay, first: u32, shell: &str, upload: &str) {
    let mut id = first;
    for line in [
        shell,
        r#"h "obfuscated realpw XXXX\n" rc0 h end"#,
        "rc0 end",
        "read16384 read16384 close rc0 end",
        "h write15 close utime rc0 end",
        upload,
        "size 15 rc0 end",
    ] {
        assert_eq!(replay.commands[&id.to_string()], line);
        id += 1;
    }
    assert_eq!(replay.commands[&(id + 2).to_string()], "h h h rc-1 h end", "timed out");
    assert!(replay.own.is_empty());
}

#[test]
fn a_slave_of_the_oldest_kind() {
    let replay = replay(include_str!("../../../tests/data/pb-oldslave-0.8.5.hex"));
    replay.assert_same_answers(&[]);
    let shell = r#"h "hello\ntail" err"oops\n" rc0 h end"#;
    assert_old_build(&replay, 0, shell, "h write111 unpack rc0 end");
    assert_eq!(replay.refused, ["worker is too old, does not know about glob"]);
    assert!(replay.failed.iter().all(|text| text.contains("UnknownCommand")));
    let info = replay.info.expect("info, asked piece by piece");
    assert_eq!((info.version.as_str(), info.commands.len()), ("0.8.5", 19));
    assert_eq!((info.basedir.as_str(), info.env("LANG")), ("/srv/bb/s085", Some("C.UTF-8")));
    assert!(info.others.is_empty() && info.admin.is_some() && info.numcpus.is_none());
}

#[test]
fn a_slave_of_the_last_kind() {
    let replay = replay(include_str!("../../../tests/data/pb-oldslave-0.8.14.hex"));
    replay.assert_same_answers(&[]);
    let shell = r#"h "hello\ntail" err"oops\n" rc0 h end"#;
    assert_old_build(&replay, 11, shell, "h write110 unpack rc0 end");
    assert!(replay.refused.is_empty() && replay.failed.is_empty());
    assert_eq!(replay.info.expect("info").version, "0.8.14");
}

#[test]
fn a_worker_on_python_2() {
    let replay = replay(include_str!("../../../tests/data/pb-worker-1.8.2-py27.hex"));
    replay.assert_same_answers(&[]);
    let shell = r#"h "hello\n" err"oops\n" "tail" rc0 h end"#;
    assert_old_build(&replay, 44, shell, "h write114 unpack rc0 end");
    assert!(replay.refused.is_empty() && replay.failed.is_empty());
    assert_eq!(replay.info.expect("info").commands.len(), 11);
}

#[test]
fn a_worker_that_sends_chunks() {
    let replay = replay(include_str!("../../../tests/data/pb-worker-2.10.5.hex"));
    replay.assert_same_answers(&[]);
    let shell = r#"h "hello\n" err"oops\n" "tail" rc0 h end"#;
    assert_old_build(&replay, 54, shell, "h write171 unpack rc0 end");
    assert!(replay.refused.is_empty() && replay.failed.is_empty());
}

/// Two answers differ from stock: output that is no text is an error, and an exception without base
/// classes is none.
#[test]
fn an_odd_worker() {
    let replay = replay(include_str!("../../../tests/data/pb-fakeworker.hex"));
    replay.assert_same_answers(&[13, 20]);
    let unreadable = "the worker sent an update that cannot be read: the value of update 'stdout' \
                      is not text";
    let mystery = "Other(\"mystery\", String(Utf8String { s: Ok(\"zzz\") }))";
    assert_eq!(
        replay.lines(),
        [
            r#"13: h "a\nb" "bytes\n" rc0 end"#.to_owned(),
            r#"14: "no rc\n" end"#.to_owned(),
            r#"15: failed "string failure""#.to_owned(),
            r#"16: failed "rust.Error: boom\ntb text""#.to_owned(),
            format!("17: rc0 {mystery} end"),
            "18: rc0 end".to_owned(),
            format!("19: failed {unreadable:?}"),
            "20: rc0 end".to_owned(),
            r#"21: failed "rust.Error: no parents\ntb""#.to_owned(),
        ]
    );
}

/// A master whose worker has one builder and commands of a version.
fn master(version: &str) -> PbMaster {
    let login = Pending { name: "w".to_owned(), request: None, mind: Some(1) };
    let mut master = PbMaster::resume(Link::server(Limits::default()), Exports::default(), login);
    master.builders.insert("b".to_owned(), 2);
    let commands = ["shell", "glob"].map(|name| (name.to_owned(), version.to_owned()));
    master.versions = Versions::new(&commands);
    master
}

fn start(id: u64, name: &str, args: &[(&str, &str)]) -> Order {
    let args = args.iter().map(|(name, value)| (Value::from(*name), Value::from(*value)));
    Order::StartCommand {
        command_id: id.to_string(),
        builder: Some("b".to_owned()),
        base: String::new(),
        command: stock_command(name, &Value::Dict(args.collect())),
    }
}

#[test]
fn what_an_old_slave_lacks_is_told_in_the_log_of_the_step() {
    let mut master = master("2.14");
    let args = [("workdir", ""), ("command", "make"), ("interruptSignal", "KILL")];
    master.order(1, start(1, "shell", &args)).expect("every slave has a shell");
    let note = "NOTE: worker does not allow master to specify interruptSignal\n";
    let request = WorkerRequest::Update {
        command_id: "1".to_owned(),
        updates: vec![Update::Header(note.to_owned()).into()],
    };
    let Ok(Some(MasterEvent::Reported { id, report })) = master.next() else { panic!("a note") };
    assert_eq!(report, Report::Command(request));
    assert!(master.answer(id, Ok(Answer::Done)).is_empty(), "the worker did not ask");
    assert_eq!(master.next(), Ok(None));
}

#[test]
fn commands_of_the_past_make_room_and_running_ones_do_not() {
    let mut master = master("3.3");
    let glob = |id| start(id, "glob", &[("path", "*")]);
    for id in 0..2000 {
        master.order(id, glob(id)).expect("the worker gives nothing back, but all ended");
        let last = master.exports.find(|object| match object {
            Object::Command(running) => running.command_id == id.to_string(),
            _ => false,
        });
        master.running(last.expect("it runs")).expect("it runs").finished = true;
    }
    assert!(master.exports.len() <= 1024);
    let mut refused = (2000..4000).map(|id| master.order(id, glob(id)));
    let refused = refused.find_map(Result::err).expect("a bound");
    assert_eq!(refused, "too many commands at once on one connection");
}

#[test]
fn a_command_that_the_worker_drops_ends() {
    let mut master = master("3.3");
    master.order(1, start(7, "glob", &[("path", "*")])).expect("a modern worker");
    master.dropped(1);
    let Ok(Some(MasterEvent::Reported { report: Report::Command(report), .. })) = master.next()
    else {
        panic!("an end")
    };
    let WorkerRequest::Complete { command_id, failure: Some(text) } = report else {
        panic!("a failure")
    };
    assert_eq!((command_id.as_str(), text.contains("dropped")), ("7", true));
}
