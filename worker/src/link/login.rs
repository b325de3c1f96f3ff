//! How long the master may take to let a worker in.

use std::time::Duration;

use tokio::time::Instant;

/// For the first word of a master, which sends it as soon as it takes a connection.
const GREETING_TIMEOUT: Duration = Duration::from_secs(60);
/// For the whole login. A master that loads its configuration lets workers wait.
pub(super) const LOGIN_TIMEOUT: Duration = Duration::from_secs(300);

/// How long a login may take.
pub(super) struct Login {
    begun: Instant,
    /// The master has said something. With frames its web server has.
    pub(super) greeted: bool,
}

impl Login {
    pub(super) fn new(greeted: bool) -> Login {
        Login { begun: Instant::now(), greeted }
    }

    fn limit(&self) -> Duration {
        if self.greeted { LOGIN_TIMEOUT } else { GREETING_TIMEOUT }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.begun + self.limit()
    }

    pub(super) fn complaint(&self) -> String {
        let seconds = self.limit().as_secs();
        match self.greeted {
            true => format!("the master did not finish the login within {seconds} s"),
            false => format!(
                "what answers there said nothing for {seconds} s, where a master speaks first; is \
                 this the port of another protocol?"
            ),
        }
    }
}
