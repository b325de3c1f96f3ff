//! One WebSocket message, read by either side.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::command::Command;
use protocol::msgpack::{
    Limits, MasterRequest, Message, MsgpackMaster, MsgpackWorker, Op, Received, WorkerRequest,
    decode, encode,
};
use protocol::session::{MasterSession, WorkerSession};

fn round_trip<R: Op + std::fmt::Debug>(data: &[u8]) -> Option<R> {
    let Ok(received) = decode::<R>(data) else { return None };
    let (message, op) = match received {
        Received::Request { op: Err(_), .. } => return None,
        Received::Request { seq, op: Ok(op) } => (Message::Request { seq, op }, true),
        Received::Response { seq, result } => (Message::Response { seq, result }, false),
    };
    decode::<R>(&encode(&message)).expect("what was read can be written");
    match message {
        Message::Request { op: request, .. } if op => Some(request),
        _ => None,
    }
}

fuzz_target!(|data: &[u8]| {
    if let Some(MasterRequest::StartCommand { command_name, args, .. }) = round_trip(data) {
        let _ = Command::from_msgpack(&command_name, &args);
    }
    round_trip::<WorkerRequest>(data);
    let mut master = MsgpackMaster::new(Limits::default());
    master.receive(data);
    let _ = MasterSession::next(&mut master);
    let mut worker = MsgpackWorker::new();
    worker.receive(data);
    while let Ok(Some(_)) = WorkerSession::next(&mut worker) {}
});
