//! Reaches people through the IRC bots.

use async_trait::async_trait;

use super::reach::{Delivered, Reach};
use crate::flow::irc::presence::Standing;
use crate::status::irc::{Delivery, How, IrcBots};

#[async_trait]
impl Reach for IrcBots {
    fn is_settled(&self) -> bool {
        let in_place = |trouble: &(String, Option<String>)| trouble.1.is_none();
        self.all().iter().all(|bot| bot.channels().iter().all(in_place))
    }

    async fn is_there(&self, bot: Option<&str>, user: &str) -> bool {
        for handle in self.all().iter().filter(|handle| bot.is_none_or(|bot| bot == handle.name()))
        {
            let standing = handle.presence(user).await.standing;
            if matches!(standing, Standing::Here | Standing::Away) {
                return true;
            }
        }
        false
    }

    async fn tell(&self, bot: Option<&str>, user: &str, text: &str) -> Option<Delivered> {
        let (delivery, handle) = match bot {
            None => IrcBots::tell(self, user, text).await?,
            Some(name) => {
                let handle = self.get(name)?;
                (handle.tell(user, text).await, handle)
            }
        };
        let Delivery { how, nick, seen_likelihood, .. } = delivery;
        let taken = matches!(how, How::Told | How::Away);
        let nick = nick.filter(|_| taken)?;
        Some(Delivered { bot: handle.name().to_owned(), nick, likelihood: seen_likelihood })
    }

    fn seen(&self, bot: &str, nick: &str) -> f32 {
        self.get(bot).map_or(0.0, |handle| handle.seen(nick))
    }
}
