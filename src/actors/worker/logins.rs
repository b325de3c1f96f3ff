//! Who may log in, and how fast somebody may guess.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

/// Names and passwords of the configured workers. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Logins(Arc<RwLock<HashMap<String, String>>>);

impl Logins {
    pub(super) fn replace(&self, logins: HashMap<String, String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = logins;
    }

    /// Is the password of `name` the one that `matches` accepts? `matches` compares in constant
    /// time; it is asked for an unknown name as well, so that this takes as long.
    pub(super) fn accept(&self, name: &str, matches: impl FnOnce(&str) -> bool) -> bool {
        let logins = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let expected = logins.get(name);
        let same = matches(expected.map_or("", String::as_str));
        same && expected.is_some()
    }
}

/// Failures that cost nothing: a typing error is no attack.
const FREE: u32 = 3;
/// The first pause and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// After so long without a failure an address is forgotten.
const MEMORY: Duration = Duration::from_secs(60);
/// Addresses remembered at most.
const ADDRESSES: usize = 4096;

/// Makes those wait whose logins keep failing. Clones share what is remembered.
#[derive(Clone, Default)]
pub(super) struct Throttle(Arc<Mutex<HashMap<IpAddr, Failures>>>);

struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// A wrong password or name; answers how long the refusal is to be held back.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        let mut known = self.lock();
        if known.len() >= ADDRESSES {
            known.retain(|_, failures| now < failures.last + MEMORY);
        }
        if known.len() >= ADDRESSES && !known.contains_key(&address) {
            return PAUSES.1;
        }
        let failures = known.entry(address).or_insert(Failures { count: 0, last: now });
        let forgotten = now >= failures.last + MEMORY;
        let count = if forgotten { 1 } else { failures.count.saturating_add(1) };
        *failures = Failures { count, last: now };
        pause_after(count)
    }

    /// A good login.
    pub(super) fn succeeded(&self, address: IpAddr) {
        self.lock().remove(&address);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause_after(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(more) => (PAUSES.0 * 2_u32.saturating_pow((more - 1).min(10))).min(PAUSES.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_compared_and_refused() {
        let logins = Logins::default();
        logins.replace([("w".to_owned(), "sekret".to_owned())].into());
        let mut asked = Vec::new();
        assert!(logins.accept("w", |password| password == "sekret"));
        assert!(!logins.accept("stranger", |password| {
            asked.push(password.to_owned());
            true
        }));
        assert_eq!(asked, [""]);
    }

    #[test]
    fn pauses_grow_and_are_forgotten() {
        let (throttle, mut now) = (Throttle::default(), Instant::now());
        let (bad, good): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let pauses: Vec<u128> = (0..9).map(|_| throttle.failed(bad, now).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 0, 250, 500, 1000, 2000, 4000, 5000]);
        assert_eq!(throttle.failed(good, now), Duration::ZERO);
        now += MEMORY;
        assert_eq!(throttle.failed(bad, now), Duration::ZERO, "counted from the beginning");
        throttle.succeeded(bad);
        throttle.succeeded(good);
        assert!(throttle.lock().is_empty());
    }
}
