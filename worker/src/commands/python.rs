//! Values the way Python prints them: headers of a stock worker show them so, and log parsers look
//! for it.

use protocol::command::LogFile;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// `b'...'`
pub fn bytes_repr(text: &str) -> String {
    let mut shown = String::from("b");
    quoted(&mut shown, text.contains('\'') && !text.contains('"'), |shown, quote| {
        for byte in text.bytes() {
            match byte {
                b' '..=b'~' => plain(shown, char::from(byte), quote),
                other => control(shown, u32::from(other)),
            }
        }
    });
    shown
}

/// `[b'..', b'..']`
pub fn bytes_list_repr(items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| bytes_repr(item)).collect();
    format!("[{}]", items.join(", "))
}

/// `'...'`
pub fn str_repr(text: &str) -> String {
    let mut shown = String::new();
    quoted(&mut shown, text.contains('\'') && !text.contains('"'), |shown, quote| {
        for character in text.chars() {
            match character.is_control() {
                true => control(shown, u32::from(character)),
                false => plain(shown, character, quote),
            }
        }
    });
    shown
}

/// `{'name': 'file', 'other': {'filename': 'file', 'follow': True}}`
pub fn logfiles_repr(logfiles: &[(String, LogFile)]) -> String {
    let value = |file: &LogFile| match file.follow {
        false => str_repr(&file.filename),
        true => format!("{{'filename': {}, 'follow': True}}", str_repr(&file.filename)),
    };
    let items: Vec<String> = logfiles
        .iter()
        .map(|(name, file)| format!("{}: {}", str_repr(name), value(file)))
        .collect();
    format!("{{{}}}", items.join(", "))
}

/// `[Errno 2] No such file or directory: '/path'`
pub fn os_error(path: &Path, error: &io::Error) -> String {
    let path = str_repr(&path.to_string_lossy());
    match error.raw_os_error() {
        Some(number) => format!("[Errno {number}] {}: {path}", system_text(error)),
        None => format!("{error}: {path}"),
    }
}

/// The system's text for an error, without its number.
pub fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

/// A number without a useless fraction.
pub fn number(value: f64) -> String {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => format!("{}", value as i64),
        false => format!("{value}"),
    }
}

/// A command line as a POSIX shell would take it.
pub fn shell_quote(items: &[&str]) -> String {
    items.iter().map(|item| quote_one(item)).collect::<Vec<_>>().join(" ")
}

fn quote_one(item: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    match item.is_empty() {
        true => "\"\"".to_owned(),
        false if item.chars().all(safe) => item.to_owned(),
        false => format!("'{}'", item.replace('\'', "'\"'\"'")),
    }
}

fn quoted(shown: &mut String, double: bool, body: impl FnOnce(&mut String, char)) {
    let quote = if double { '"' } else { '\'' };
    shown.push(quote);
    body(shown, quote);
    shown.push(quote);
}

fn plain(shown: &mut String, character: char, quote: char) {
    if character == quote || character == '\\' {
        shown.push('\\');
    }
    shown.push(character);
}

fn control(shown: &mut String, code: u32) {
    let _ = match code {
        0x0a => write!(shown, "\\n"),
        0x0d => write!(shown, "\\r"),
        0x09 => write!(shown, "\\t"),
        other => write!(shown, "\\x{other:02x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn representations_of_recorded_headers() {
        assert_eq!(bytes_repr(r#"head -c 5 | tr "\0" Q"#), r#"b'head -c 5 | tr "\\0" Q'"#);
        assert_eq!(bytes_repr("it's"), r#"b"it's""#);
        assert_eq!(bytes_repr("'\""), r#"b'\'"'"#);
        assert_eq!(bytes_repr("ü\n"), r"b'\xc3\xbc\n'");
        assert_eq!(bytes_list_repr(&["sh", "-c"]), "[b'sh', b'-c']");
        assert_eq!(str_repr("ü'"), r#""ü'""#);
    }

    #[test]
    fn command_lines_are_quoted() {
        assert_eq!(shell_quote(&["sh", "-c", "echo 'a'", ""]), r#"sh -c 'echo '"'"'a'"'"'' """#);
    }

    #[test]
    fn errors_of_the_system() {
        let error = io::Error::from_raw_os_error(2);
        let expected = "[Errno 2] No such file or directory: '/a'";
        assert_eq!(os_error(Path::new("/a"), &error), expected);
        assert_eq!(os_error(Path::new("/a"), &io::Error::other("odd")), "odd: '/a'");
        let error = io::Error::from_raw_os_error(40);
        assert_eq!(system_text(&error), "Too many levels of symbolic links");
    }

    #[test]
    fn log_files_and_numbers() {
        let file = |follow| LogFile { filename: "f.log".into(), follow };
        assert_eq!(
            logfiles_repr(&[("my".into(), file(false)), ("fol".into(), file(true))]),
            "{'my': 'f.log', 'fol': {'filename': 'f.log', 'follow': True}}"
        );
        assert_eq!(logfiles_repr(&[]), "{}");
        assert_eq!((number(1200.0), number(1.5)), ("1200".to_owned(), "1.5".to_owned()));
    }
}
