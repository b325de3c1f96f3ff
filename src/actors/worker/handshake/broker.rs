//! tmp
use super::{Caller, HandshakeError};
use crate::actors::worker::logins::Logins;
use crate::actors::worker::transport::Pipe;
pub(super) async fn enter(_pipe: Pipe, _logins: &Logins) -> Result<Caller, HandshakeError> {
    Err(HandshakeError::Closed)
}
