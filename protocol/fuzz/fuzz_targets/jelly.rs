//! Values survive, and no shared object makes them explode.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::banana::{Decoder, Dialect, Encoder, Limits};
use protocol::jelly::{Value, decode, encode};

fn read(bytes: &[u8], limits: Limits) -> Vec<Value> {
    let mut decoder = Decoder::new(limits);
    decoder.set_dialect(Dialect::Pb);
    decoder.receive(bytes);
    let mut values = Vec::new();
    while let Ok(Some(expression)) = decoder.next_expression() {
        values.extend(decode(expression, &limits).value);
    }
    values
}

fuzz_target!(|data: &[u8]| {
    for value in read(data, Limits::before_login()) {
        let mut encoder = Encoder::new(Dialect::Pb);
        encode(&value, &mut encoder).expect("what was read can be written");
        let limits = Limits { depth: 200, ..Limits::default() };
        let again = read(&encoder.finish(), limits);
        assert_eq!(format!("{again:?}"), format!("{:?}", [value]));
    }
});
