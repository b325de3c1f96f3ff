//! The bodies of forms with files: `multipart/form-data`.

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub body: Vec<u8>,
}

/// The fields of a body with this `Content-Type`; `None` when it is another one.
pub fn parts(content_type: &str, body: &[u8]) -> Option<Vec<Part>> {
    let rest = content_type.strip_prefix("multipart/form-data")?;
    let boundary = parameter(rest, "boundary").filter(|boundary| !boundary.is_empty())?;
    let delimiter = format!("\r\n--{boundary}");
    // The first one has no line before it.
    let mut rest = match body.strip_prefix(&delimiter.as_bytes()[2..]) {
        Some(rest) => rest,
        None => after(body, delimiter.as_bytes())?,
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let end = find(rest, delimiter.as_bytes())?;
        parts.extend(part(&rest[..end]));
        rest = &rest[end + delimiter.len()..];
    }
    Some(parts)
}

/// Headers, an empty line, and the value.
fn part(bytes: &[u8]) -> Option<Part> {
    let bytes = bytes.strip_prefix(b"\r\n")?;
    let (head, body) = match bytes.strip_prefix(b"\r\n") {
        Some(body) => (&bytes[..0], body),
        None => {
            let end = find(bytes, b"\r\n\r\n")?;
            (&bytes[..end], &bytes[end + 4..])
        }
    };
    let head = String::from_utf8_lossy(head);
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    Some(Part { name: parameter(disposition, "name")?, body: body.to_vec() })
}

/// The parameter `name` of a header: `; name="value"`, in which browsers write a quote as `%22`.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = &header[header.find(';')? + 1..];
    loop {
        let (own, value) = rest.split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        if own.trim() == name {
            return Some(value.trim().replace("%22", "\"").replace("%0D%0A", "\n"));
        }
        rest = after.split_once(';')?.1;
    }
}

fn after<'b>(bytes: &'b [u8], what: &[u8]) -> Option<&'b [u8]> {
    find(bytes, what).map(|at| &bytes[at + what.len()..])
}

/// Where `what` begins.
fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=--xyz";

    fn named(name: &str, body: &[u8]) -> Part {
        Part { name: name.into(), body: body.to_vec() }
    }

    #[test]
    fn forms_of_browsers() {
        let body = b"----xyz\r\nContent-Disposition: form-data; name=\"reason\"\r\n\r\nwhy\r\n\
            ----xyz\r\ncontent-disposition: form-data; filename=\"a;name=b\"; name=\"f\"\r\n\
            Content-Type: text/x-diff\r\n\r\n--- a\r\n+++ b\r\n\xff\r\n\
            ----xyz\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n----xyz--\r\n";
        let expected =
            [named("reason", b"why"), named("f", b"--- a\r\n+++ b\r\n\xff"), named("empty", b"")];
        assert_eq!(parts(TYPE, body).unwrap(), expected);
        let quoted = TYPE.replace("--xyz", "\"--xyz\"");
        assert_eq!(parts(&quoted, body).unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_such_form() {
        for (kind, body) in [
            ("application/x-www-form-urlencoded", &b"a=b"[..]),
            ("multipart/form-data", b"----xyz--"),
            (TYPE, b""),
            (TYPE, b"----xyz"),
            (TYPE, b"----xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nnever ends"),
        ] {
            assert_eq!(parts(kind, body), None);
        }
        let nameless = b"----xyz\r\n\r\nx\r\n----xyz--";
        assert_eq!(parts(TYPE, nameless), Some(vec![]));
    }
}
