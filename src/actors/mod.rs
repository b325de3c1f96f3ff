//! Shells around `flow`, in the order of the flow.

pub mod mail;
pub mod tree;
pub mod supervise;
pub mod announcer;
