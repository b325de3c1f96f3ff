//! Bytes to expressions, as they arrive.
//!
//! No announced length is believed: memory is used for what has arrived, and an announcement that
//! could only break a limit ends the connection at once. What was understood is not read again.

use super::integer::{Integer, from_groups, magnitude};
use super::vocabulary::word_of;
use super::{
    BananaError, Dialect, Expression, FLOAT, INT, LIST, LONG_INT, LONG_NEG, Limits, MAX_LIST,
    MAX_PREFIX, MAX_STRING, NEG, STRING, VOCABULARY,
};

/// A drained buffer larger than this is given back.
const KEEP: usize = 64 << 10;

/// Takes a stream in pieces and gives its expressions one by one.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    dialect: Dialect,
    /// What has arrived; before `at` it is understood.
    buffer: Vec<u8>,
    at: usize,
    /// The lists around the next element, outermost first.
    open: Vec<OpenList>,
    /// A string of which a part has arrived.
    string: Option<OpenString>,
    /// Bytes and elements of the expression so far, announced ones included.
    size: usize,
    elements: usize,
    /// Once a stream is wrong there is no way back into it.
    broken: Option<BananaError>,
}

#[derive(Debug)]
struct OpenList {
    missing: usize,
    items: Vec<Expression>,
}

#[derive(Debug)]
struct OpenString {
    missing: usize,
    bytes: Vec<u8>,
}

/// The beginning of an element.
enum Token {
    Value(Expression),
    List(usize),
    String(usize),
}

impl Decoder {
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            dialect: Dialect::None,
            buffer: Vec::new(),
            at: 0,
            open: Vec::new(),
            string: None,
            size: 0,
            elements: 0,
            broken: None,
        }
    }

    /// What the peers have agreed on; from the next expression on.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// From the next expression on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes a piece of the stream.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.at == self.buffer.len() && self.buffer.capacity() > 8 * bytes.len() {
            // Much has arrived once; an idle connection does not keep the room for it.
            (self.buffer, self.at) = (Vec::with_capacity(bytes.len()), 0);
        }
        if self.at > 0 && self.at >= self.buffer.len() / 2 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next expression, if all of it has arrived.
    ///
    /// # Errors
    /// The stream is broken and stays so.
    pub fn next_expression(&mut self) -> Result<Option<Expression>, BananaError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let result = self.advance();
        if let Err(error) = &result {
            self.broken = Some(error.clone());
            self.open = Vec::new();
            self.string = None;
            self.at = self.buffer.len();
        }
        self.tidy();
        result
    }

    fn advance(&mut self) -> Result<Option<Expression>, BananaError> {
        loop {
            let value = if self.string.is_some() {
                match self.more_string() {
                    Some(bytes) => Expression::Bytes(bytes),
                    None => return Ok(None),
                }
            } else {
                match self.token()? {
                    None => return Ok(None),
                    Some(Token::Value(value)) => value,
                    Some(Token::List(0)) => Expression::List(Vec::new()),
                    Some(Token::List(missing)) => {
                        self.open.push(OpenList { missing, items: Vec::new() });
                        continue;
                    }
                    Some(Token::String(missing)) => {
                        self.string = Some(OpenString { missing, bytes: Vec::new() });
                        continue;
                    }
                }
            };
            if let Some(whole) = self.place(value) {
                (self.size, self.elements) = (0, 0);
                return Ok(Some(whole));
            }
        }
    }

    /// Puts a finished value into the innermost list; gives back the outermost one when it is full.
    fn place(&mut self, mut value: Expression) -> Option<Expression> {
        while let Some(list) = self.open.last_mut() {
            list.items.push(value);
            list.missing -= 1;
            if list.missing > 0 {
                return None;
            }
            value = Expression::List(self.open.pop()?.items);
        }
        Some(value)
    }

    /// All of the open string, if it has arrived.
    fn more_string(&mut self) -> Option<Vec<u8>> {
        let string = self.string.as_mut()?;
        let available = &self.buffer[self.at..];
        let taken = string.missing.min(available.len());
        string.bytes.extend_from_slice(&available[..taken]);
        string.missing -= taken;
        self.at += taken;
        match string.missing {
            0 => self.string.take().map(|string| string.bytes),
            _ => None,
        }
    }

    /// The token at `at`, which moves past it, if all of the token has arrived.
    fn token(&mut self) -> Result<Option<Token>, BananaError> {
        let rest = &self.buffer[self.at..];
        let Some(length) = rest.iter().take(MAX_PREFIX + 1).position(|byte| *byte >= 0x80) else {
            return match rest.len() > MAX_PREFIX {
                true => Err(BananaError::LongNumber),
                false => Ok(None),
            };
        };
        let (groups, kind) = (&rest[..length], rest[length]);
        let mut used = length + 1;
        let token = match kind {
            LIST => Token::List(bounded(groups, MAX_LIST).ok_or(BananaError::LongList)?),
            STRING => Token::String(bounded(groups, MAX_STRING).ok_or(BananaError::LongString)?),
            INT | LONG_INT => integer(groups, false),
            NEG | LONG_NEG => integer(groups, true),
            FLOAT => {
                let Some(bytes) = rest[used..].first_chunk() else { return Ok(None) };
                used += bytes.len();
                Token::Value(Expression::Float(f64::from_be_bytes(*bytes)))
            }
            VOCABULARY => self.word(groups)?,
            other => return Err(BananaError::UnknownType(other)),
        };
        self.account(used, &token)?;
        self.at += used;
        Ok(Some(token))
    }

    fn word(&self, groups: &[u8]) -> Result<Token, BananaError> {
        let word = magnitude(groups).and_then(word_of).filter(|_| self.dialect == Dialect::Pb);
        Ok(Token::Value(Expression::bytes(word.ok_or(BananaError::UnknownWord)?)))
    }

    /// Checks the limits with what the token announces.
    fn account(&mut self, used: usize, token: &Token) -> Result<(), BananaError> {
        let Limits { size, elements, depth } = self.limits;
        let (bytes, children) = match token {
            Token::Value(_) => (0, 0),
            Token::String(length) => (*length, 0),
            Token::List(length) => (*length, *length), // an element has at least one byte
        };
        self.size += used;
        self.elements = self.elements.max(1) + children;
        if self.size + bytes > size {
            return Err(BananaError::TooLarge { limit: size });
        }
        if let Token::String(length) = token {
            self.size += length;
        }
        if self.elements > elements {
            return Err(BananaError::TooMany { limit: elements });
        }
        if matches!(token, Token::List(_)) && self.open.len() >= depth {
            return Err(BananaError::TooDeep { limit: depth });
        }
        Ok(())
    }

    /// An idle connection keeps no large buffer.
    fn tidy(&mut self) {
        if self.at == self.buffer.len() {
            self.at = 0;
            match self.buffer.capacity() > KEEP {
                true => self.buffer = Vec::new(),
                false => self.buffer.clear(),
            }
        }
    }
}

fn integer(groups: &[u8], negative: bool) -> Token {
    Token::Value(match from_groups(groups, negative) {
        Integer::Small(number) => Expression::Int(number),
        Integer::Big(number) => Expression::Big(Box::new(number)),
    })
}

fn bounded(groups: &[u8], limit: usize) -> Option<usize> {
    magnitude(groups).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_cost_no_memory() {
        let mut decoder =
            Decoder::new(Limits { elements: 2_000_000, depth: 10, ..Limits::default() });
        decoder.receive(b"\x00\x00\x28\x80\x00\x00\x28\x80\x00\x00\x28\x82abc");
        assert_eq!(decoder.next_expression(), Ok(None));
        assert!(decoder.open.iter().all(|list| list.items.capacity() < 10));
        assert!(decoder.string.is_some_and(|string| string.bytes.capacity() < 100));
    }
}
