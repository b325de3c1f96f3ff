//! What a worker says about itself when it attaches.

use rmpv::Value;

/// The answer to `get_worker_info`: well-known keys apart, all others as sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkerInfo {
    /// Absolute base directory.
    pub basedir: String,
    /// `posix` or `nt`.
    pub system: String,
    pub version: String,
    pub environ: Vec<(String, String)>,
    pub admin: Option<String>,
    pub host: Option<String>,
    pub access_uri: Option<String>,
    pub numcpus: Option<i64>,
    pub delete_leftover_dirs: bool,
    /// Command name → version.
    pub commands: Vec<(String, String)>,
    /// Understands `["obfuscated", real, shown]` as an argument. Stock workers do not.
    pub obfuscated_args: bool,
    /// Everything else, in the worker's order.
    pub others: Vec<(String, Value)>,
}
