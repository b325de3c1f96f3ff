//! One binary for all tests that cross a border.
