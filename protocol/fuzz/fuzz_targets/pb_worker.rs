//! What a master can send to a worker.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::info::WorkerInfo;
use protocol::order::{Order, Reply};
use protocol::pb::{PbWorker, PbWorkerLogin};
use protocol::report::{Report, WorkerRequest};
use protocol::session::{WorkerEvent, WorkerSession};
use protocol::update::Update;
use support::steps;

fn report(action: u8, command_id: String) -> Option<Report> {
    Some(Report::Command(match action {
        1 => return Some(Report::Keepalive),
        2 => return Some(Report::Shutdown),
        3 => WorkerRequest::Update {
            command_id,
            updates: vec![Update::Stdout("a\n".to_owned()).into(), Update::Rc(0).into()],
        },
        4 => WorkerRequest::UploadFileWrite { command_id, data: vec![1, 2, 3] },
        5 => WorkerRequest::ReadFile { command_id, length: 16384 },
        6 => WorkerRequest::ReadFileClose { command_id },
        7 => WorkerRequest::UploadDirectoryUnpack { command_id },
        8 => WorkerRequest::Complete { command_id, failure: None },
        9 => WorkerRequest::Complete { command_id, failure: Some("x\ny".to_owned()) },
        _ => return None,
    }))
}

fuzz_target!(|data: &[u8]| {
    let mut worker = PbWorker::new(PbWorkerLogin {
        name: "w".to_owned(),
        password: "pw".to_owned(),
        version: "1".to_owned(),
        commands: vec![("shell".to_owned(), "3.3".to_owned())],
    });
    let mut last = String::new();
    for (number, (action, bytes)) in (0u64..).zip(steps(data)) {
        worker.receive(bytes);
        loop {
            match worker.next() {
                Ok(Some(WorkerEvent::Ordered { id, order })) => {
                    let reply = match order {
                        Order::GetWorkerInfo => Ok(Reply::Info(Box::new(WorkerInfo::default()))),
                        Order::StartBuild { .. } => Err("no".to_owned()),
                        Order::StartCommand { command_id, .. } => {
                            last = command_id;
                            Ok(Reply::Done)
                        }
                        _ => Ok(Reply::Done),
                    };
                    worker.answer(id, reply);
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if let Some(report) = report(action, last.clone()) {
            let _ = worker.report(number, report);
        }
    }
});
