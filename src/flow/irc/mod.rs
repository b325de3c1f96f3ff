//! The IRC bot's decisions: what was said to it, who may, what is told to whom, who is there and
//! how likely they saw it.

pub mod names;
pub mod request;
pub mod authz;
pub mod notify;
pub mod flood;
pub mod lines;
pub mod presence;
pub mod sign_on;
pub mod channels;
pub mod backoff;
pub mod claim;
pub mod force;
pub mod wording;
