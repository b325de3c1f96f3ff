//! The directory of all bots, for those who want somebody told something.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use indexmap::IndexMap;

use super::handle::{Delivery, How, IrcHandle};

/// Sends a code to the address on record of a user; see `i am user`.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Mails `code` to `address`; answers when it is queued. The code must not be logged.
    ///
    /// # Errors
    /// Why it cannot be sent, for people.
    async fn send_code(&self, user: &str, address: &str, code: &str) -> Result<(), String>;
}

/// All running bots by name. Clones share them.
#[derive(Clone, Default)]
pub struct IrcBots {
    entries: Arc<Mutex<Entries>>,
}

#[derive(Default)]
struct Entries {
    bots: IndexMap<String, IrcHandle>,
    mailer: Option<Arc<dyn Mailer>>,
}

impl IrcBots {
    /// From now on codes are mailed in this way.
    pub fn set_mailer(&self, mailer: Arc<dyn Mailer>) {
        self.lock().mailer = Some(mailer);
    }

    pub(super) fn mailer(&self) -> Option<Arc<dyn Mailer>> {
        self.lock().mailer.clone()
    }

    pub(super) fn add(&self, handle: IrcHandle) {
        self.lock().bots.insert(handle.name().to_owned(), handle);
    }

    /// Forgets a bot that is not configured any more.
    pub fn remove(&self, name: &str) {
        self.lock().bots.shift_remove(name);
    }

    /// The bot of that name.
    pub fn get(&self, name: &str) -> Option<IrcHandle> {
        self.lock().bots.get(name).cloned()
    }

    /// Every bot, in the order of their start.
    pub fn all(&self) -> Vec<IrcHandle> {
        self.lock().bots.values().cloned().collect()
    }

    /// Tells the user through the bot that reaches them best; `None` when there is no bot. The
    /// second value names the bot, for [`IrcHandle::seen`] later.
    pub async fn tell(&self, user: &str, text: &str) -> Option<(Delivery, IrcHandle)> {
        let mut best: Option<(f32, IrcHandle)> = None;
        for bot in self.all() {
            let odds = bot.presence(user).await.seen_likelihood;
            if best.as_ref().is_none_or(|(most, _)| odds > *most) {
                best = Some((odds, bot));
            }
        }
        let (_, first) = best?;
        let delivery = first.tell(user, text).await;
        if !matches!(delivery.how, How::Unknown | How::Offline) {
            return Some((delivery, first));
        }
        for bot in self.all().into_iter().filter(|bot| bot.name() != first.name()) {
            let other = bot.tell(user, text).await;
            if !matches!(other.how, How::Unknown | How::Offline) {
                return Some((other, bot));
            }
        }
        Some((delivery, first))
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
