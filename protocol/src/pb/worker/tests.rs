//! Recorded sessions of stock masters, replayed: our worker says what the stock one said, and both
//! must make the same calls and give the same answers.

use std::collections::BTreeMap;

use super::super::tests::recording::{Segment, connection, messages};
use super::super::update::{self, Tails};
use super::*;
use crate::broker::{Args, Call, Target};
use crate::info::WorkerInfo;
use crate::order::Order;
use crate::pb::info;
use crate::report::WorkerRequest;

struct Replay {
    worker: PbWorker,
    /// Reads what our worker sends.
    reader: Link,
    /// What our worker sent and the stock one is still to send.
    calls: VecDeque<Call>,
    answers: BTreeMap<i64, Message>,
    stock_answers: BTreeMap<i64, Message>,
    orders: Vec<Order>,
    logged_in: bool,
    decrefs: Vec<i64>,
}

fn replay(text: &str, name: &str) -> Replay {
    let segments = connection(text, 1);
    let answers = segments.iter().filter(|segment| segment.from_client);
    let stock_answers =
        answers.flat_map(|segment| &segment.messages).filter_map(|message| match message {
            Message::Answer { request, .. } | Message::Error { request, .. } => {
                Some((*request, message.clone()))
            }
            _ => None,
        });
    let stock_answers: BTreeMap<i64, Message> = stock_answers.collect();
    let info = info_of(&stock_answers);
    let login = PbWorkerLogin {
        name: name.to_owned(),
        password: "sekret".to_owned(),
        version: info.version,
        commands: info.commands,
    };
    let mut replay = Replay {
        worker: PbWorker::new(login),
        reader: Link::server(Limits::default()),
        calls: VecDeque::new(),
        answers: BTreeMap::new(),
        stock_answers,
        orders: Vec::new(),
        logged_in: false,
        decrefs: Vec::new(),
    };
    for segment in &segments {
        replay.segment(segment);
    }
    replay
}

fn info_of(stock_answers: &BTreeMap<i64, Message>) -> WorkerInfo {
    let mut infos = stock_answers.values().filter_map(|message| match message {
        Message::Answer { result: Ok(value), .. } => info::from_value(value).ok(),
        _ => None,
    });
    infos.rfind(|info| !info.commands.is_empty()).expect("a recorded info")
}

impl Replay {
    fn segment(&mut self, segment: &Segment) {
        if segment.from_client {
            for message in &segment.messages {
                match message {
                    Message::Call(call) => self.stock_call(call),
                    Message::Answer { request, .. } | Message::Error { request, .. } => {
                        self.stock_answer(*request, message);
                    }
                    _ => {}
                }
            }
            return;
        }
        self.worker.receive(&segment.bytes);
        while let Some(event) = self.worker.next().expect("a sound master") {
            match event {
                WorkerEvent::Send(packet) => self.sent(&packet),
                WorkerEvent::Ordered { order, .. } => self.orders.push(order),
                WorkerEvent::LoggedIn => self.logged_in = true,
                WorkerEvent::Answered { .. } => {}
                WorkerEvent::Rejected { why } => panic!("{why}"),
            }
        }
    }

    fn sent(&mut self, packet: &[u8]) {
        self.reader.receive(packet);
        for message in messages(&mut self.reader) {
            match message {
                Message::Call(call) => self.calls.push_back(call),
                Message::Answer { request, .. } | Message::Error { request, .. } => {
                    assert!(self.answers.insert(request, message).is_none(), "answered twice");
                }
                Message::Decref { object } => self.decrefs.push(object),
                _ => {}
            }
        }
    }

    /// The stock worker has answered; ours does, unless it has on its own.
    fn stock_answer(&mut self, request: i64, stock: &Message) {
        let asked = self.worker.asked.iter().find(|(_, asked)| asked.request == Some(request));
        let Some(id) = asked.map(|(id, _)| *id) else { return };
        let result = match stock {
            Message::Answer { result: Ok(Value::Dict(pairs)), .. }
                if !matches!(pairs.first(), Some((_, Value::Remote(_)))) =>
            {
                let info = info::from_value(&Value::Dict(pairs.clone())).expect("info");
                Ok(Reply::Info(Box::new(info)))
            }
            Message::Answer { .. } => Ok(Reply::Done),
            _ => Err("as recorded".to_owned()),
        };
        let packet = self.worker.answer(id, result);
        self.sent(&packet);
    }

    /// Our worker is to make the same call.
    fn stock_call(&mut self, stock: &Call) {
        if !matches!(stock.method.as_str(), "login" | "respond") {
            let packet = match self.report_of(stock) {
                Some(report) => {
                    self.worker.report(stock.request.unsigned_abs(), report).expect("it runs")
                }
                // Our worker has refused the command; only for the numbering.
                None => {
                    let call = self.worker.one(Waiting::Plain(0), 0, "", vec![]);
                    self.sent(&call.expect("short"));
                    self.calls.pop_back();
                    return;
                }
            };
            self.sent(&packet);
        }
        let own = self.calls.pop_front().expect("our worker calls as well");
        assert_eq!((own.request, own.target), (stock.request, stock.target));
        assert_eq!(own.method, stock.method);
        let (own, stock) = (own.args.expect("args"), stock.args.clone().expect("args"));
        match (own.positional.first(), stock.positional.first()) {
            (Some(Value::Failure(_)), Some(Value::Failure(_))) => {}
            _ => assert_eq!(own, stock),
        }
    }

    fn report_of(&self, call: &Call) -> Option<Report> {
        let Target::Object(object) = call.target else { panic!("the root has only a login") };
        match call.method.as_str() {
            "keepalive" => return Some(Report::Keepalive),
            "shutdown" => return Some(Report::Shutdown),
            _ => {}
        }
        let mut running = self.worker.commands.iter();
        let is_it = |run: &Running| run.reference == object || run.transfer == Some(object);
        let (command_id, _) = running.find(|(_, run)| is_it(run))?;
        let command_id = command_id.clone();
        let args: &Args = call.args.as_ref().expect("sound arguments");
        let first = || args.positional[0].clone();
        Some(Report::Command(match call.method.as_str() {
            "update" => {
                let read = update::from_value(first(), &mut Tails::default()).expect("sound");
                WorkerRequest::Update { command_id, updates: read.updates }
            }
            "complete" => {
                let failure = first();
                let failure = (failure != Value::None).then(|| failure.display());
                WorkerRequest::Complete { command_id, failure }
            }
            "write" => {
                let data = first().into_bytes().expect("bytes");
                WorkerRequest::UploadFileWrite { command_id, data }
            }
            "close" => WorkerRequest::UploadFileClose { command_id },
            "unpack" => WorkerRequest::UploadDirectoryUnpack { command_id },
            "read" => {
                let length = first().int().expect("a length").unsigned_abs();
                WorkerRequest::ReadFile { command_id, length }
            }
            "utime" => {
                let times = first();
                let times = times.items().expect("a pair");
                WorkerRequest::UploadFileUtime {
                    command_id,
                    access_time: times[0].number().expect("a number"),
                    modified_time: times[1].number().expect("a number"),
                }
            }
            other => panic!("{other}"),
        }))
    }

    /// Every call of the master was answered as by the stock worker, these ones apart.
    fn assert_same_answers(&self, apart: &[i64]) {
        for (request, stock) in &self.stock_answers {
            let own = self.answers.get(request).unwrap_or_else(|| panic!("{request}: no answer"));
            let same = match (own, stock) {
                (
                    Message::Error { failure: Ok(own), .. },
                    Message::Error { failure: Ok(stock), .. },
                ) => own.display() == stock.display(),
                (
                    Message::Answer { result: Ok(Value::Dict(own)), .. },
                    Message::Answer { result: Ok(Value::Dict(stock)), .. },
                ) => {
                    let has = |(key, value): &(Value, Value)| {
                        let mut own = own.iter().filter(|(own, _)| own == key);
                        own.any(|(key, own)| own == value || key.is_text("delete_leftover_dirs"))
                    };
                    stock.iter().all(has)
                }
                _ => own == stock,
            };
            assert_eq!(same, !apart.contains(request), "{request}: {own:?} {stock:?}");
        }
        assert_eq!(self.answers.len(), self.stock_answers.len());
        assert!(self.calls.is_empty() && self.logged_in);
    }

    fn started(&self) -> usize {
        self.orders.iter().filter(|order| matches!(order, Order::StartCommand { .. })).count()
    }
}

#[test]
fn a_modern_master() {
    let replay = replay(include_str!("../../../tests/data/pb-worker.hex"), "w-pb");
    replay.assert_same_answers(&[]);
    assert_eq!((replay.started(), replay.worker.commands.len()), (15, 0));
    let builders = replay.orders.iter().find_map(|order| match order {
        Order::SetBuilderList { builders } => Some(builders.len()),
        _ => None,
    });
    assert_eq!((builders, replay.orders.last()), (Some(7), Some(&Order::Shutdown)));
    let mut decrefs = replay.decrefs;
    decrefs.sort_unstable();
    let all_but_the_avatar: Vec<i64> = (1..23).filter(|object| *object != 2).collect();
    assert_eq!(decrefs, all_but_the_avatar);
}

#[test]
fn a_master_that_does_all_there_is() {
    let replay = replay(include_str!("../../../tests/data/pb-edge.hex"), "w-pb");
    // A wrong variable fails the start, not the command; several directories can be made at once.
    replay.assert_same_answers(&[45, 48]);
    assert_eq!((replay.started(), replay.worker.commands.len()), (38, 0));
}

#[test]
fn an_odd_master() {
    let replay = replay(include_str!("../../../tests/data/pb-fakemaster.hex"), "w-fm");
    replay.assert_same_answers(&[]);
    assert_eq!(replay.started(), 6);
    let leftover = replay.orders.iter().filter_map(|order| match order {
        Order::InterruptCommand { command_id, .. } => Some(command_id.as_str()),
        _ => None,
    });
    assert_eq!(leftover.collect::<Vec<_>>(), ["c1", "c5"], "never ended before the next began");
    let moved =
        |order: &Order| matches!(order, Order::StartCommand { base, .. } if base == "dir1x");
    assert!(replay.orders.iter().any(moved), "the builder has got another directory");
}

#[test]
fn a_master_of_another_age() {
    let replay = replay(include_str!("../../../tests/data/pb-worker-2.10.5.hex"), "w-old");
    replay.assert_same_answers(&[]);
    assert_eq!(replay.started(), 10);
}

#[test]
fn a_master_that_goes_away() {
    let replay = replay(include_str!("../../../tests/data/pb-connloss.hex"), "w-pb");
    replay.assert_same_answers(&[]);
    assert_eq!(replay.started(), 1);
}
