//! Recorded sessions of stock programs, message by message.

use crate::banana::Limits;
use crate::broker::{Arrived, Link, Message};

/// What one side sent before the other spoke.
pub(in crate::pb) struct Segment {
    pub(in crate::pb) from_client: bool,
    pub(in crate::pb) bytes: Vec<u8>,
    /// The messages that end in this segment.
    pub(in crate::pb) messages: Vec<Message>,
}

/// One connection of a recording: lines of connection, sender and bytes.
pub(in crate::pb) fn connection(text: &str, number: u32) -> Vec<Segment> {
    let mut server = Link::client(Limits::default());
    let mut client = Link::server(Limits::default());
    let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("{number} ")));
    lines
        .map(|line| {
            let (sender, hex) = line.split_once(' ').expect("sender and bytes");
            let from_client = sender == "client";
            let bytes = bytes(hex);
            let link = if from_client { &mut client } else { &mut server };
            link.receive(&bytes);
            Segment { from_client, bytes, messages: messages(link) }
        })
        .collect()
}

/// Everything that a link holds.
pub(in crate::pb) fn messages(link: &mut Link) -> Vec<Message> {
    let mut found = Vec::new();
    while let Some(arrived) = link.next_message().expect("a sound stream") {
        if let Arrived::Message(message, _) = arrived {
            found.push(message);
        }
    }
    found
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}
