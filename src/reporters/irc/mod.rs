//! `IRC`: a bot that announces builds in channels, answers questions and takes commands.

pub mod client;
mod options;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::flow::irc::authz::Authz;
use crate::flow::irc::notify::Events;

pub use options::parse;

/// A configured bot.
#[derive(Clone)]
pub struct IrcConfig {
    pub host: String,
    pub port: u16,
    pub tls: Option<Tls>,
    pub nick: String,
    /// For SASL with [`sasl`](Self::sasl); otherwise for the server and for NickServ.
    pub password: Option<String>,
    pub sasl: bool,
    pub channels: Vec<ChannelConfig>,
    /// Nicks that get the notifications in private.
    pub pm_to_nicks: Vec<String>,
    /// What channels and these nicks hear of.
    pub events: Events,
    /// What the people whose changes were built hear of in private; nothing by default.
    pub people_events: Events,
    /// Only builders with one of these tags are announced.
    pub tags: Option<Vec<String>>,
    pub authz: Authz,
    pub show_blame_list: bool,
    pub use_revisions: bool,
    pub use_colours: bool,
    /// Announcements are notices, which no other bot answers.
    pub notice_on_channel: bool,
    /// The pause after a lost connection, and after one that could not be made; drawn by lot when
    /// absent.
    pub lost_delay: Option<Duration>,
    pub failed_delay: Option<Duration>,
    /// Lines that go out at once, and the pause between those that follow.
    pub burst: u32,
    pub interval: Duration,
    pub lookup: Lookup,
}

/// How the server proves who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates (PEM) to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
}

/// A channel to join.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelConfig {
    pub name: String,
    /// The channel's key.
    pub password: Option<String>,
}

/// IRCLookup: which nick a user has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookup {
    /// Identifier of a user → nick; first of all.
    pub nicks: HashMap<String, String>,
    /// A user whom nothing else is known of has a nick like the identifier.
    pub same_as_nick: bool,
}

/// Without passwords.
impl fmt::Debug for IrcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrcConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("nick", &self.nick)
            .field("sasl", &self.sasl)
            .field("channels", &self.channels)
            .field("authz", &self.authz)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ChannelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
