//! Clients that are no workers, and what a server can send to ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::jelly::Value;
use protocol::broker::Args;
use protocol::pb::{
    Change, ClientEvent, LoginEvent, PbClient, PbLogin, PbServer, ServerEvent, TryJob, UserCommand,
};
use protocol::session::Violation;
use support::steps;

fn serve(server: &mut PbServer, number: u64) -> Result<(), Violation> {
    while let Some(event) = server.next()? {
        if let ServerEvent::Called { id, args, kwargs, .. } = event {
            let object = server.export();
            let all = Args { positional: args.clone(), named: kwargs };
            if let Ok(job) = TryJob::from_args(all.clone()) {
                assert!(TryJob::from_args(Args::new(job.to_args())).is_ok());
            }
            if let Ok(command) = UserCommand::from_args(all) {
                assert!(UserCommand::from_args(Args::new(command.to_args())).is_ok());
            }
            if let Some(Ok(change)) = args.first().map(Change::from_value) {
                assert!(Change::from_value(&change.to_value()).is_ok());
            }
            for arg in &args {
                if let Value::Remote(callback) = arg {
                    let _ = server.call(number, *callback, "newbuild", args.clone());
                    server.release(*callback);
                }
            }
            server.answer(id, Ok(object.map_or(Value::None, Value::Remote)));
        }
    }
    Ok(())
}

fn as_server(data: &[u8]) -> Result<(), Violation> {
    let mut login = PbLogin::with_challenges(Box::new(|| Ok([7; 16])));
    let mut script = steps(data).into_iter();
    let mut server = 'login: loop {
        let Some((_, bytes)) = script.next() else { return Ok(()) };
        login.receive(bytes);
        while let Some(event) = login.next()? {
            if matches!(event, LoginEvent::Respond { .. }) {
                break 'login login.into_client();
            }
        }
    };
    server.admit();
    for (number, (_, bytes)) in (0u64..).zip(script) {
        server.receive(bytes);
        serve(&mut server, number)?;
    }
    Ok(())
}

fn as_client(data: &[u8]) -> Result<(), Violation> {
    let mut client = PbClient::new("change", "changepw");
    for (number, (_, bytes)) in (0u64..).zip(steps(data)) {
        client.receive(bytes);
        while let Some(event) = client.next()? {
            if event == ClientEvent::LoggedIn {
                let _ = client.call(number, "addChange", vec![Value::None]);
            }
        }
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let Some((side, data)) = data.split_first() else { return };
    let _ = if side & 1 == 0 { as_server(data) } else { as_client(data) };
});
