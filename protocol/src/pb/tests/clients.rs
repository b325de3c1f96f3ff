//! Clients that are no workers: recorded ones, and ours.

use super::recording::{connection, messages};
use super::*;
use crate::banana::Limits;
use crate::broker::{Link, Message, no_such_attribute};
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

/// The methods and arguments that a recorded client called after its login.
fn called(text: &str, number: u32, password: &str) -> Vec<(String, Vec<Value>)> {
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
    let mut calls = Vec::new();
    for segment in rest {
        server.receive(&segment.bytes);
        while let Some(event) = server.next().expect("a sound client") {
            if let ServerEvent::Called { id, callee, method, args, kwargs } = event {
                assert!(kwargs.is_empty());
                assert_eq!(callee, Callee::Avatar);
                calls.push((method, args));
                server.answer(id, Ok(Value::None));
            }
        }
    }
    calls
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
fn recorded_tries_and_user_commands() {
    let text = include_str!("../../../tests/data/pb-try.hex");
    let [(method, args)] = &called(text, 2, "wonder")[..] else { panic!("one call") };
    assert_eq!((method.as_str(), args.len()), ("try", 9));
    assert_eq!(called(text, 3, "wonder")[0].0, "getAvailableBuilderNames");
    let text = include_str!("../../../tests/data/pb-user.hex");
    let methods: Vec<_> = called(text, 1, "upw").into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods.len(), 7);
    assert!(methods[..6].iter().all(|method| method == "commandline"));
}

#[test]
fn a_client_that_is_called_back() {
    let mut client = PbClient::new("u", "pw");
    let mut server = joined(&mut client);
    let remote = vec![Value::Remote(9), Value::Remote(9)];
    let packet = client.call(1, "subscribe", remote).expect("logged in");
    server.receive(&packet);
    let Ok(Some(ServerEvent::Called { id, args, .. })) = server.next() else { panic!("a call") };
    assert_eq!(args, [Value::Remote(9), Value::Remote(9)]);
    // One of the two references is given back at once, the other when nobody needs it.
    let mut reader = Link::client(Limits::default());
    reader.receive(&PbLogin::new().begin());
    messages(&mut reader);
    let Ok(Some(ServerEvent::Send(packet))) = server.next() else { panic!("a decref") };
    reader.receive(&packet);
    reader.receive(&server.release(9));
    assert_eq!(messages(&mut reader), vec![Message::Decref { object: 9 }; 2]);
    assert!(server.release(9).is_empty());
    let object = server.export().expect("room");
    client.receive(&server.answer(id, Ok(Value::Remote(object))));
    let result = Ok(Value::Remote(object));
    assert_eq!(client.next(), Ok(Some(ClientEvent::Answered { ticket: 1, result })));
    let packet = server.call(5, 9, "newbuild", vec![Value::Remote(object)]).expect("short");
    client.receive(&packet);
    while let Ok(Some(ClientEvent::Send(packet))) = client.next() {
        server.receive(&packet);
    }
    let Ok(Some(ServerEvent::Answered { ticket: 5, result: Err(failure) })) = server.next() else {
        panic!("our client has no objects")
    };
    assert_eq!(failure.value, "Invalid Object ID");
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
