//! Asking for a password.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};

use anyhow::Context as _;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// Asks at the terminal, without showing what is typed. Where there is no terminal the password is
/// the first line of standard input.
///
/// # Errors
/// Nothing can be read.
pub fn password(question: &str) -> anyhow::Result<String> {
    let line = match OpenOptions::new().read(true).write(true).open("/dev/tty") {
        Ok(terminal) => at(&terminal, question),
        Err(_) => {
            eprint!("{question}");
            first_line(std::io::stdin().lock())
        }
    };
    line.context("cannot read the password")
}

fn at(mut terminal: &File, question: &str) -> std::io::Result<String> {
    let old = tcgetattr(terminal)?;
    let mut quiet = old.clone();
    quiet.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(terminal, SetArg::TCSAFLUSH, &quiet)?;
    let _restored = Restored(terminal, old);
    write!(terminal, "{question}")?;
    let line = first_line(BufReader::new(terminal));
    writeln!(terminal)?;
    line
}

fn first_line(mut input: impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Lets the terminal show again what is typed.
struct Restored<'t>(&'t File, Termios);

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = tcsetattr(self.0, SetArg::TCSAFLUSH, &self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line() {
        for (input, password) in [("s e\n", "s e"), ("a\r\nb\n", "a"), ("a", "a"), ("\n", "")] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), password, "{input:?}");
        }
        assert!(first_line(&b""[..]).is_err());
    }
}
