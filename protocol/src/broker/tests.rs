//! Agreement on a dialect, messages, and the table of exported objects.

use super::*;
use crate::banana::Limits;
use crate::jelly::{JellyError, Value};

fn agreed() -> (Link, Link) {
    let (mut server, mut client) =
        (Link::server(Limits::default()), Link::client(Limits::default()));
    client.receive(&server.offer());
    let Ok(Some(Arrived::Ready(bytes))) = client.next_message() else { panic!("agreement") };
    server.receive(&bytes);
    let Ok(Some(Arrived::Ready(bytes))) = server.next_message() else { panic!("agreement") };
    client.receive(&bytes);
    assert_eq!((server.next_message(), client.next_message()), (Ok(None), Ok(None)));
    (server, client)
}

#[test]
fn the_first_bytes_of_a_connection() {
    let server = Link::server(Limits::default());
    assert_eq!(server.offer(), b"\x02\x80\x02\x82pb\x04\x82none");
    let mut client = Link::client(Limits::default());
    client.receive(&server.offer());
    let choice = b"\x02\x82pb\x02\x80\x13\x87\x06\x81".to_vec();
    assert_eq!(client.next_message(), Ok(Some(Arrived::Ready(choice))));
    let mut plain = Link::client(Limits::default());
    plain.receive(b"\x01\x80\x04\x82none");
    let choice = b"\x04\x82none\x02\x80\x07\x82version\x06\x81".to_vec();
    assert_eq!(plain.next_message(), Ok(Some(Arrived::Ready(choice))));
}

#[test]
fn calls_arrive_with_their_arguments() {
    let (mut server, mut client) = agreed();
    let args = Args {
        positional: vec![Value::Remote(4), Value::from("x")],
        named: vec![("message".to_owned(), Value::from("attached"))],
    };
    let (request, bytes) = client.call(Target::Root, "print", args.clone()).expect("short");
    server.receive(&bytes);
    let call = Call {
        request,
        target: Target::Root,
        method: "print".to_owned(),
        answer: true,
        args: Ok(args),
    };
    assert_eq!(server.next_message(), Ok(Some(Arrived::Message(Message::Call(call), vec![4]))));
    client.receive(&server.answer(request, Ok(Value::None)));
    let answer = Message::Answer { request, result: Ok(Value::None) };
    assert_eq!(client.next_message(), Ok(Some(Arrived::Message(answer, vec![]))));
    client.receive(&server.decref(&[4, 4]));
    for _ in 0..2 {
        let decref = Message::Decref { object: 4 };
        assert_eq!(client.next_message(), Ok(Some(Arrived::Message(decref, vec![]))));
    }
}

#[test]
fn an_answer_that_is_too_long_becomes_an_error() {
    let (server, mut client) = agreed();
    client.receive(&server.answer(1, Ok(Value::Bytes(vec![0; 700_000]))));
    let Ok(Some(Arrived::Message(Message::Error { request: 1, failure: Ok(failure) }, _))) =
        client.next_message()
    else {
        panic!("an error");
    };
    assert!(failure.display().contains("655360 bytes"), "{}", failure.display());
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    for bytes in [
        &b"\x07\x81"[..],
        b"\x80",
        b"\x02\x80\x13\x87\x05\x81",
        b"\x03\x80\x05\x82bogus\x01\x81\x02\x81",
        b"\x01\x80\x1d\x87",
    ] {
        let (mut server, _) = agreed();
        server.receive(bytes);
        assert!(server.next_message().is_err(), "{bytes:x?}");
    }
    for choice in [&b"\x03\x82foo"[..], b"\x80", b"\x01\x81"] {
        let mut server = Link::server(Limits::default());
        server.receive(choice);
        assert!(server.next_message().is_err(), "{choice:x?}");
    }
}

#[test]
fn wrong_arguments_leave_the_connection_alone() {
    let (mut server, _) = agreed();
    server.receive(b"\x07\x80\x1a\x87\x01\x81\x04\x82root\x14\x87\x01\x81\x02\x80\x0b\x87\x01\x80\x09\x87\x01\x80\x05\x87");
    let Ok(Some(Arrived::Message(Message::Call(call), _))) = server.next_message() else {
        panic!("a call");
    };
    assert_eq!(call.args, Err(JellyError::Insecure("b'module'".to_owned())));
}

#[test]
fn an_object_lives_as_long_as_it_is_counted() {
    let mut exports = Exports::default();
    let (bot, other) = (exports.send_new("bot"), exports.send_new("other"));
    assert_eq!((bot, other), (1, 2));
    exports.sent(bot);
    assert_eq!(exports.decref(bot), None);
    assert_eq!(exports.get(bot), Some(&"bot"));
    assert_eq!(exports.decref(bot), Some("bot"));
    assert_eq!((exports.decref(bot), exports.decref(77)), (None, None));
    assert_eq!(exports.successor::<()>().insert(()), 3);
}
