//! The header of a login; what is accepted survives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::basic_auth::{format, parse};

fuzz_target!(|header: &str| {
    if let Ok((name, password)) = parse(header) {
        let again = format(&name, &password).expect("a name without colon");
        assert_eq!(parse(&again), Ok((name, password)));
    }
});
