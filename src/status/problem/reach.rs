//! What the hassler needs of IRC.

use async_trait::async_trait;

/// Reaches people on IRC. `bot` names one; without it any bot will do.
#[async_trait]
pub trait Reach: Send + Sync {
    /// Do the bots know who is there? Not before they are connected.
    fn is_settled(&self) -> bool;

    /// Can the user (an identifier, an attribute, or as a change names them) be told something?
    async fn is_there(&self, bot: Option<&str>, user: &str) -> bool;

    /// Tells the user something in private; `None` when the network did not take it.
    async fn tell(&self, bot: Option<&str>, user: &str, text: &str) -> Option<Delivered>;

    /// How likely whoever has the nick has seen by now what they were last told, 0 to 1.
    fn seen(&self, bot: &str, nick: &str) -> f32;
}

/// The record of something told.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    pub bot: String,
    pub nick: String,
    /// How likely it was seen when it came, 0 to 1.
    pub likelihood: f32,
}
