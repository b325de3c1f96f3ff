//! `i am user NAME`: codes that were mailed and wait for being typed in.

use std::collections::HashMap;

use subtle::ConstantTimeEq;

use super::names::fold;
use crate::model::Timestamp;

/// How long a code is good for, in seconds.
pub const LIFETIME_S: i64 = 600;
/// Wrong codes after which a claim is void.
pub const TRIES: u32 = 3;
/// Claims open at once, so that nobody fills memory or mailboxes.
const OPEN: usize = 100;

/// Open claims by nick.
#[derive(Default)]
pub struct Claims(HashMap<String, Claim>);

struct Claim {
    user: String,
    code: String,
    until: Timestamp,
    tries: u32,
}

/// Why no code is sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// This nick has one already that is still good.
    Waiting,
    /// A code for this user is on its way to somebody else.
    Rival,
    TooMany,
}

/// What a typed code is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The nick belongs to this user.
    Proved(String),
    /// Wrong, with this many tries left; none left ends the claim.
    Wrong { left: u32 },
    /// There is no open claim, or its time is over.
    NoClaim,
}

impl Claims {
    /// Opens a claim of `nick` to be `user`, to be proved by `code`.
    ///
    /// # Errors
    /// When one is open already: a new code each minute would be a flood of mails.
    pub fn open(
        &mut self,
        nick: &str,
        user: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.0.retain(|_, claim| claim.until > now);
        if self.0.contains_key(&fold(nick)) {
            return Err(Refused::Waiting);
        }
        if self.0.values().any(|claim| claim.user == user) {
            return Err(Refused::Rival);
        }
        if self.0.len() >= OPEN {
            return Err(Refused::TooMany);
        }
        let (user, code) = (user.to_owned(), code.to_owned());
        self.0.insert(fold(nick), Claim { user, code, until: now + LIFETIME_S, tries: 0 });
        Ok(())
    }

    /// Takes a claim back, as when its code could not be sent.
    pub fn withdraw(&mut self, nick: &str) {
        self.0.remove(&fold(nick));
    }

    /// `nick` typed a code. After [`TRIES`] wrong ones the claim stays, void, until its time is
    /// over, so that guessing does not begin anew.
    pub fn answer(&mut self, nick: &str, typed: &str, now: Timestamp) -> Answer {
        self.0.retain(|_, claim| claim.until > now);
        let Some(claim) = self.0.get_mut(&fold(nick)) else { return Answer::NoClaim };
        if claim.tries >= TRIES {
            return Answer::Wrong { left: 0 };
        }
        if bool::from(claim.code.as_bytes().ct_eq(typed.trim().as_bytes())) {
            let user = std::mem::take(&mut claim.user);
            self.withdraw(nick);
            return Answer::Proved(user);
        }
        claim.tries += 1;
        Answer::Wrong { left: TRIES - claim.tries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_code_proves_once() {
        let mut claims = Claims::default();
        claims.open("Ally", "alice", "123456", 0).unwrap();
        assert_eq!(claims.answer("eve", "123456", 1), Answer::NoClaim);
        assert_eq!(claims.answer("ally", " 123456 ", 1), Answer::Proved("alice".to_owned()));
        assert_eq!(claims.answer("ally", "123456", 1), Answer::NoClaim);
    }

    #[test]
    fn three_wrong_codes_end_a_claim() {
        let mut claims = Claims::default();
        claims.open("eve", "alice", "123456", 0).unwrap();
        let left: Vec<Answer> = (0..3).map(|_| claims.answer("eve", "000000", 1)).collect();
        assert_eq!(left, [2, 1, 0].map(|left| Answer::Wrong { left }));
        assert_eq!(claims.answer("eve", "123456", 1), Answer::Wrong { left: 0 });
        assert_eq!(claims.open("eve", "alice", "654321", 2), Err(Refused::Waiting));
        assert_eq!(claims.open("mallory", "alice", "654321", 2), Err(Refused::Rival));
    }

    #[test]
    fn codes_expire() {
        let mut claims = Claims::default();
        claims.open("ally", "alice", "123456", 0).unwrap();
        assert_eq!(claims.answer("ally", "123456", LIFETIME_S), Answer::NoClaim);
        claims.open("ally", "alice", "123456", LIFETIME_S).unwrap();
    }

    #[test]
    fn claims_are_bounded() {
        let mut claims = Claims::default();
        for n in 0..OPEN {
            claims.open(&format!("n{n}"), &format!("u{n}"), "1", 0).unwrap();
        }
        assert_eq!(claims.open("x", "y", "1", 0), Err(Refused::TooMany));
    }
}
