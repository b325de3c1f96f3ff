//! What comes before a login: recorded clients of all kinds, and those that never log in.

use super::*;
use crate::banana::Limits as Bounds;
use crate::broker::{Arrived, Link, Message};
use crate::session::Violation;

/// Bytes of a stock master's offer.
const OFFER: usize = 12;

/// Each connection of a recording: its number, and what each side sent.
fn connections(text: &str) -> Vec<(u32, Vec<u8>, Vec<u8>)> {
    let mut found: Vec<(u32, Vec<u8>, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        let [number, sender, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("connection, sender and bytes")
        };
        let number = number.parse().expect("a number");
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
        let bytes = (0..hex.len()).step_by(2).map(byte);
        if found.iter().all(|(own, ..)| *own != number) {
            found.push((number, Vec::new(), Vec::new()));
        }
        let (_, client, server) =
            found.iter_mut().find(|(own, ..)| *own == number).expect("just made");
        if sender == "client" { client.extend(bytes) } else { server.extend(bytes) }
    }
    found
}

/// What a stream of the server answers before any login, challenges left out.
fn answers(bytes: &[u8], dialect: &[u8]) -> Vec<String> {
    let offer = if dialect == b"none" { &b"\x01\x80\x04\x82none"[..] } else { &bytes[..OFFER] };
    let mut link = Link::client(Bounds::default());
    link.receive(offer);
    link.receive(&bytes[OFFER..]);
    let mut found = Vec::new();
    while let Ok(Some(arrived)) = link.next_message() {
        match arrived {
            Arrived::Message(Message::Answer { request: 1, .. }, _) => found.push("1".into()),
            Arrived::Message(Message::Error { request: 1, failure: Ok(failure) }, _) => {
                found.push(failure.display());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn recorded_clients_get_the_answers_of_a_stock_master() {
    let text = include_str!("../../../tests/data/pb-raw-errors.hex");
    let mut compared = 0;
    for (number, client, stock) in connections(text) {
        let mut login = PbLogin::new();
        let mut own = login.begin();
        login.receive(&client);
        while let Ok(Some(LoginEvent::Send(packet))) = login.next() {
            own.extend(packet);
        }
        let dialect: &[u8] = if client.starts_with(b"\x04\x82none") { b"none" } else { b"pb" };
        let (own, stock) = (answers(&own, dialect), answers(&stock, dialect));
        assert_eq!(own, stock, "connection {number}");
        compared += own.len();
    }
    assert!(compared > 12, "{compared}");
}

#[test]
fn recorded_passwords() {
    let text = include_str!("../../../tests/data/pb-failed-login.hex");
    for (number, client, stock) in connections(text) {
        let mut reader = Link::client(Bounds::default());
        reader.receive(&stock);
        let challenge = std::iter::from_fn(|| reader.next_message().expect("sound"))
            .find_map(|arrived| match arrived {
                Arrived::Message(Message::Answer { result: Ok(value), .. }, _) => {
                    value.items().and_then(|items| items[0].clone().into_bytes())
                }
                _ => None,
            })
            .expect("a challenge");
        let challenge = challenge.try_into().expect("16 bytes");
        let mut login = PbLogin::with_challenges(Box::new(move || Ok(challenge)));
        login.receive(&client);
        let mut responds = std::iter::from_fn(|| login.next().expect("sound"));
        let respond = responds.find(|event| matches!(event, LoginEvent::Respond { .. }));
        let Some(LoginEvent::Respond { proof, .. }) = respond else { panic!("a login") };
        for password in ["sekret", "changepw", "wonder"] {
            assert!(!proof.matches(password), "connection {number}");
        }
        let mut refused = Link::client(Bounds::default());
        refused.receive(&stock[..OFFER]);
        refused.receive(&login.refuse());
        assert!(matches!(refused.next_message(), Ok(Some(Arrived::Ready(_)))));
        let Ok(Some(Arrived::Message(Message::Error { request: 2, failure: Ok(failure) }, _))) =
            refused.next_message()
        else {
            panic!("refused")
        };
        let crate::jelly::Value::Failure(failure) = failure else { panic!("an exception") };
        assert!(failure.is_unauthorized() && failure.parents.len() >= 5);
    }
}

#[test]
fn nothing_more_is_read_before_a_login_is_decided() {
    let mut worker = worker();
    let (mut login, _) = login(&mut worker, "pw");
    login.receive(b"\xff is no type of an element");
    assert_eq!(login.next(), Ok(None));
    let mut master = login.into_worker();
    assert!(master.next().is_err());
}

#[test]
fn strangers_cannot_fill_the_memory() {
    let violation = |bytes: &[u8]| {
        let mut login = PbLogin::new();
        login.receive(b"\x02\x82pb");
        login.receive(bytes);
        loop {
            match login.next() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(Violation(text)) => return Some(text),
            }
        }
    };
    let large = "an expression of more than 65536 bytes";
    assert_eq!(violation(b"\x00\x00\x08\x82").as_deref(), Some(large));
    assert_eq!(violation(b"\x00\x00\x08\x80").as_deref(), Some(large));
    let many = "an expression of more than 2048 elements";
    assert_eq!(violation(b"\x00\x20\x80").as_deref(), Some(many));
    let deep = "an expression nested more than 16 deep";
    assert_eq!(violation(&b"\x01\x80".repeat(20)).as_deref(), Some(deep));
    assert_eq!(violation(b"\x0a\x82half"), None);
}
