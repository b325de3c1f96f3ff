//! Log lines as HTML: escaped, numbered, coloured.
//!
//! Colours set by escape sequences last over line ends, as in a terminal. They become classes,
//! not styles, so that the page's security policy can forbid inline styles. Other control
//! sequences vanish.

use std::fmt::Write as _;

/// Paints lines one after the other.
#[derive(Debug, Clone, Default)]
pub struct Painter {
    /// Lines begin with a stream letter.
    prefixed: bool,
    pen: Pen,
}

/// How text is written at the moment. Colours are 0 to 15.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pen {
    fg: Option<u8>,
    bg: Option<u8>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    inverse: bool,
}

impl Painter {
    pub fn new(prefixed: bool) -> Painter {
        Painter { prefixed, pen: Pen::default() }
    }

    /// Appends one line, without its end, as a list item and a line end.
    pub fn line(&mut self, number: i64, line: &str, out: &mut String) {
        let mut chars = line.chars();
        let letter = if self.prefixed { chars.next() } else { None };
        let (class, says) = match letter {
            Some('h') => (" class=h", "<span class=sr>header: </span>"),
            Some('e') => (" class=e", "<span class=sr>stderr: </span>"),
            Some('i') => (" class=i", "<span class=sr>input: </span>"),
            _ => ("", ""),
        };
        let n = number + 1;
        let _ = write!(out, "<li id=L{n}{class}><a href=\"#L{n}\">{n}</a><code>{says}");
        self.text(chars.as_str(), out);
        out.push_str("</code></li>\n");
    }

    fn text(&mut self, text: &str, out: &mut String) {
        let mut open = self.open(out);
        let mut rest = text;
        while let Some(at) = rest.find('\u{1b}') {
            escape(&rest[..at], out);
            let (codes, after) = sequence(&rest[at + 1..]);
            rest = after;
            if let Some(codes) = codes {
                self.pen.set(codes);
                if open {
                    out.push_str("</span>");
                }
                open = self.open(out);
            }
        }
        escape(rest, out);
        if open {
            out.push_str("</span>");
        }
    }

    fn open(&self, out: &mut String) -> bool {
        let classes = self.pen.classes();
        if classes.is_empty() {
            return false;
        }
        let _ = write!(out, "<span class=\"{}\">", classes.join(" "));
        true
    }
}

/// Escapes text for HTML; control characters other than tabs are shown as symbols.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' => out.push('\t'),
            '\u{0}'..='\u{1f}' => out.extend(char::from_u32(0x2400 + c as u32)),
            _ => out.push(c),
        }
    }
}

/// Reads a control sequence after its ESC: the parameters when it sets colours, and the rest.
fn sequence(text: &str) -> (Option<&str>, &str) {
    if let Some(csi) = text.strip_prefix('[') {
        let Some(end) = csi.find(|c: char| ('@'..='~').contains(&c)) else { return (None, "") };
        let codes = (csi.as_bytes()[end] == b'm').then_some(&csi[..end]);
        return (codes, &csi[end + 1..]);
    }
    if let Some(osc) = text.strip_prefix(']') {
        // Titles and links: up to BEL or ESC backslash.
        let end = osc.find('\u{7}').map(|at| at + 1);
        let end = end.or_else(|| osc.find("\u{1b}\\").map(|at| at + 2));
        return (None, end.map_or("", |end| &osc[end..]));
    }
    let mut chars = text.chars();
    chars.next();
    (None, chars.as_str())
}

impl Pen {
    fn set(&mut self, codes: &str) {
        let mut codes = codes.split([';', ':']).map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Pen::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.inverse = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                30..=37 => self.fg = Some((code - 30) as u8),
                38 => self.fg = extended(&mut codes).or(self.fg),
                39 => self.fg = None,
                40..=47 => self.bg = Some((code - 40) as u8),
                48 => self.bg = extended(&mut codes).or(self.bg),
                49 => self.bg = None,
                90..=97 => self.fg = Some((code - 82) as u8),
                100..=107 => self.bg = Some((code - 92) as u8),
                _ => {}
            }
        }
    }

    fn classes(self) -> Vec<String> {
        let (fg, bg) = if self.inverse {
            (self.bg.or(Some(16)), self.fg.or(Some(17)))
        } else {
            (self.fg, self.bg)
        };
        let mut classes: Vec<String> = Vec::new();
        classes.extend(fg.map(|colour| format!("f{colour}")));
        classes.extend(bg.map(|colour| format!("b{colour}")));
        let flags =
            [(self.bold, "bold"), (self.dim, "dim2"), (self.italic, "it"), (self.underline, "ul")];
        classes.extend(flags.iter().filter(|(set, _)| *set).map(|(_, class)| (*class).to_owned()));
        classes
    }
}

/// `5;N` of the 256 colours or `2;R;G;B`, as the nearest of the 16.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match codes.next()? {
        5 => match codes.next()? {
            basic @ 0..=15 => Some(basic as u8),
            cube @ 16..=231 => {
                let cube = cube - 16;
                let level = |n: u16| if n == 0 { 0 } else { 55 + n * 40 };
                Some(nearest(level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
            }
            grey @ 232..=255 => {
                let level = 8 + (grey - 232) * 10;
                Some(nearest(level, level, level))
            }
            _ => None,
        },
        2 => Some(nearest(codes.next()?, codes.next()?, codes.next()?)),
        _ => None,
    }
}

fn nearest(r: u16, g: u16, b: u16) -> u8 {
    let brightest = r.max(g).max(b);
    let on = |level: u16| u8::from(u32::from(level) * 2 > u32::from(brightest) && level > 40);
    let hue = on(r) | on(g) << 1 | on(b) << 2;
    match (hue, brightest) {
        (0, _) => 0,
        (7, 0..=90) => 8,
        (7, 91..=210) => 7,
        (hue, 0..=200) => hue,
        (hue, _) => hue + 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(lines: &[&str]) -> String {
        let mut painter = Painter::new(true);
        let mut out = String::new();
        for (line, number) in lines.iter().zip(0..) {
            painter.line(number, line, &mut out);
        }
        out
    }

    #[test]
    fn lines_are_escaped_numbered_and_told_apart() {
        assert_eq!(
            painted(&["o<b>&\"'", "eoops", ""]),
            "<li id=L1><a href=\"#L1\">1</a><code>&lt;b&gt;&amp;&quot;&#39;</code></li>\n\
             <li id=L2 class=e><a href=\"#L2\">2</a><code><span class=sr>stderr: </span>oops</code></li>\n\
             <li id=L3><a href=\"#L3\">3</a><code></code></li>\n"
        );
    }

    #[test]
    fn colours_last_over_lines() {
        let out = painted(&["o\u{1b}[1;31mred", "ostill\u{1b}[0m plain"]);
        assert!(out.contains("1</a><code><span class=\"f1 bold\">red</span></code>"), "{out}");
        assert!(out.contains("<span class=\"f1 bold\">still</span> plain</code>"), "{out}");
    }

    #[test]
    fn odd_sequences_vanish_and_never_break_the_page() {
        let table = [
            ("o\u{1b}[2Kx", "x"),
            ("o\u{1b}]0;title\u{7}x", "x"),
            ("o\u{1b}(x", "x"),
            ("o\u{1b}[38;5;196mx", "<span class=\"f9\">x</span>"),
            ("o\u{1b}[48;2;0;0;128mx", "<span class=\"b4\">x</span>"),
            ("o\u{1b}[", ""),
            ("o\u{1b}", ""),
            ("o\u{1b}[31\"><script>", "cript&gt;"),
            ("oa\u{1}b", "a\u{2401}b"),
        ];
        for (line, html) in table {
            let out = painted(&[line]);
            let code =
                out.split("<code>").nth(1).and_then(|rest| rest.strip_suffix("</code></li>\n"));
            assert_eq!(code, Some(html), "{line:?}");
        }
    }
}
