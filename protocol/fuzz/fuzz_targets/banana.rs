//! A stream in pieces gives what it gives as a whole, and that survives encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::banana::{Decoder, Dialect, Encoder, Expression, Limits};
use support::steps;

fn read(pieces: &[&[u8]]) -> (Vec<Expression>, Option<String>) {
    let mut decoder = Decoder::new(Limits::before_login());
    decoder.set_dialect(Dialect::Pb);
    let mut found = Vec::new();
    for piece in pieces {
        decoder.receive(piece);
        loop {
            match decoder.next_expression() {
                Ok(Some(expression)) => found.push(expression),
                Ok(None) => break,
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }
    (found, None)
}

fuzz_target!(|data: &[u8]| {
    let pieces: Vec<&[u8]> = steps(data).into_iter().map(|(_, bytes)| bytes).collect();
    let (found, error) = read(&pieces);
    let whole = read(&[&pieces.concat()]);
    assert_eq!(format!("{whole:?}"), format!("{:?}", (&found, error)));
    let mut encoder = Encoder::new(Dialect::Pb);
    for expression in &found {
        encoder.expression(expression).expect("what was read can be written");
    }
    let again = read(&[&encoder.finish()]);
    assert_eq!(format!("{again:?}"), format!("{:?}", (found, None::<String>)));
});
