//! Reads what `svn info --xml` and `svn status --xml` print.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// What is known of a working copy.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    pub url: Option<String>,
    pub revision: Option<String>,
    /// The revision of the last change below its address.
    pub last_changed: Option<String>,
}

/// The first entry of `svn info --xml`; `None` when that is no XML.
pub(super) fn info(xml: &str) -> Option<Info> {
    let mut info = Info::default();
    let mut url: Option<String> = None;
    let mut reader = Reader::from_str(xml);
    let mut any = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) => {
                any = true;
                match tag.name().as_ref() {
                    "entry" if info.revision.is_none() => {
                        info.revision = attribute(&tag, "revision");
                    }
                    "commit" if info.last_changed.is_none() => {
                        info.last_changed = attribute(&tag, "revision");
                    }
                    "url" if info.url.is_none() => url = Some(String::new()),
                    _ => {}
                }
            }
            Event::Text(text) => {
                if let Some(url) = &mut url {
                    url.push_str(&text.into_inner());
                }
            }
            Event::GeneralRef(name) => {
                if let Some(url) = &mut url {
                    match name.resolve_char_ref().ok()? {
                        Some(c) => url.push(c),
                        None => url.push_str(resolve_predefined_entity(&name.into_inner())?),
                    }
                }
            }
            Event::End(_) => info.url = info.url.or(url.take()),
            Event::Eof => return any.then_some(info),
            _ => {}
        }
    }
}

/// The names of all that `svn status --xml` shows, but for what is missing or comes from another
/// repository; `None` when that is no XML.
pub(super) fn unversioned(xml: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut entry: Option<String> = None;
    let mut any = false;
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) => {
                any = true;
                match tag.name().as_ref() {
                    "entry" => entry = attribute(&tag, "path"),
                    "wc-status" => {
                        let status = attribute(&tag, "item").unwrap_or_default();
                        let name = entry.take().unwrap_or_default();
                        let stays = matches!(status.as_str(), "external" | "missing");
                        // The working copy itself shows up when its own properties are changed.
                        if !stays && !matches!(name.as_str(), "" | ".") {
                            names.push(name);
                        }
                    }
                    _ => {}
                }
            }
            Event::Eof => return any.then_some(names),
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.try_get_attribute(name).ok()??;
    let value = found.normalized_value(XmlVersion::Explicit1_0).ok()?;
    Some(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<info>
<entry
   kind="dir"
   path="."
   revision="12">
<url>http://h/a%20b&amp;c</url>
<relative-url>^/a%20b</relative-url>
<repository>
<root>http://h</root>
</repository>
<commit
   revision="7">
<author>me</author>
</commit>
</entry>
</info>
"#;

    #[test]
    fn info_is_read() {
        let some = |text: &str| Some(text.to_owned());
        let expected =
            Info { url: some("http://h/a%20b&c"), revision: some("12"), last_changed: some("7") };
        assert_eq!(info(INFO), Some(expected));
        assert_eq!(info("<?xml version=\"1.0\"?>\n<info>\n</info>"), Some(Info::default()));
        for broken in ["", "svn: E1", "<info", "<info></x>"] {
            assert_eq!(info(broken), None, "{broken}");
        }
    }

    #[test]
    fn status_lists_what_can_go() {
        let entry = |path: &str, item: &str| {
            format!("<entry path=\"{path}\"><wc-status item=\"{item}\" props=\"none\"/></entry>")
        };
        let entries = [
            entry("new", "unversioned"),
            entry("made.o", "ignored"),
            entry("edited", "modified"),
            entry("gone", "missing"),
            entry("theirs", "external"),
            entry(".", "normal"),
            entry("f&lt;&gt;&amp;&quot; ü", "unversioned"),
        ];
        let xml = format!("<status><target path=\".\">{}</target></status>", entries.concat());
        let names = ["new", "made.o", "edited", "f<>&\" ü"].map(str::to_owned);
        assert_eq!(unversioned(&xml), Some(names.into()));
        assert_eq!(unversioned("<status>\n</status>"), Some(Vec::new()));
        for broken in ["", "svn: E155007: no working copy", "<status><entry path=\"a\""] {
            assert_eq!(unversioned(broken), None, "{broken}");
        }
    }
}
