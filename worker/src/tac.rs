//! `buildbot.tac`: Python text, of which `name = literal` lines at the left edge are read.
//!
//! Nothing is executed. A name whose value is not a plain literal is ignored, as is all other code, so
//! a file that a stock worker starts from serves here as well.

use std::collections::HashMap;

/// A plain Python value.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    None,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Literal {
    /// Python's idea of truth.
    pub fn is_true(&self) -> bool {
        match self {
            Literal::None => false,
            Literal::Bool(flag) => *flag,
            Literal::Integer(number) => *number != 0,
            Literal::Float(number) => *number != 0.0,
            Literal::Text(text) => !text.is_empty(),
        }
    }
}

/// The assignments of a file; of several to one name the last counts.
#[derive(Debug, Clone, Default)]
pub struct Tac(HashMap<String, Literal>);

impl Tac {
    pub fn parse(text: &str) -> Tac {
        Tac(text.lines().filter_map(assignment).collect())
    }

    pub fn get(&self, name: &str) -> Option<&Literal> {
        self.0.get(name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Literal::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Also from a text, as `umask` and `port` are sometimes written.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Literal::Integer(number) => Some(*number),
            Literal::Text(text) => integer(text),
            _ => None,
        }
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Literal::Integer(number) => Some(*number as f64),
            Literal::Float(number) => Some(*number),
            _ => None,
        }
    }
}

fn assignment(line: &str) -> Option<(String, Literal)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let identifier = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match identifier {
        true => Some((name.to_owned(), literal(value.trim())?)),
        false => None,
    }
}

fn literal(text: &str) -> Option<Literal> {
    if let Some(quote) = text.chars().next().filter(|c| ['\'', '"'].contains(c)) {
        let (value, rest) = string(&text[1..], quote)?;
        return is_end(rest).then_some(Literal::Text(value));
    }
    let value = text.split('#').next().unwrap_or("").trim();
    match value {
        "None" => Some(Literal::None),
        "True" => Some(Literal::Bool(true)),
        "False" => Some(Literal::Bool(false)),
        _ => integer(value)
            .map(Literal::Integer)
            .or_else(|| value.parse().ok().filter(|n: &f64| n.is_finite()).map(Literal::Float)),
    }
}

/// Decimal, `0o`, `0x`, `0b`, and the `0` prefix of old Python.
fn integer(text: &str) -> Option<i64> {
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    match text.get(..2) {
        Some("0o" | "0O") => radix(&text[2..], 8),
        Some("0x" | "0X") => radix(&text[2..], 16),
        Some("0b" | "0B") => radix(&text[2..], 2),
        _ if text.len() > 1 && text.starts_with('0') && !text.contains('.') => radix(text, 8),
        _ => text.parse().ok(),
    }
}

/// What follows the opening quote: the value, and what stands behind the closing one.
fn string(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((value, &text[at + c.len_utf8()..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                'x' => value.push(code(&mut chars, 2)?),
                'u' => value.push(code(&mut chars, 4)?),
                'U' => value.push(code(&mut chars, 8)?),
                other @ ('\\' | '\'' | '"') => value.push(other),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

fn code(chars: &mut std::str::CharIndices<'_>, digits: usize) -> Option<char> {
    let text: String = chars.take(digits).map(|(_, c)| c).collect();
    char::from_u32(u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits)?)
}

fn is_end(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
}

/// A text as a Python literal that [`Tac::parse`] and Python read alike.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_every_kind() {
        let tac = Tac::parse(
            "a = 'it\\'s'  # why\nb=\"x#y\"\nc = 0o22\nd = 18\ne = None\nf = True\ng = 1.5\n\
             h = os.path.join('a')\n    i = 1\nj = '\\x41\\u00fc'\nk = '022'\nb == 3\n# l = 1\n",
        );
        assert_eq!(tac.text("a"), Some("it's"));
        assert_eq!(tac.text("b"), Some("x#y"));
        assert_eq!(
            (tac.integer("c"), tac.integer("d"), tac.integer("k")),
            (Some(18), Some(18), Some(18))
        );
        assert_eq!(
            (tac.get("e"), tac.get("f")),
            (Some(&Literal::None), Some(&Literal::Bool(true)))
        );
        assert_eq!(tac.number("g"), Some(1.5));
        assert_eq!(tac.text("j"), Some("Aü"));
        for name in ["h", "i", "l"] {
            assert_eq!(tac.get(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in ["plain", "it's", "a\\b", "tab\tnew\nline", "ü\u{1}", "\"", ""] {
            let tac = Tac::parse(&format!("x = {}", quote(text)));
            assert_eq!(tac.text("x"), Some(text));
        }
    }
}
