//! Locks: what only so many may use at once, and how somebody wants to use it.

use serde::Serialize;

/// How many copies of a lock there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum LockKind {
    /// One for the whole master.
    #[serde(rename = "MasterLock")]
    Master,
    /// One for each worker.
    #[serde(rename = "WorkerLock")]
    Worker,
}

/// How a lock is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockMode {
    /// So many units of it, beside others.
    Counting(usize),
    /// Alone, whatever its size.
    Exclusive,
}

impl LockMode {
    /// Stock's word: `counting` or `exclusive`.
    pub fn name(self) -> &'static str {
        match self {
            LockMode::Counting(_) => "counting",
            LockMode::Exclusive => "exclusive",
        }
    }
}

/// One entry of a list `locks`: which lock, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockAccess {
    pub name: String,
    pub mode: LockMode,
}
