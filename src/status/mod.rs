//! Everybody who watches.
