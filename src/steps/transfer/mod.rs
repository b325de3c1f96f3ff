//! Files on their way between master and worker.
//!
//! | module | what it holds |
//! |---|---|
//! | `file` | the end that receives a file |
//! | `directory`, `unpack`, `place` | the end that receives a directory: archive, unpacking, moving into place |
//! | `source` | the ends that send a file or a text |
//! | `path` | which paths of the master a step may name |
//! | `options`, `link` | the options that the steps share |
//! | `glob` | the files that patterns of a step mean |
//! | `scratch` | a file of the worker, in a temporary one |
//! | `text` | a small file of the worker, in memory |
//! | `run` | one transfer command, and what its end means for the step |

pub(super) mod directory;
pub(super) mod file;
pub(super) mod glob;
pub(super) mod link;
pub(super) mod options;
pub(super) mod path;
mod place;
pub(super) mod run;
pub(super) mod scratch;
pub(super) mod source;
#[cfg(test)]
mod tests;
pub(super) mod text;
mod unpack;

use async_trait::async_trait;

/// How temporary files and directories of a transfer are named, as in stock.
const TEMPORARY: &str = "buildbot-transfer-";

/// The master's end of a transfer: where an upload goes to, or a download comes from. A failure is a
/// text for people; the bench then ends the command and tells it in
/// [`Finished::transfer_error`](super::Finished::transfer_error).
#[async_trait]
pub trait TransferEnd: Send {
    /// Takes the next block of an upload. Returns when it is stored, so a slow disk slows the worker.
    async fn write(&mut self, data: Vec<u8>) -> Result<(), String> {
        let _ = data;
        Err("this transfer takes no data".to_owned())
    }

    /// The next block of a download, at most `length` bytes; nothing at the end.
    async fn read(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let _ = length;
        Err("this transfer has no data".to_owned())
    }

    /// The times of the file, in Unix seconds: access, modification. Comes after [`TransferEnd::close`].
    async fn utime(&mut self, accessed: f64, modified: f64) -> Result<(), String> {
        let _ = (accessed, modified);
        Ok(())
    }

    /// All data has been sent: a file is complete, an archive can be unpacked. Not called when the
    /// worker could not begin.
    async fn close(&mut self) -> Result<(), String>;
}
