//! A connection to the master, from its first byte to the reports of a worker.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::pb::{LoginEvent, PbLogin, PbMaster};
use protocol::report::{Answer, Report, WorkerRequest};
use protocol::session::{MasterEvent, MasterSession, Violation};
use support::{order, steps};

enum Stage {
    Login(Box<PbLogin>),
    Session(Box<PbMaster>),
}

/// Every login is accepted unless the action says otherwise.
fn log_in(mut login: Box<PbLogin>, action: u8) -> Result<Stage, Violation> {
    while let Some(event) = login.next()? {
        if let LoginEvent::Respond { proof, .. } = event {
            assert!(!proof.matches("a password that nobody has"));
            if action == 0xff {
                login.refuse();
                continue;
            }
            let mut master = Box::new(login.into_worker());
            master.admit();
            return Ok(Stage::Session(master));
        }
    }
    Ok(Stage::Login(login))
}

fn serve(master: &mut PbMaster) -> Result<(), Violation> {
    while let Some(event) = master.next()? {
        if let MasterEvent::Reported { id, report } = event {
            let answer = match report {
                Report::Command(WorkerRequest::ReadFile { .. }) => Ok(Answer::Data(vec![0; 10])),
                Report::Shutdown => Err("no".to_owned()),
                _ => Ok(Answer::Done),
            };
            master.answer(id, answer);
        }
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let mut login = PbLogin::with_challenges(Box::new(|| Ok([7; 16])));
    login.begin();
    let mut stage = Stage::Login(Box::new(login));
    for (number, (action, bytes)) in (0u64..).zip(steps(data)) {
        stage = match stage {
            Stage::Login(mut login) => {
                login.receive(bytes);
                match log_in(login, action) {
                    Ok(stage) => stage,
                    Err(_) => return,
                }
            }
            Stage::Session(mut master) => {
                if let Some(order) = order(action, number) {
                    let _ = master.order(number, order);
                }
                master.receive(bytes);
                if serve(&mut master).is_err() {
                    return;
                }
                Stage::Session(master)
            }
        };
    }
});
