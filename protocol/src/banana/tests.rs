//! Literal bytes both ways, the limits, and streams in pieces.

use super::*;
use proptest::prelude::*;

fn encoded(expression: &Expression, dialect: Dialect) -> Vec<u8> {
    let mut encoder = Encoder::new(dialect);
    encoder.expression(expression).expect("short enough");
    encoder.finish()
}

fn decode_with(bytes: &[u8], limits: Limits) -> Result<Option<Expression>, BananaError> {
    let mut decoder = Decoder::new(limits);
    decoder.set_dialect(Dialect::Pb);
    decoder.receive(bytes);
    decoder.next_expression()
}

fn decoded(bytes: &[u8]) -> Result<Option<Expression>, BananaError> {
    decode_with(bytes, Limits::default())
}

#[test]
fn what_is_not_minimal_is_understood_too() {
    for (bytes, number) in [
        (&b"\x81"[..], 0),
        (b"\x05\x00\x00\x81", 5),
        (b"\x05\x85", 5),
        (b"\x05\x86", -5),
        (b"\x00\x83", 0),
    ] {
        assert_eq!(decoded(bytes), Ok(Some(Expression::Int(number))), "{bytes:x?}");
    }
    assert_eq!(decoded(b"\x82"), Ok(Some(Expression::bytes(b""))));
    assert_eq!(decoded(b"\x06\x82answer"), Ok(Some(Expression::bytes(b"answer"))));
}

#[test]
fn each_limit_has_its_own_error() {
    let long = [0x7f; 65];
    assert_eq!(decoded(&long[..64]), Ok(None));
    assert_eq!(decoded(&long), Err(BananaError::LongNumber));
    let sixty_four = [&[0; 64][..], b"\x81"].concat();
    assert_eq!(decoded(&sixty_four), Ok(Some(Expression::Int(0))));
    assert_eq!(decoded(b"\x00\x00\x28\x82"), Ok(None), "a string of exactly 640 KiB");
    assert_eq!(decoded(b"\x01\x00\x28\x82"), Err(BananaError::LongString));
    assert_eq!(decoded(b"\x00\x00\x28\x80"), Ok(None), "a list of exactly 640 Ki elements");
    assert_eq!(decoded(b"\x01\x00\x28\x80"), Err(BananaError::LongList));
    assert_eq!(decoded(b"\x01\x88"), Err(BananaError::UnknownType(0x88)));
    assert_eq!(decoded(b"\x20\x87"), Err(BananaError::UnknownWord));
    let limits = Limits { size: 8, elements: 4, depth: 2 };
    let with = |bytes: &[u8]| decode_with(bytes, limits);
    assert_eq!(with(b"\x09\x82"), Err(BananaError::TooLarge { limit: 8 }));
    assert_eq!(with(b"\x02\x80\x04\x82abcd\x81"), Err(BananaError::TooLarge { limit: 8 }));
    assert_eq!(with(b"\x04\x80"), Err(BananaError::TooMany { limit: 4 }));
    assert_eq!(with(b"\x01\x80\x01\x80\x80"), Err(BananaError::TooDeep { limit: 2 }));
    assert!(with(b"\x03\x80\x81\x81\x81").is_ok_and(|whole| whole.is_some()));
}

#[test]
fn words_need_the_dialect() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.receive(b"\x01\x87");
    assert_eq!(decoder.next_expression(), Err(BananaError::UnknownWord));
    decoder.set_dialect(Dialect::Pb);
    decoder.receive(b"\x01\x81");
    assert_eq!(decoder.next_expression(), Err(BananaError::UnknownWord), "once broken, for ever");
}

#[test]
fn the_encoder_refuses_what_no_peer_takes() {
    let mut encoder = Encoder::new(Dialect::Pb);
    assert_eq!(encoder.bytes(&vec![0; MAX_STRING]), Ok(()));
    assert_eq!(encoder.bytes(&vec![0; MAX_STRING + 1]), Err(BananaError::LongString));
    assert_eq!(encoder.list(MAX_LIST + 1), Err(BananaError::LongList));
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Expression::Int),
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |f| !f.is_nan())
            .prop_map(Expression::Float),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Expression::Bytes),
        Just(Expression::bytes(b"dictionary")),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop::collection::vec(inner, 0..8).prop_map(Expression::List)
    })
}

proptest! {
    #[test]
    fn expressions_survive_in_any_pieces(
        expressions in prop::collection::vec(expression(), 1..4),
        pieces in prop::collection::vec(1usize..9, 1..9),
        pb in any::<bool>(),
    ) {
        let dialect = if pb { Dialect::Pb } else { Dialect::None };
        let bytes: Vec<u8> = expressions.iter().flat_map(|e| encoded(e, dialect)).collect();
        let mut decoder = Decoder::new(Limits::default());
        decoder.set_dialect(dialect);
        let (mut rest, mut found) = (bytes.as_slice(), Vec::new());
        for size in pieces.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            decoder.receive(piece);
            while let Some(whole) = decoder.next_expression().expect("a sound stream") {
                found.push(whole);
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, expressions);
    }

    #[test]
    fn any_bytes_are_an_error_or_an_expression(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::new(Limits::before_login());
        decoder.set_dialect(Dialect::Pb);
        decoder.receive(&bytes);
        while let Ok(Some(whole)) = decoder.next_expression() {
            prop_assert!(!encoded(&whole, Dialect::Pb).is_empty());
        }
    }
}
