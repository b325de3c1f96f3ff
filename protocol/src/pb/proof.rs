//! Challenge and response: a login proves that it knows the password without sending it.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::session::Violation;

/// What a server wants to see answered; never the same twice.
pub type Challenge = [u8; 16];

/// A challenge that nobody can foresee.
///
/// # Errors
/// The system has no random numbers; no login can be taken.
pub(super) fn unforeseeable() -> Result<Challenge, Violation> {
    let mut challenge = Challenge::default();
    getrandom::fill(&mut challenge)
        .map_err(|error| Violation(format!("the system gives no random numbers: {error}")))?;
    Ok(challenge)
}

/// The answer to a challenge by one who knows the password.
pub fn respond(password: &str, challenge: &[u8]) -> [u8; 16] {
    let hashed = Md5::digest(password.as_bytes());
    Md5::new().chain_update(hashed).chain_update(challenge).finalize().into()
}

/// The answer to a challenge that a client has given.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    pub(super) challenge: Challenge,
    pub(super) response: Vec<u8>,
}

impl Proof {
    /// Whether it was made with this password. Takes the same time whatever the answer is; so does
    /// a comparison for a name that does not exist, if it is made with any password.
    pub fn matches(&self, password: &str) -> bool {
        respond(password, &self.challenge)[..].ct_eq(&self.response).into()
    }
}

impl std::fmt::Debug for Proof {
    /// Challenge and response together would allow guessing the password at leisure.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_of_stock_clients() {
        let hex = |text: &str| {
            let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
            (0..text.len()).step_by(2).map(byte).collect::<Vec<u8>>()
        };
        for (password, challenge, response) in [
            ("sekret", "000102030405060708090a0b0c0d0e0f", "6b2d8b8554dabddd28464ebef6fcd4d6"),
            ("", "00000000000000000000000000000000", "454b7d1c8eec2b86ac4b00b197efdbf4"),
            ("päss", "30313233343536373839616263646566", "78bfe796a4881fcb7e605c9b70620b9b"),
            ("changepw", "e2f3596d9b2bcdde53203a9c4f00a262", "8f19be2ef9201bbc083b99f045575094"),
        ] {
            assert_eq!(respond(password, &hex(challenge))[..], hex(response));
            let challenge = hex(challenge).try_into().expect("16 bytes");
            let proof = Proof { challenge, response: hex(response) };
            assert!(proof.matches(password) && !proof.matches("another"));
            assert!(!Proof { response: vec![], ..proof }.matches(password));
        }
    }

    #[test]
    fn challenges_differ() {
        assert_ne!(unforeseeable(), unforeseeable());
    }
}
