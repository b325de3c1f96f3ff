//! Values to literal bytes and back, sharing, and what is refused.

use super::*;
use crate::banana::{Decoder, Dialect, Encoder, Expression, Limits};
use proptest::prelude::*;

fn list(tag: &str, items: Vec<Expression>) -> Expression {
    let tag = Expression::bytes(tag.as_bytes());
    Expression::List(std::iter::once(tag).chain(items).collect())
}

fn reference(number: i64, item: Expression) -> Expression {
    list("reference", vec![Expression::Int(number), item])
}

fn dereference(number: i64) -> Expression {
    list("dereference", vec![Expression::Int(number)])
}

fn read(expression: Expression) -> Result<Value, JellyError> {
    decode(expression, &Limits::before_login()).value
}

fn round_trip(value: &Value) -> Value {
    let mut encoder = Encoder::new(Dialect::Pb);
    encode(value, &mut encoder).expect("short enough");
    let mut decoder = Decoder::new(Limits::default());
    decoder.set_dialect(Dialect::Pb);
    decoder.receive(&encoder.finish());
    let whole = decoder.next_expression().expect("sound").expect("whole");
    decode(whole, &Limits::default()).value.expect("a value")
}

#[test]
fn a_shared_object_is_copied() {
    let shared = list(
        "tuple",
        vec![reference(1, list("list", vec![Expression::Int(1)])), dereference(1), dereference(1)],
    );
    let one = Value::List(vec![Value::Int(1)]);
    assert_eq!(read(shared), Ok(Value::Tuple(vec![one.clone(), one.clone(), one])));
}

#[test]
fn a_value_cannot_contain_itself() {
    let cyclic = reference(1, list("list", vec![dereference(1)]));
    assert_eq!(read(cyclic), Err(JellyError::Malformed("a value that contains itself")));
    assert!(read(dereference(7)).is_err());
}

#[test]
fn copies_of_copies_do_not_explode() {
    let mut nested = reference(1, list("list", vec![Expression::Int(1); 10]));
    for level in 2..12 {
        let copies = vec![dereference(level - 1); 10];
        nested = reference(level, list("list", [vec![nested], copies].concat()));
    }
    let exploded = "a value that grows too large when it is unfolded";
    assert_eq!(read(nested), Err(JellyError::Malformed(exploded)));
}

#[test]
fn dangerous_kinds_are_refused_in_stock_words() {
    for (tag, text) in [
        ("module", "b'module'"),
        ("class", "b'class'"),
        ("Foo.Bar", "Module Foo not allowed (in type Foo.Bar)."),
        ("os.path.x", "Module os.path not allowed (in type os.path.x)."),
    ] {
        assert_eq!(read(list(tag, vec![])), Err(JellyError::Insecure(text.to_owned())));
    }
    assert!(read(Expression::List(vec![])).is_err());
}

#[test]
fn every_occurrence_of_an_object_is_counted() {
    let remote = |n| list("remote", vec![Expression::Int(n)]);
    let wrong = list("list", vec![remote(3), remote(4), remote(3), list("module", vec![])]);
    let decoded = decode(wrong, &Limits::default());
    assert_eq!(decoded.remotes, [3, 4, 3]);
    assert!(decoded.value.is_err());
}

#[test]
fn an_exception_needs_only_what_people_read() {
    let pair = |key: &str, value| Expression::List(vec![Expression::bytes(key.as_bytes()), value]);
    let state = list("dictionary", vec![pair("type", Expression::bytes(b"exceptions.IOError"))]);
    let Ok(Value::Failure(failure)) = read(list(failure::TAG, vec![state])) else {
        panic!("an exception");
    };
    assert_eq!(failure.explain(), "exceptions.IOError");
    assert!(failure.is("exceptions.IOError"));
    let own = Failure::new("builtins.KeyError", &["builtins.LookupError"], "'x'");
    assert_eq!(round_trip(&Value::Failure(Box::new(own.clone()))), Value::Failure(Box::new(own)));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e300..1e300).prop_map(Value::Float),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        ".{0,10}".prop_map(Value::Text),
        any::<i64>().prop_map(Value::Remote),
        any::<i64>().prop_map(Value::Local),
        "[0-9 ]{0,9}".prop_map(|numbers| Value::Moment(Moment::Time, numbers)),
        any::<i64>().prop_map(|n| Value::Decimal(Box::new(Value::Int(n)), -2)),
        Just(Value::Failure(Box::new(Failure::new("a.B", &[], "text")))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            items().prop_map(Value::Tuple),
            items().prop_map(Value::List),
            items().prop_map(Value::Set),
            items().prop_map(Value::FrozenSet),
            prop::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(Value::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn values_survive(value in value()) {
        prop_assert_eq!(round_trip(&value), value);
    }
}
