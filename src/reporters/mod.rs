//! Reporters: who is told what about builds, and by which way.

pub mod lookup;
