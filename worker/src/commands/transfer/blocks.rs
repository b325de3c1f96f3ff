//! Cuts a stream of bytes into blocks and hands them from a reading thread to the sending task.

use std::io::{self, Write};

use protocol::command::Block;
use tokio::sync::mpsc;

use super::LONGEST_BLOCK;

/// Why no more bytes are taken. Travels inside of an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Halt {
    #[error("the maximum size is reached")]
    Full,
    #[error("nobody takes the data any more")]
    Unwanted,
}

impl Halt {
    /// The reason inside of an error; `None` for an error of the file system.
    pub(super) fn of(error: &io::Error) -> Option<Halt> {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Halt>()).copied()
    }
}

/// The writing end. Blocks the thread while the other end is busy.
#[derive(Debug)]
pub(super) struct BlockWriter {
    blocks: mpsc::Sender<Vec<u8>>,
    /// Bytes of a full block.
    size: usize,
    /// Bytes that may still be sent.
    left: Option<u64>,
    buffer: Vec<u8>,
}

impl BlockWriter {
    pub(super) fn new(block: &Block, blocks: mpsc::Sender<Vec<u8>>) -> BlockWriter {
        let size = block.size.clamp(1, LONGEST_BLOCK) as usize;
        BlockWriter { blocks, size, left: block.max_size, buffer: Vec::new() }
    }

    /// Sends what does not fill a block. Fails when exactly as much as allowed was written, too: a
    /// stock worker does not look whether more would have come.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.send()?;
        match self.left {
            Some(0) => Err(io::Error::other(Halt::Full)),
            _ => Ok(()),
        }
    }

    /// Bytes that still fit into this block.
    fn room(&self) -> usize {
        let left = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        self.size.min(left) - self.buffer.len()
    }

    fn send(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.buffer);
        if block.is_empty() {
            return Ok(());
        }
        self.left = self.left.map(|left| left - block.len() as u64);
        self.blocks.blocking_send(block).map_err(|_| io::Error::other(Halt::Unwanted))
    }
}

impl Write for BlockWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room() == 0 {
            self.send()?;
        }
        if self.left == Some(0) {
            return Err(io::Error::other(Halt::Full));
        }
        let length = self.room().min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the blocks of so many bytes, and how it ended.
    fn cut(bytes: usize, size: u64, max_size: Option<u64>) -> (Vec<usize>, Option<Halt>) {
        let (sender, mut receiver) = mpsc::channel(100);
        let block = Block { workdir: String::new(), max_size, size };
        let mut writer = BlockWriter::new(&block, sender);
        let result = writer.write_all(&vec![7; bytes]).and_then(|()| writer.finish());
        let sizes = std::iter::from_fn(|| receiver.try_recv().ok()).map(|block| block.len());
        (sizes.collect(), result.err().and_then(|error| Halt::of(&error)))
    }

    #[test]
    fn blocks_and_their_limit() {
        for (bytes, size, max, expected, halt) in [
            (0, 10, None, vec![], None),
            (25, 10, None, vec![10, 10, 5], None),
            (20, 10, None, vec![10, 10], None),
            (2, 10, Some(1), vec![1], Some(Halt::Full)),
            (25, 10, Some(13), vec![10, 3], Some(Halt::Full)),
            (13, 10, Some(13), vec![10, 3], Some(Halt::Full)),
            (12, 10, Some(13), vec![10, 2], None),
            (5, 10, Some(0), vec![], Some(Halt::Full)),
            (0, 10, Some(0), vec![], Some(Halt::Full)),
            (700_000, u64::MAX, None, vec![655_360, 44_640], None),
            (2, 0, None, vec![1, 1], None),
        ] {
            assert_eq!(cut(bytes, size, max), (expected, halt), "{bytes} {size} {max:?}");
        }
    }

    #[test]
    fn a_receiver_that_is_gone_ends_the_writer() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let block = Block { workdir: String::new(), max_size: None, size: 1 };
        let error = BlockWriter::new(&block, sender).write_all(b"ab").expect_err("nobody there");
        assert_eq!(Halt::of(&error), Some(Halt::Unwanted));
    }
}
