//! Addresses of our pages, as messages and pages spell them.

/// A name as one segment of a path.
pub fn path_segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The page of a build; `base` is `buildbotURL`, which ends in a slash.
pub fn build(base: &str, builder: &str, number: i64) -> String {
    format!("{base}builders/{}/builds/{number}", path_segment(builder))
}

/// The page of a request.
pub fn request(base: &str, id: i64) -> String {
    format!("{base}requests/{id}")
}

/// The page of a log.
pub fn log(base: &str, id: i64) -> String {
    format!("{base}logs/{id}")
}

/// The bytes of a log, as a download.
pub fn raw_log(base: &str, id: i64) -> String {
    format!("{base}api/v2/logs/{id}/raw")
}

/// The page of a worker.
pub fn worker(base: &str, name: &str) -> String {
    format!("{base}workers/{}", path_segment(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_segments() {
        assert_eq!(path_segment("multi cb/é"), "multi%20cb%2F%C3%A9");
        assert_eq!(build("http://h/", "a b", 3), "http://h/builders/a%20b/builds/3");
    }
}
