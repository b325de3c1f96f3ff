//! Measures a message before anything is allocated for it.
//!
//! A single byte of MessagePack can announce four billion elements, and a one-byte element costs some
//! forty bytes once decoded. So the bytes are walked first, without recursion and without memory.

use super::error::DecodeError;

/// How much one message may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub size: usize,
    /// Arrays and maps inside one another.
    pub depth: usize,
    /// Values in total, keys included.
    pub values: usize,
}

impl Default for Limits {
    /// 64 MiB, 64 deep, one million values: far above anything that either stock side sends.
    fn default() -> Limits {
        Limits { size: 64 << 20, depth: 64, values: 1_000_000 }
    }
}

/// rmpv counts every value and every string body as one level.
pub(super) fn reader_depth(limits: &Limits) -> usize {
    limits.depth * 2 + 8
}

/// Accepts exactly one complete value within the limits.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    if bytes.len() > limits.size {
        return Err(DecodeError::TooLarge { size: bytes.len(), limit: limits.size });
    }
    let mut cursor = Cursor { bytes, at: 0 };
    let mut open: Vec<u64> = Vec::new(); // values still missing, per open array or map
    let mut values = 0usize;
    loop {
        values += 1;
        if values > limits.values {
            return Err(DecodeError::TooManyValues { limit: limits.values });
        }
        let children = cursor.skip_one()?;
        if children > 0 {
            if open.len() == limits.depth {
                return Err(DecodeError::TooDeep { limit: limits.depth });
            }
            open.push(children);
            continue;
        }
        while let Some(missing) = open.last_mut() {
            *missing -= 1;
            if *missing > 0 {
                break;
            }
            open.pop();
        }
        if open.is_empty() {
            break;
        }
    }
    match cursor.at == bytes.len() {
        true => Ok(()),
        false => Err(malformed("bytes after the end of the message")),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// Steps over one value without its children, whose number is returned.
    fn skip_one(&mut self) -> Result<u64, DecodeError> {
        let marker = self.number(1)?;
        match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Ok(0),
            0x80..=0x8f => Ok((marker & 0x0f) * 2),
            0x90..=0x9f => Ok(marker & 0x0f),
            0xa0..=0xbf => self.skip(marker & 0x1f),
            0xc4 | 0xd9 => self.skip_sized(1, 0),
            0xc5 | 0xda => self.skip_sized(2, 0),
            0xc6 | 0xdb => self.skip_sized(4, 0),
            0xc7..=0xc9 => self.skip_sized(1 << (marker - 0xc7), 1),
            0xca => self.skip(4),
            0xcb => self.skip(8),
            0xcc..=0xcf => self.skip(1 << (marker - 0xcc)),
            0xd0..=0xd3 => self.skip(1 << (marker - 0xd0)),
            0xd4..=0xd8 => self.skip(1 + (1 << (marker - 0xd4))),
            0xdc => self.number(2),
            0xdd => self.number(4),
            0xde => Ok(self.number(2)? * 2),
            0xdf => Ok(self.number(4)? * 2),
            _ => Err(malformed("a reserved marker")),
        }
    }

    /// A length of `width` bytes, then that many bytes and `extra`.
    fn skip_sized(&mut self, width: usize, extra: u64) -> Result<u64, DecodeError> {
        let length = self.number(width)?;
        self.skip(length + extra)
    }

    fn skip(&mut self, length: u64) -> Result<u64, DecodeError> {
        if (self.bytes.len() - self.at) as u64 >= length {
            self.at += length as usize;
            return Ok(0);
        }
        Err(malformed("the message ends inside a value"))
    }

    fn number(&mut self, width: usize) -> Result<u64, DecodeError> {
        let from = self.at;
        self.skip(width as u64)?;
        Ok(self.bytes[from..self.at].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

fn malformed(what: &str) -> DecodeError {
    DecodeError::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_lengths_are_never_believed() {
        let limits = Limits::default();
        for bytes in
            [&b"\xdd\xff\xff\xff\xff"[..], b"\xdb\xff\xff\xff\xffx", b"\xdf\xff\xff\xff\xff"]
        {
            assert!(matches!(check(bytes, &limits), Err(DecodeError::Malformed(_))));
        }
    }

    #[test]
    fn each_limit_has_its_own_error() {
        let limits = Limits { size: 20, depth: 3, values: 10 };
        assert_eq!(check(&[0x91, 0x91, 0x91, 0xc0], &limits), Ok(()));
        let deep = check(&[0x91, 0x91, 0x91, 0x91, 0xc0], &limits);
        assert_eq!(deep, Err(DecodeError::TooDeep { limit: 3 }));
        let many = check(b"\x9b\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01", &limits);
        assert_eq!(many, Err(DecodeError::TooManyValues { limit: 10 }));
        let large = check(&[0xc0; 21], &limits);
        assert_eq!(large, Err(DecodeError::TooLarge { size: 21, limit: 20 }));
    }

    #[test]
    fn trailing_bytes_and_reserved_markers_are_refused() {
        assert!(check(b"\xc0\xc0", &Limits::default()).is_err());
        assert!(check(b"\xc1", &Limits::default()).is_err());
        assert!(check(b"", &Limits::default()).is_err());
    }
}
