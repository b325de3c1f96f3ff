//! Clients that are no workers: recorded ones, and ours.

use super::recording::{connection, messages};
use super::*;
use crate::banana::Limits;
use crate::broker::{Args, Link, Message, Target, no_such_attribute};
use crate::jelly::Value;

/// The challenge that the recorded master gave.
fn challenge(text: &str, number: u32) -> Challenge {
    let segments = connection(text, number);
    let mut messages = segments.iter().flat_map(|segment| &segment.messages);
    let challenge = messages.find_map(|message| match message {
        Message::Answer { request: 1, result: Ok(value) } => {
            value.items().and_then(|items| items[0].clone().into_bytes())
        }
        _ => None,
    });
    challenge.expect("a challenge").try_into().expect("16 bytes")
}

/// The methods and arguments that a recorded client called after its login, each answered with
/// nothing.
fn called(text: &str, number: u32, password: &str) -> Vec<(String, Vec<Value>)> {
    let mut calls = Vec::new();
    replay(text, number, password, |server, event| {
        if let ServerEvent::Called { id, callee, method, args, kwargs } = event {
            assert!(kwargs.is_empty());
            assert_eq!(callee, Callee::Avatar);
            calls.push((method, args));
            server.answer(id, Ok(Value::None));
        }
    });
    calls
}

/// Lets a recorded client talk to a server after its login.
fn replay(
    text: &str,
    number: u32,
    password: &str,
    mut hear: impl FnMut(&mut PbServer, ServerEvent),
) {
    let challenge = challenge(text, number);
    let mut login = PbLogin::with_challenges(Box::new(move || Ok(challenge)));
    let mut rest = connection(text, number).into_iter().filter(|segment| segment.from_client);
    let mut server = loop {
        login.receive(&rest.next().expect("a login").bytes);
        let respond = std::iter::from_fn(|| login.next().expect("a sound client")).any(
            |event| matches!(event, LoginEvent::Respond { proof, .. } if proof.matches(password)),
        );
        if respond {
            break login.into_client();
        }
    };
    server.admit();
    for segment in rest {
        server.receive(&segment.bytes);
        while let Some(event) = server.next().expect("a sound client") {
            hear(&mut server, event);
        }
    }
}

#[test]
fn recorded_changes() {
    let text = include_str!("../../../tests/data/pb-sendchange.hex");
    let [(method, args)] = &called(text, 1, "changepw")[..] else { panic!("one call") };
    let change = Change::from_value(&args[0]).expect("a change");
    let property = |name: &str, value: &str| (name.to_owned(), rmpv::Value::from(value));
    let some = |text: &str| Some(text.to_owned());
    let expected = Change {
        author: some("Joe Dev <joe@example.org>"),
        committer: None,
        comments: "a comment é".into(),
        files: vec!["src/a.c".into(), "src/b é.c".into()],
        branch: some("main"),
        revision: some("abc123"),
        category: some("cat"),
        codebase: some("cb"),
        repository: "https://example.org/r.git".into(),
        project: "proj".into(),
        revlink: "https://example.org/r/abc123".into(),
        when_timestamp: Some(1_700_000_000.5),
        properties: vec![property("p1", "v1"), property("p2", "v2")],
        src: some("git"),
    };
    assert_eq!((method.as_str(), &change), ("addChange", &expected));
    assert_eq!(change.to_value(), args[0], "our sender says it in the same words");
    let [(_, args)] = &called(text, 2, "changepw")[..] else { panic!("one call") };
    let change = Change::from_value(&args[0]).expect("a change");
    let files = vec!["f.txt".into()];
    assert_eq!(change, Change { author: some("bob"), files, ..Change::default() });
    assert_eq!(change.to_value(), args[0]);
}

#[test]
fn changes_of_other_senders() {
    let bytes = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    let dict = |pairs: &[(Value, Value)]| Change::from_value(&Value::Dict(pairs.to_vec()));
    let change = dict(&[
        (bytes("who"), bytes("w")),
        (bytes("files"), Value::List(vec![bytes("f1")])),
        (bytes("comments"), Value::Bytes(b"c \xff".to_vec())),
        (bytes("links"), Value::List(vec![])),
        (bytes("revision"), Value::Int(7)),
    ])
    .expect("a change of Python 2");
    assert_eq!(change.comments, "c \u{fffd}");
    assert_eq!((change.files.len(), change.revision.as_deref()), (1, Some("7")));
    let unknown = dict(&[(Value::from("bogus"), Value::Int(1))]).expect_err("an unknown key");
    let text = "Change.addChange() got an unexpected keyword argument 'bogus'";
    assert_eq!((unknown.kind.as_str(), unknown.value.as_str()), ("builtins.TypeError", text));
}

#[test]
fn recorded_tries() {
    let text = include_str!("../../../tests/data/pb-try.hex");
    let (waited, said) = (a_try_that_waits(text), called(text, 2, "wonder"));
    let read = |(method, args): &(String, Vec<Value>)| {
        assert_eq!(method, "try");
        TryJob::from_args(Args::new(args.clone())).expect("a job")
    };
    let body = "--- a/x.txt\n+++ b/x.txt\n@@ -1 +1 @@\n-a\n+b é\n";
    let patch = TryPatch { level: 1, body: Some(body.into()), subdir: String::new() };
    let property = |name: &str, value: &str| (name.to_owned(), rmpv::Value::from(value));
    let names = |name: &str| Some(vec![name.to_owned()]);
    let expected = TryJob {
        branch: Some("main".into()),
        revision: Some("deadbeef".into()),
        patch: patch.clone(),
        repository: "https://example.org/r.git".into(),
        project: String::new(),
        builder_names: names("try-pb"),
        who: "alice@example.org".into(),
        comment: "try me".into(),
        properties: vec![property("foo", "bar"), property("baz", "2"), property("q", "z")],
    };
    assert_eq!(read(&waited[0]), expected);
    assert_eq!(expected.to_args(), waited[0].1, "our client says it in the same words");
    let methods: Vec<&str> = waited.iter().map(|(method, _)| method.as_str()).collect();
    let wanted = [
        "try",
        "getBuildRequests",
        "subscribe",
        "subscribe",
        "waitUntilFinished",
        "getResults",
        "getText",
    ];
    assert_eq!(methods, wanted);
    let revision = Some("deadbeef".into());
    let builder_names = names("nosuch");
    let next_to_nothing = TryJob { revision, patch, builder_names, ..TryJob::default() };
    assert_eq!(read(&said[0]), next_to_nothing);
    assert_eq!(called(text, 3, "wonder")[0].0, "getAvailableBuilderNames");
}

/// What the recorded `buildbot try --wait` calls of a master that plays the recorded one's part.
fn a_try_that_waits(text: &str) -> Vec<(String, Vec<Value>)> {
    let mut calls = Vec::new();
    let mut tickets = 0;
    let mut build = 0;
    replay(text, 1, "wonder", |server, event| match event {
        ServerEvent::Called { id, callee, method, args, .. } => {
            let value = match method.as_str() {
                "try" => Value::Remote(server.export().expect("room")),
                "getBuildRequests" => Value::Remote(server.export().expect("room")),
                "subscribe" if callee == Callee::Object(4) => {
                    let Value::Remote(subscriber) = args[0] else { panic!("a subscriber") };
                    build = server.export().expect("room");
                    for method in ["newbuild", "stepFinished", "stepStarted", "stepFinished"] {
                        tickets += 1;
                        if tickets > 1 {
                            server.refer(build);
                        }
                        let args = vec![Value::Remote(build)];
                        server.call(tickets, subscriber, method, args).expect("short");
                    }
                    Value::None
                }
                "waitUntilFinished" => {
                    server.refer(build);
                    Value::Remote(build)
                }
                _ => Value::None,
            };
            server.answer(id, Ok(value));
            calls.push((method, args));
        }
        ServerEvent::Answered { result, .. } => assert_eq!(result, Ok(Value::None)),
        ServerEvent::Send(_) => {}
        ServerEvent::Dropped { object } => panic!("object {object} is still needed"),
    });
    calls
}

#[test]
fn recorded_user_commands() {
    let text = include_str!("../../../tests/data/pb-user.hex");
    let calls = called(text, 1, "upw");
    let (last, commands) = calls.split_last().expect("calls");
    assert_eq!(last.0, "nosuch");
    let commands: Vec<UserCommand> = commands
        .iter()
        .map(|(method, args)| {
            assert_eq!(method, "commandline");
            let command = UserCommand::from_args(Args::new(args.clone())).expect("a command");
            assert_eq!(UserCommand::from_args(Args::new(command.to_args())), Ok(command.clone()));
            command
        })
        .collect();
    let ops: Vec<UserOp> = commands.iter().map(|command| command.op).collect();
    use UserOp::{Add, Get, Remove, Update};
    assert_eq!(ops, [Add, Get, Update, Update, Get, Remove]);
    let joe = "Joe <joe@example.org>";
    assert_eq!(commands[1].ids, [joe, "nobody"]);
    let attributes = vec![("email".into(), "joe@example.org".into()), ("git".into(), joe.into())];
    assert_eq!(commands[0].info, [UserInfo { identifier: joe.into(), attributes }]);
    assert_eq!(commands[3].info, [UserInfo { identifier: joe.into(), attributes: vec![] }]);
    assert_eq!(commands[3].bb_username.as_deref(), Some("joe"));
}

#[test]
fn a_client_that_is_called_back() {
    let mut client = PbClient::new("u", "pw");
    let mut server = joined(&mut client);
    let remote = vec![PbClient::SELF, PbClient::SELF];
    let packet = client.call(1, "subscribe", remote.clone()).expect("logged in");
    server.receive(&packet);
    let Ok(Some(ServerEvent::Called { id, args, .. })) = server.next() else { panic!("a call") };
    assert_eq!(args, remote);
    let Value::Remote(own) = PbClient::SELF else { panic!("an object") };
    // One of the two references is given back at once, the other when nobody needs it.
    let mut reader = Link::client(Limits::default());
    reader.receive(&PbLogin::new().begin());
    messages(&mut reader);
    let Ok(Some(ServerEvent::Send(packet))) = server.next() else { panic!("a decref") };
    reader.receive(&packet);
    let object = server.export().expect("room");
    client.receive(&server.answer(id, Ok(Value::Remote(object))));
    let result = Ok(Value::Remote(object));
    assert_eq!(client.next(), Ok(Some(ClientEvent::Answered { ticket: 1, result })));
    server.refer(object);
    let args = vec![Value::Remote(object)];
    client.receive(&server.call(5, own, "newbuild", args.clone()).expect("short"));
    let told = ClientEvent::Told { method: "newbuild".into(), args };
    assert_eq!(client.next(), Ok(Some(told)));
    client.receive(&server.call(6, 9, "newbuild", vec![]).expect("short"));
    while let Ok(Some(ClientEvent::Send(packet))) = client.next() {
        server.receive(&packet);
    }
    let answered = ServerEvent::Answered { ticket: 5, result: Ok(Value::None) };
    assert_eq!(server.next(), Ok(Some(answered)));
    let Ok(Some(ServerEvent::Answered { ticket: 6, result: Err(failure) })) = server.next() else {
        panic!("our client has no other object")
    };
    assert_eq!(failure.value, "Invalid Object ID");
    reader.receive(&server.release(own));
    assert_eq!(messages(&mut reader), vec![Message::Decref { object: own }; 2]);
    assert!(server.release(own).is_empty());
}

#[test]
fn an_object_lives_until_every_reference_was_given_back() {
    let mut server = joined(&mut PbClient::new("u", "pw"));
    let mut peer = Link::server(Limits::default());
    let object = server.export().expect("room");
    server.refer(object);
    let decref = peer.decref(&[object]);
    server.receive(&decref);
    assert_eq!(server.next(), Ok(None));
    server.receive(&decref);
    assert_eq!(server.next(), Ok(Some(ServerEvent::Dropped { object })));
    server.receive(&peer.call(Target::Object(object), "x", Args::default()).expect("short").1);
    let Ok(Some(ServerEvent::Send(_))) = server.next() else { panic!("an error for the client") };
}

/// Logs a client in.
fn joined(client: &mut PbClient) -> PbServer {
    let mut login = PbLogin::new();
    client.receive(&login.begin());
    let mut server = loop {
        while let Ok(Some(ClientEvent::Send(packet))) = client.next() {
            login.receive(&packet);
        }
        match login.next().expect("a sound client") {
            Some(LoginEvent::Send(packet)) => client.receive(&packet),
            Some(LoginEvent::Respond { .. }) => break login.into_client(),
            None => {}
        }
    };
    client.receive(&server.admit());
    assert_eq!(client.next(), Ok(Some(ClientEvent::LoggedIn)));
    server
}

#[test]
fn our_sendchange() {
    let mut client = PbClient::new("change", "changepw");
    assert!(client.call(1, "addChange", vec![]).is_err(), "not logged in");
    let mut server = joined(&mut client);
    let change = Change { author: Some("me".into()), ..Change::default() };
    let packet = client.call(1, "addChange", vec![change.to_value()]).expect("logged in");
    server.receive(&packet);
    let Ok(Some(ServerEvent::Called { id, method, args, .. })) = server.next() else {
        panic!("a call")
    };
    assert_eq!(Change::from_value(&args[0]), Ok(change));
    let failure = no_such_attribute("ChangePerspective", &method);
    client.receive(&server.answer(id, Err(failure.clone())));
    let answered = ClientEvent::Answered { ticket: 1, result: Err(failure) };
    assert_eq!(client.next(), Ok(Some(answered)));
    assert!(!format!("{client:?}").contains("changepw"));
}

#[test]
fn a_client_with_a_wrong_password() {
    let mut client = PbClient::new("change", "wrong");
    let mut login = PbLogin::new();
    client.receive(&login.begin());
    loop {
        while let Ok(Some(ClientEvent::Send(packet))) = client.next() {
            login.receive(&packet);
        }
        match login.next().expect("a sound client") {
            Some(LoginEvent::Send(packet)) => client.receive(&packet),
            Some(LoginEvent::Respond { proof, .. }) => {
                assert!(!proof.matches("changepw"));
                client.receive(&login.refuse());
                break;
            }
            None => {}
        }
    }
    let why = Rejection::WrongPassword;
    assert_eq!(client.next(), Ok(Some(ClientEvent::Rejected { why })));
}
