//! The token layer of Perspective Broker: expressions as bytes.
//!
//! An element is a number, least significant 7 bits first, then one type byte above 0x7f, then what
//! the type byte asks for. A list announces how many elements follow it. In the dialect `pb` frequent
//! words travel as their number.

mod decode;
mod encode;
mod integer;
mod limits;
mod vocabulary;

pub use decode::Decoder;
pub use encode::Encoder;
pub use integer::BigInteger;
pub use limits::{BananaError, Limits, MAX_LIST, MAX_PREFIX, MAX_STRING};

/// Which words may travel as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// None. Also what is spoken until the peers have agreed on a dialect.
    #[default]
    None,
    /// The vocabulary of Perspective Broker.
    Pb,
}

impl Dialect {
    /// The name under which it is offered and chosen.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::None => "none",
            Dialect::Pb => "pb",
        }
    }

    /// The reverse of [`Dialect::name`].
    pub fn from_name(name: &[u8]) -> Option<Dialect> {
        match name {
            b"none" => Some(Dialect::None),
            b"pb" => Some(Dialect::Pb),
            _ => None,
        }
    }
}

/// One value of the token layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    List(Vec<Expression>),
    Bytes(Vec<u8>),
    Int(i64),
    /// An integer that has no place in an [`Expression::Int`].
    Big(Box<BigInteger>),
    Float(f64),
}

impl Expression {
    /// A byte string.
    pub fn bytes(bytes: &[u8]) -> Expression {
        Expression::Bytes(bytes.to_vec())
    }
}

const LIST: u8 = 0x80;
const INT: u8 = 0x81;
const STRING: u8 = 0x82;
const NEG: u8 = 0x83;
const FLOAT: u8 = 0x84;
const LONG_INT: u8 = 0x85;
const LONG_NEG: u8 = 0x86;
const VOCABULARY: u8 = 0x87;

#[cfg(test)]
mod tests;
