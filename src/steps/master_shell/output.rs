//! What a program on the master prints, as text.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at once.
const BLOCK: usize = 64 * 1024;

/// One pipe, decoded: characters may be cut by a read.
pub struct Output {
    pipe: Box<dyn AsyncRead + Unpin>,
    buffer: Box<[u8]>,
    /// Bytes at the beginning of `buffer` that are the beginning of a character.
    kept: usize,
}

impl Output {
    pub fn new(pipe: impl AsyncRead + Unpin + 'static) -> Output {
        Output { pipe: Box::new(pipe), buffer: vec![0; BLOCK].into_boxed_slice(), kept: 0 }
    }

    /// The next text; `None` at the end, which a terminal tells as an error. Safe to drop while it waits.
    pub async fn read(&mut self) -> Option<String> {
        let count = self.pipe.read(&mut self.buffer[self.kept..]).await.unwrap_or(0);
        let filled = self.kept + count;
        if filled == 0 {
            return None;
        }
        let whole = if count == 0 { filled } else { whole_characters(&self.buffer[..filled]) };
        let text = String::from_utf8_lossy(&self.buffer[..whole]).into_owned();
        self.buffer.copy_within(whole..filled, 0);
        self.kept = filled - whole;
        Some(text)
    }
}

/// How many bytes are left without a character that may still become whole.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => {
            let tail = bytes.len().saturating_sub(3);
            let cut = (tail..bytes.len()).find(|at| {
                matches!(std::str::from_utf8(&bytes[*at..]),
                    Err(error) if error.valid_up_to() == 0 && error.error_len().is_none())
            });
            cut.unwrap_or(bytes.len())
        }
        Ok(_) => bytes.len(),
    }
}
