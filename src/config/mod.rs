//! What the user wrote, in two stages: [`raw`] is exactly the file, checked values are typed and
//! ready.
//!
//! All problems of a file are found in one pass and reported together, each with file, line and
//! key path. A bad file changes nothing.

pub mod raw;
pub mod checked;
pub mod fields;
pub mod problems;
