//! What can be wrong with a message, and the stock texts that answer a wrong request.

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("not valid MessagePack: {0}")]
    Malformed(String),
    #[error("a message of {size} bytes is over the limit of {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("a message with more than {limit} values")]
    TooManyValues { limit: usize },
    #[error("a message nested more than {limit} deep")]
    TooDeep { limit: usize },
    /// Sound MessagePack, but neither request nor response.
    #[error("{0}")]
    Envelope(&'static str),
}

impl DecodeError {
    /// Whether the connection should be dropped. A stock peer logs and ignores a message that is
    /// merely without `op` or `seq_number`.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, DecodeError::Envelope(_))
    }
}

/// What a master answers until it has accepted the worker.
pub const NOT_AUTHENTICATED: &str = "Worker not authenticated.";

/// The answer to an operation this side does not have.
pub fn no_such_command(op: &str) -> String {
    format!("Command {op} does not exist.")
}

/// The answer to a report about a command that does not run. The outer quotes belong to it.
pub fn unknown_command_id() -> String {
    "'unknown \"command_id\"'".to_owned()
}

/// The answer to a request that lacks a key. The outer quotes belong to it.
pub(super) fn missing_key(key: &str) -> String {
    format!("'message did not contain obligatory \"{key}\" key'")
}
