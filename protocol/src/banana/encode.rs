//! Expressions to bytes.

use super::integer::write_prefix;
use super::vocabulary::number_of;
use super::{
    BananaError, BigInteger, Dialect, Expression, FLOAT, INT, LIST, LONG_INT, LONG_NEG, MAX_LIST,
    MAX_STRING, NEG, STRING, VOCABULARY,
};

/// Writes expressions one after the other.
#[derive(Debug)]
pub struct Encoder {
    dialect: Dialect,
    bytes: Vec<u8>,
}

impl Encoder {
    pub fn new(dialect: Dialect) -> Encoder {
        Encoder { dialect, bytes: Vec::new() }
    }

    /// Begins a list; its `length` elements are written next.
    ///
    /// # Errors
    /// No peer takes such a long list.
    pub fn list(&mut self, length: usize) -> Result<(), BananaError> {
        if length > MAX_LIST {
            return Err(BananaError::LongList);
        }
        self.number(length as u64, LIST);
        Ok(())
    }

    /// A byte string, or the number that stands for it.
    ///
    /// # Errors
    /// No peer takes such a long string.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), BananaError> {
        if bytes.len() > MAX_STRING {
            return Err(BananaError::LongString);
        }
        match number_of(bytes).filter(|_| self.dialect == Dialect::Pb) {
            Some(number) => self.number(u64::from(number), VOCABULARY),
            None => {
                self.bytes.reserve(bytes.len() + 4);
                self.number(bytes.len() as u64, STRING);
                self.bytes.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    pub fn int(&mut self, number: i64) {
        let kind = match (number < 0, i32::try_from(number).is_ok()) {
            (false, true) => INT,
            (false, false) => LONG_INT,
            (true, true) => NEG,
            (true, false) => LONG_NEG,
        };
        self.number(number.unsigned_abs(), kind);
    }

    pub fn big(&mut self, number: &BigInteger) {
        self.bytes.extend_from_slice(number.groups());
        self.bytes.push(if number.is_negative() { LONG_NEG } else { LONG_INT });
    }

    pub fn float(&mut self, number: f64) {
        self.bytes.push(FLOAT);
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    /// A whole expression.
    ///
    /// # Errors
    /// It holds a list or string that is too long for any peer.
    pub fn expression(&mut self, expression: &Expression) -> Result<(), BananaError> {
        match expression {
            Expression::Bytes(bytes) => self.bytes(bytes)?,
            Expression::Int(number) => self.int(*number),
            Expression::Big(number) => self.big(number),
            Expression::Float(number) => self.float(*number),
            Expression::List(items) => {
                self.list(items.len())?;
                items.iter().try_for_each(|item| self.expression(item))?;
            }
        }
        Ok(())
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn number(&mut self, number: u64, kind: u8) {
        write_prefix(number, &mut self.bytes);
        self.bytes.push(kind);
    }
}
