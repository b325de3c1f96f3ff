//! How much a peer may send, and what is wrong when it sends more.

/// Bytes of a number. Longer ones are fatal to every peer.
pub const MAX_PREFIX: usize = 64;
/// Bytes of one string. Longer ones are fatal to every peer.
pub const MAX_STRING: usize = 640 * 1024;
/// Elements of one list. Longer ones are fatal to every peer.
pub const MAX_LIST: usize = 640 * 1024;

/// How much one expression may hold, beside the limits that all peers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on the wire.
    pub size: usize,
    /// Elements in total, lists included.
    pub elements: usize,
    /// Lists inside one another.
    pub depth: usize,
}

impl Default for Limits {
    /// 16 MiB, one million elements, 64 deep: far above anything that either stock side sends.
    fn default() -> Limits {
        Limits { size: 16 << 20, elements: 1_000_000, depth: 64 }
    }
}

impl Limits {
    /// 64 KiB, 2048 elements, 16 deep: for peers that have not logged in.
    pub fn before_login() -> Limits {
        Limits { size: 64 << 10, elements: 2048, depth: 16 }
    }
}

/// Why bytes are no expression, or an expression cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BananaError {
    #[error("a number longer than {MAX_PREFIX} bytes")]
    LongNumber,
    #[error("a string of more than {MAX_STRING} bytes")]
    LongString,
    #[error("a list of more than {MAX_LIST} elements")]
    LongList,
    #[error("an expression of more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("an expression of more than {limit} elements")]
    TooMany { limit: usize },
    #[error("an expression nested more than {limit} deep")]
    TooDeep { limit: usize },
    #[error("a type byte 0x{0:02x}, which does not exist")]
    UnknownType(u8),
    #[error("a vocabulary word that does not exist or was not agreed on")]
    UnknownWord,
}
