//! Python text cut into logical lines of tokens, as far as a settings file needs it.

/// One token and the number of its line, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Name(String),
    /// As written.
    Number(String),
    Text(String),
    /// A text with `{…}` in it that is computed when the file runs.
    Template,
    Sign(char),
}

/// One logical line: what stands in brackets or behind a backslash belongs to the line before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// Spaces before the first token.
    pub(super) indent: usize,
    pub(super) tokens: Vec<Token>,
}

/// All lines that hold anything but comments.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut reader = Reader { rest: text, line: 1, depth: 0, lines: Vec::new(), indent: Some(0) };
    while !reader.rest.is_empty() {
        reader.step();
    }
    reader.lines
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
    /// Open brackets.
    depth: usize,
    lines: Vec<Line>,
    /// At the beginning of a logical line: its spaces so far.
    indent: Option<usize>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let Some(c) = self.rest.chars().next() else { return };
        match c {
            '\n' => {
                self.line += 1;
                self.advance(1);
                if self.depth == 0 {
                    self.indent = Some(0);
                }
            }
            '#' => self.advance(self.rest.find('\n').unwrap_or(self.rest.len())),
            '\\' if self.rest[1..].starts_with('\n') || self.rest[1..].starts_with("\r\n") => {
                let end = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
                self.line += 1;
                self.advance(end);
            }
            ' ' | '\t' | '\r' | '\u{c}' => {
                self.advance(1);
                if let Some(indent) = &mut self.indent {
                    *indent += 1;
                }
            }
            _ => self.token(c),
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn token(&mut self, c: char) {
        let line = self.line;
        let kind = match self.string() {
            Some(kind) => kind,
            None if c.is_alphabetic() || c == '_' => Kind::Name(self.word(false)),
            None if c.is_ascii_digit() => Kind::Number(self.word(true)),
            None => {
                self.advance(c.len_utf8());
                match c {
                    '(' | '[' | '{' => self.depth += 1,
                    ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                Kind::Sign(c)
            }
        };
        if let Some(indent) = self.indent.take() {
            self.lines.push(Line { indent, tokens: Vec::new() });
        }
        if let Some(last) = self.lines.last_mut() {
            last.tokens.push(Token { line, kind });
        }
    }

    fn word(&mut self, number: bool) -> String {
        let belongs = |c: char| c.is_alphanumeric() || c == '_' || (number && c == '.');
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.advance(end);
        word
    }

    /// A string literal with whatever prefix, if there is one.
    fn string(&mut self) -> Option<Kind> {
        let end = self.rest.find(['\'', '"'])?;
        let prefix = self.rest[..end].to_ascii_lowercase();
        if !["", "r", "u", "b", "br", "rb", "f", "fr", "rf"].contains(&prefix.as_str()) {
            return None;
        }
        let quote = self.rest[end..].chars().next()?;
        let tripled = quote.to_string().repeat(3);
        let close = match self.rest[end..].starts_with(&tripled) {
            true => tripled,
            false => quote.to_string(),
        };
        self.advance(end + close.len());
        let value = self.inside(&close, prefix.contains('r'));
        match prefix.contains('f') && value.contains('{') {
            true => Some(Kind::Template),
            false => Some(Kind::Text(value)),
        }
    }

    /// Everything up to the closing quotes, which are passed over.
    fn inside(&mut self, close: &str, raw: bool) -> String {
        let mut value = String::new();
        while let Some(c) = self.rest.chars().next() {
            if self.rest.starts_with(close) {
                self.advance(close.len());
                break;
            }
            self.advance(c.len_utf8());
            self.line += usize::from(c == '\n');
            match c {
                '\\' => self.escape(&mut value, raw),
                other => value.push(other),
            }
        }
        value
    }

    fn escape(&mut self, value: &mut String, raw: bool) {
        let Some(c) = self.rest.chars().next() else { return };
        self.advance(c.len_utf8());
        self.line += usize::from(c == '\n');
        if raw {
            value.extend(['\\', c]);
            return;
        }
        let code = match c {
            'x' => self.code(2, 16),
            'u' => self.code(4, 16),
            'U' => self.code(8, 16),
            _ => None,
        };
        match (code, c) {
            (Some(code), _) => value.push(code),
            (None, 'n') => value.push('\n'),
            (None, 't') => value.push('\t'),
            (None, 'r') => value.push('\r'),
            (None, '0') => value.push('\0'),
            (None, '\n') => {}
            (None, '\\' | '\'' | '"') => value.push(c),
            (None, other) => value.extend(['\\', other]),
        }
    }

    fn code(&mut self, digits: usize, radix: u32) -> Option<char> {
        let code = self.rest.get(..digits)?;
        let code = char::from_u32(u32::from_str_radix(code, radix).ok()?)?;
        self.advance(digits);
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Vec<Kind>> {
        let kinds = |line: Line| line.tokens.into_iter().map(|token| token.kind).collect();
        lines(text).into_iter().map(kinds).collect()
    }

    #[test]
    fn lines_go_on_in_brackets_and_behind_backslashes() {
        let found = lines("a = (1,\n  2) # (\nif x:\n  b \\\n = 3\n\n");
        let shape: Vec<(usize, usize, usize)> = found
            .iter()
            .map(|line| (line.indent, line.tokens[0].line, line.tokens.len()))
            .collect();
        assert_eq!(shape, [(0, 1, 7), (0, 3, 3), (2, 4, 3)]);
    }

    #[test]
    fn strings_of_every_kind() {
        for (text, value) in [
            (r"'it\'s'", "it's"),
            (r#""x#y""#, "x#y"),
            (r"r'C:\new'", r"C:\new"),
            (r"u'\x41\u00fc'", "Aü"),
            (r"b'ab\n'", "ab\n"),
            ("'''a\n'b'''", "a\n'b"),
            (r"'a\qb'", r"a\qb"),
            ("f'plain'", "plain"),
        ] {
            assert_eq!(kinds(text), [[Kind::Text(value.into())]], "{text}");
        }
        assert_eq!(kinds("f'a{b}'"), [[Kind::Template]]);
        assert_eq!(
            kinds("os.x"),
            [[Kind::Name("os".into()), Kind::Sign('.'), Kind::Name("x".into())]]
        );
    }
}
