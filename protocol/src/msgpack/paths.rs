//! Joining paths the way the worker's system does it: over MessagePack the master resolves them.

/// `path` seen from the absolute directory `base`. `nt` selects the rules of Windows.
pub(crate) fn join(base: &str, path: &str, system: &str) -> String {
    match system {
        "nt" => join_windows(base, path),
        _ => join_posix(base, path),
    }
}

/// `~` and `~/x` in the worker's home directory; anything else, also `~user`, stays.
pub(super) fn expand_home(path: &str, home: Option<&str>) -> String {
    match (home, path.strip_prefix('~')) {
        (Some(home), Some(rest)) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
            format!("{}{rest}", home.trim_end_matches(['/', '\\']))
        }
        _ => path.to_owned(),
    }
}

/// Collapses `//` and `/./`; keeps `..`, which may cross a symbolic link.
fn join_posix(base: &str, path: &str) -> String {
    let absolute = path.starts_with('/') || base.starts_with('/');
    let whole = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{base}/{path}"),
    };
    rooted(if absolute { "/" } else { "" }, whole.split('/'), "/")
}

fn join_windows(base: &str, path: &str) -> String {
    let (base_anchor, base_rest) = windows_anchor(base);
    let (anchor, rest) = windows_anchor(path);
    let separators = ['/', '\\'];
    if anchor.ends_with('\\') && anchor.len() > 1 {
        return rooted(&anchor, rest.split(separators), "\\");
    }
    if anchor == "\\" {
        return rooted(
            &format!("{}\\", base_anchor.trim_end_matches('\\')),
            rest.split(separators),
            "\\",
        );
    }
    if !anchor.is_empty() && !base_anchor.to_lowercase().starts_with(&anchor.to_lowercase()) {
        return rooted(&anchor, rest.split(separators), "\\");
    }
    let parts = base_rest.split(separators).chain(rest.split(separators));
    rooted(&base_anchor, parts, "\\")
}

/// Drive and root (`C:\`, `\\host\share\`, `C:`, `\` or nothing), and what follows.
fn windows_anchor(path: &str) -> (String, &str) {
    let is_separator = |c: char| c == '/' || c == '\\';
    if path.starts_with(is_separator) && path[1..].starts_with(is_separator) {
        let mut parts = path[2..].splitn(3, is_separator);
        if let (Some(host), Some(share)) = (parts.next(), parts.next()) {
            return (format!("\\\\{host}\\{share}\\"), parts.next().unwrap_or(""));
        }
    }
    let (drive, rest) = match path.as_bytes() {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => path.split_at(2),
        _ => ("", path),
    };
    match rest.starts_with(is_separator) {
        true => (format!("{drive}\\"), rest.trim_start_matches(is_separator)),
        false => (drive.to_owned(), rest),
    }
}

fn rooted<'a>(root: &str, parts: impl Iterator<Item = &'a str>, separator: &str) -> String {
    let kept: Vec<&str> = parts.filter(|part| !part.is_empty() && *part != ".").collect();
    match (root, kept.is_empty()) {
        ("", true) => ".".to_owned(),
        _ => format!("{root}{}", kept.join(separator)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posix_paths() {
        for (path, expected) in [
            ("build", "/srv/w/b/build"),
            ("", "/srv/w/b"),
            (".", "/srv/w/b"),
            ("a//b/./c/", "/srv/w/b/a/b/c"),
            ("../x", "/srv/w/b/../x"),
            ("/abs//dir", "/abs/dir"),
            ("/", "/"),
        ] {
            assert_eq!(join("/srv/w/b", path, "posix"), expected, "{path}");
        }
    }

    #[test]
    fn windows_paths() {
        for (path, expected) in [
            ("build", r"C:\w\b\build"),
            ("a/b", r"C:\w\b\a\b"),
            (r"D:\x", r"D:\x"),
            (r"\x", r"C:\x"),
            ("c:x", r"C:\w\b\x"),
            (r"\\host\share\d", r"\\host\share\d"),
        ] {
            assert_eq!(join(r"C:\w\b", path, "nt"), expected, "{path}");
        }
    }

    #[test]
    fn only_the_own_home_is_expanded() {
        assert_eq!(expand_home("~/x", Some("/home/bb")), "/home/bb/x");
        assert_eq!(expand_home("~", Some("/home/bb/")), "/home/bb");
        assert_eq!(expand_home("~root/x", Some("/home/bb")), "~root/x");
        assert_eq!(expand_home("~/x", None), "~/x");
    }
}
