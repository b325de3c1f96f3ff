//! `buildbot.tac`: the file that makes a directory a master's, and the few settings in it.
//!
//! Stock Buildbot's is a Python program. Ours has the same settings in the same words, and stock's
//! own commands accept the directory. Of either, the lines that assign a plain value at their
//! very beginning are read, nothing is run.

use std::fmt::Write as _;

/// The file's name.
pub const FILE: &str = "buildbot.tac";

/// The text by which stock's commands know a master's directory.
const MARK: &str = "Application('buildmaster')";

/// Bytes of `twistd.log` before it is rotated, as in stock.
pub const LOG_SIZE: u64 = 10_000_000;

/// Rotated logs that are kept, as in stock.
pub const LOG_COUNT: u32 = 10;

/// The configuration file of a new master.
pub const CONFIG_FILE: &str = "master.toml";

/// What a `buildbot.tac` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tac {
    /// `.` is the directory that the file lies in.
    pub basedir: String,
    /// Relative to the base directory.
    pub configfile: String,
    /// Bytes before `twistd.log` is rotated; `None` never rotates.
    pub log_size: Option<u64>,
    /// Rotated logs that are kept; `None` keeps all.
    pub log_count: Option<u32>,
    /// Mask for the modes of new files.
    pub umask: Option<u32>,
}

impl Default for Tac {
    fn default() -> Tac {
        Tac {
            basedir: ".".into(),
            configfile: CONFIG_FILE.into(),
            log_size: Some(LOG_SIZE),
            log_count: Some(LOG_COUNT),
            umask: None,
        }
    }
}

/// A plain value of Python.
pub(super) enum Literal {
    Text(String),
    Number(u64),
    None,
}

impl Tac {
    /// Reads the settings out of a file's text.
    ///
    /// # Errors
    /// When the text is not that of a master's file; the message says what is wrong.
    pub fn parse(text: &str) -> Result<Tac, String> {
        if !text.contains(MARK) {
            return Err(format!(
                "does not contain the text {MARK} that marks a master's directory"
            ));
        }
        // A stock file without a line for it means stock's default.
        let mut tac = Tac { configfile: "master.cfg".into(), ..Tac::default() };
        for (index, line) in text.lines().enumerate() {
            let Some((name, value)) = assignment(line) else { continue };
            tac.take(name, value).map_err(|what| format!("line {}: {what}", index + 1))?;
        }
        Ok(tac)
    }

    fn take(&mut self, name: &str, value: Literal) -> Result<(), String> {
        match (name, value) {
            ("basedir", Literal::Text(dir)) => self.basedir = dir,
            ("configfile", Literal::Text(file)) => self.configfile = file,
            ("rotateLength", Literal::Number(bytes)) => self.log_size = Some(bytes),
            ("rotateLength", Literal::None) => self.log_size = None,
            ("maxRotatedFiles", Literal::Number(count)) => {
                self.log_count = Some(u32::try_from(count).unwrap_or(u32::MAX));
            }
            ("maxRotatedFiles", Literal::None) => self.log_count = None,
            ("umask", Literal::Number(mask)) => {
                self.umask = Some(u32::try_from(mask).map_err(|_| "umask is too great")?);
            }
            ("umask", Literal::None) => self.umask = None,
            ("basedir" | "configfile", _) => return Err(format!("{name} must be a string")),
            ("rotateLength" | "maxRotatedFiles" | "umask", Literal::Text(_)) => {
                return Err(format!("{name} must be a number without quotes, or None"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The text of a new file.
    pub fn render(&self) -> String {
        let number = |n: Option<u64>| n.map_or("None".to_owned(), |n| n.to_string());
        let mut text = String::from("# The settings of this build master.\n\n");
        let _ =
            writeln!(text, "# Where the master's files are; '.' is the directory of this file.");
        let _ = writeln!(text, "basedir = {}", quoted(&self.basedir));
        let _ =
            writeln!(text, "\n# Size in bytes at which twistd.log is rotated, or None, and how");
        let _ = writeln!(text, "# many rotated files are kept; None keeps all.");
        let _ = writeln!(text, "rotateLength = {}", number(self.log_size));
        let _ = writeln!(text, "maxRotatedFiles = {}", number(self.log_count.map(u64::from)));
        let _ = writeln!(text, "\nconfigfile = {}", quoted(&self.configfile));
        let _ = writeln!(text, "\n# Mask for the modes of new files, such as 0o022, or None.");
        let umask = self.umask.map_or("None".to_owned(), |mask| format!("0o{mask:03o}"));
        let _ = writeln!(text, "umask = {umask}");
        let _ = writeln!(text, "\n# Marks the directory as a build master's: {MARK}");
        text
    }
}

/// A Python string.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `name = literal` at the beginning of a line; a comment may follow.
pub(super) fn assignment(line: &str) -> Option<(&str, Literal)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !is_name {
        return None;
    }
    let value = value.trim();
    literal(value).map(|literal| (name, literal))
}

fn literal(text: &str) -> Option<Literal> {
    let (raw, body) = match text.strip_prefix(['r', 'u', 'R', 'U']) {
        Some(body) if body.starts_with(['\'', '"']) => (!text.starts_with(['u', 'U']), body),
        _ => (false, text),
    };
    if let Some(quote @ ('\'' | '"')) = body.chars().next() {
        return string(&body[1..], quote, raw).map(Literal::Text);
    }
    let word = text.split('#').next().unwrap_or_default().trim();
    match word {
        "None" => Some(Literal::None),
        _ => number(word).map(Literal::Number),
    }
}

/// The inside of a string up to its closing quote.
fn string(text: &str, quote: char, raw: bool) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if !raw => match chars.next()? {
                c @ ('\\' | '\'' | '"') => out.push(c),
                c => out.extend(['\\', c]),
            },
            c if c == quote => return Some(out),
            c => out.push(c),
        }
    }
    None
}

/// Decimal, `0o22`, and Python 2's `022`.
fn number(word: &str) -> Option<u64> {
    let digits = word.replace('_', "");
    let octal = digits.strip_prefix("0o").or_else(|| {
        digits
            .strip_prefix('0')
            .filter(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    });
    match octal {
        Some(octal) => u64::from_str_radix(octal, 8).ok(),
        None => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for tac in [
            Tac::default(),
            Tac {
                basedir: r"/srv/it's\here".into(),
                configfile: "/etc/bb.toml".into(),
                log_size: None,
                log_count: None,
                umask: Some(0o022),
            },
        ] {
            assert_eq!(Tac::parse(&tac.render()), Ok(tac));
        }
    }

    #[test]
    fn a_stock_file_is_read_for_its_settings() {
        let text = "import os\n\nbasedir = '.'\nrotateLength = 20000000 # twenty\n\
                    maxRotatedFiles = None\nconfigfile = r'other.cfg'\numask = 0o27\n\
                    if basedir == '.':\n    basedir = os.path.abspath(os.path.dirname(__file__))\n\
                    application = service.Application('buildmaster')\n\
                    m = BuildMaster(basedir, configfile, umask)\n";
        let wanted = Tac {
            basedir: ".".into(),
            configfile: "other.cfg".into(),
            log_size: Some(20_000_000),
            log_count: None,
            umask: Some(0o27),
        };
        assert_eq!(Tac::parse(text), Ok(wanted));
    }

    #[test]
    fn a_file_without_a_configuration_means_stocks_default() {
        let tac = Tac::parse("application = service.Application('buildmaster')\n");
        assert_eq!(tac.map(|tac| tac.configfile), Ok("master.cfg".to_owned()));
    }

    #[test]
    fn wrong_files_are_explained() {
        for (text, part) in [
            ("basedir = '.'\n", "marks a master's directory"),
            ("Application('buildslave')", "marks a master's directory"),
            (
                "# Application('buildmaster')\nrotateLength = '10'\n",
                "line 2: rotateLength must be a number",
            ),
            ("# Application('buildmaster')\nbasedir = 7\n", "line 2: basedir must be a string"),
        ] {
            let error = Tac::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
