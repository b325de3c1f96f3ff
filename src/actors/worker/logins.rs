//! Who may log in, and how fast somebody may guess.
//!
//! Workers are those of the configuration. Clients, such as those that send changes, are served by
//! somebody who registers their name for as long as it lives. As with stock masters, every port has
//! names of its own; those of the workers' ports are the same at all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use protocol::broker::Args;
use protocol::jelly::{Failure, Value};
use tokio::time::Instant;

use super::line::Line;
use crate::config::checked::{Listen, WorkerListen};

/// What a client of Perspective Broker may call: what its login gives, and what it is
/// [shown](Line::show) later.
#[async_trait]
pub trait Perspective: Send + Sync {
    /// Does what the client asks, who is at the other end of `line`.
    ///
    /// # Errors
    /// What the client is told when that was not possible.
    async fn call(&self, method: &str, args: Args, line: &Line) -> Result<Value, Failure>;

    /// Whether a call of `method` may wait for long, as for the end of a build. Many of them may
    /// wait at once.
    fn is_patient(&self, _method: &str) -> bool {
        false
    }
}

/// Everybody who may log in, with name and password. Clones share them.
#[derive(Clone, Default)]
pub struct Logins(Arc<RwLock<Names>>);

#[derive(Default)]
struct Names {
    /// Passwords by name.
    workers: HashMap<String, String>,
    /// Where workers, and the clients that have no port of their own, log in.
    shared: Vec<WorkerListen>,
    /// By port, `None` for the shared ones, and name.
    clients: HashMap<Key, Client>,
    /// Registrations so far.
    registered: u64,
}

type Key = (Option<Listen>, String);

struct Client {
    number: u64,
    password: String,
    perspective: Arc<dyn Perspective>,
}

/// Whom a name belongs to.
pub(super) enum Login {
    Worker,
    Client(Arc<dyn Perspective>),
}

/// The name of a client. It is taken off when this is dropped; connections that have logged in
/// stay.
pub struct Registration {
    logins: Logins,
    key: Key,
    number: u64,
}

impl Logins {
    /// Lets clients log in as `name` at `port`, or at the ports of workers. The configuration sees
    /// to it that nobody else has the name there; if it is taken all the same, the last one counts.
    pub fn register(
        &self,
        port: Option<&Listen>,
        name: &str,
        password: &str,
        perspective: Arc<dyn Perspective>,
    ) -> Registration {
        let mut names = self.write();
        names.registered += 1;
        let number = names.registered;
        let client = Client { number, password: password.to_owned(), perspective };
        let key = (port.cloned(), name.to_owned());
        names.clients.insert(key.clone(), client);
        drop(names);
        Registration { logins: self.clone(), key, number }
    }

    /// Makes these the workers, passwords by name, and the ports where they log in.
    pub(super) fn set_workers(&self, workers: HashMap<String, String>, ports: Vec<WorkerListen>) {
        let mut names = self.write();
        (names.workers, names.shared) = (workers, ports);
    }

    /// Whom `name` belongs to at `port`, if its password is the one that `matches` accepts.
    /// `matches` compares in constant time; it is asked for an unknown name as well, so that this
    /// takes as long.
    pub(super) fn accept(
        &self,
        port: &WorkerListen,
        name: &str,
        matches: impl FnOnce(&str) -> bool,
    ) -> Option<Login> {
        let names = self.read();
        let shared = names.shared.contains(port);
        let mut key = (Some(port.listen.clone()), name.to_owned());
        let mut client = names.clients.get(&key);
        if client.is_none() && shared {
            key.0 = None;
            client = names.clients.get(&key);
        }
        let known = match (client, names.workers.get(name).filter(|_| shared)) {
            (Some(client), _) => {
                Some((client.password.as_str(), Login::Client(client.perspective.clone())))
            }
            (None, Some(password)) => Some((password.as_str(), Login::Worker)),
            (None, None) => None,
        };
        let same = matches(known.as_ref().map_or("", |(password, _)| *password));
        known.filter(|_| same).map(|(_, login)| login)
    }

    fn read(&self) -> RwLockReadGuard<'_, Names> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Names> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut names = self.logins.write();
        if names.clients.get(&self.key).is_some_and(|client| client.number == self.number) {
            names.clients.remove(&self.key);
        }
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
    use crate::config::checked::WorkerProtocol;

    fn listen(port: u16) -> WorkerListen {
        let listen = Listen { interface: None, port, tls: None };
        WorkerListen { protocol: WorkerProtocol::PerspectiveBroker, listen }
    }

    /// Workers log in at port 1.
    fn logins(workers: &[(&str, &str)]) -> Logins {
        let logins = Logins::default();
        let workers = workers.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned()));
        logins.set_workers(workers.collect(), vec![listen(1)]);
        logins
    }

    #[test]
    fn unknown_names_are_compared_and_refused() {
        let logins = logins(&[("w", "sekret")]);
        let mut asked = Vec::new();
        let worker = |port| logins.accept(&listen(port), "w", |password| password == "sekret");
        assert!(matches!(worker(1), Some(Login::Worker)));
        assert!(worker(2).is_none(), "no port for workers");
        let stranger = logins.accept(&listen(1), "stranger", |password| {
            asked.push(password.to_owned());
            true
        });
        assert!(stranger.is_none());
        assert_eq!(asked, [""]);
    }

    /// Answers its own number.
    struct Numbered(i64);

    #[async_trait]
    impl Perspective for Numbered {
        async fn call(&self, _: &str, _: Args, _: &Line) -> Result<Value, Failure> {
            Ok(Value::Int(self.0))
        }
    }

    async fn who_is(logins: &Logins, port: u16, name: &str, password: &str) -> Option<Value> {
        match logins.accept(&listen(port), name, |expected| expected == password)? {
            Login::Worker => None,
            Login::Client(perspective) => {
                perspective.call("who", Args::default(), &Line::new().0).await.ok()
            }
        }
    }

    #[tokio::test]
    async fn clients_may_log_in_while_they_are_registered() {
        let logins = logins(&[]);
        let first = logins.register(None, "change", "changepw", Arc::new(Numbered(1)));
        assert_eq!(who_is(&logins, 1, "change", "changepw").await, Some(Value::Int(1)));
        assert_eq!(who_is(&logins, 1, "change", "wrong").await, None);
        let second = logins.register(None, "change", "other", Arc::new(Numbered(2)));
        drop(first);
        assert_eq!(who_is(&logins, 1, "change", "changepw").await, None);
        assert_eq!(who_is(&logins, 1, "change", "other").await, Some(Value::Int(2)));
        logins.set_workers(HashMap::new(), vec![listen(1)]);
        assert_eq!(who_is(&logins, 1, "change", "other").await, Some(Value::Int(2)));
        drop(second);
        assert_eq!(who_is(&logins, 1, "change", "other").await, None);
    }

    #[tokio::test]
    async fn every_port_has_names_of_its_own() {
        let logins = logins(&[("w", "sekret")]);
        let port = |number| Some(listen(number).listen);
        let shared = logins.register(None, "joe", "a", Arc::new(Numbered(0)));
        let _second = logins.register(port(2).as_ref(), "joe", "b", Arc::new(Numbered(2)));
        let _third = logins.register(port(3).as_ref(), "joe", "c", Arc::new(Numbered(3)));
        for (number, password, expected) in [
            (1, "a", Some(0)),
            (2, "b", Some(2)),
            (3, "c", Some(3)),
            (2, "a", None),
            (1, "b", None),
        ] {
            let who = who_is(&logins, number, "joe", password).await;
            assert_eq!(who, expected.map(Value::Int), "{number} {password}");
        }
        let own = logins.register(port(1).as_ref(), "joe", "d", Arc::new(Numbered(1)));
        assert_eq!(who_is(&logins, 1, "joe", "d").await, Some(Value::Int(1)));
        drop((own, shared));
        assert_eq!(who_is(&logins, 1, "joe", "a").await, None);
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
