//! What reporters are configured with: one folder or file per class.

pub mod irc;
