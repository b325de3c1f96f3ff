//! Descriptions written in Markdown, as HTML.

use pulldown_cmark::{Event, Parser, html};

/// The HTML of a text; HTML in the text itself is shown, not obeyed.
pub fn html(text: &str) -> String {
    let parser = Parser::new(text).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        other => other,
    });
    let mut out = String::new();
    html::push_html(&mut out, parser);
    out.trim_end().to_owned()
}

/// The HTML of a description, where it has a format.
pub fn rendered(text: Option<&str>, format: Option<&str>) -> Option<String> {
    format.and(text).map(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html() {
        let table = [
            ("plain", "<p>plain</p>"),
            (
                "**bold** [x](https://e.org/)",
                "<p><strong>bold</strong> <a href=\"https://e.org/\">x</a></p>",
            ),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ];
        for (text, expected) in table {
            assert_eq!(html(text), expected, "{text}");
        }
        assert_eq!(rendered(Some("x"), None), None);
        assert_eq!(rendered(None, Some("markdown")), None);
    }
}
