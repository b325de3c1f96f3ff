//! Are two addresses of a repository the same?

use std::borrow::Cow;
use std::fmt::Write;

/// Compares addresses as Subversion does, which tells them in a form of its own.
pub(super) fn same(a: &str, b: &str) -> bool {
    canonical(a) == canonical(b)
}

/// Small letters for scheme and host, no default port, no needless parts in the path, and one way
/// only to write each character.
fn canonical(address: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = address.split_once("://") else {
        return Cow::Borrowed(address.trim_end_matches('/'));
    };
    let scheme = scheme.to_lowercase();
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let mut canonical = format!("{scheme}://{}", host(&scheme, authority));
    for name in names(path) {
        canonical.push('/');
        quote(&name, &mut canonical);
    }
    Cow::Owned(canonical)
}

fn host(scheme: &str, authority: &str) -> String {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), authority),
    };
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        "svn" => ":3690",
        _ => "",
    };
    let host = host.strip_suffix(default).unwrap_or(host);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, format!(":{port}")),
        _ => (host, String::new()),
    };
    format!("{user}{}{port}", name.strip_suffix('.').unwrap_or(name).to_lowercase())
}

/// The names in the path, as bytes.
fn names(path: &str) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(unquoted(name)),
        }
    }
    names
}

/// `%41` is `A`.
fn unquoted(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match tail {
            [a, b, ..] if *first == b'%' => hex(*a).zip(hex(*b)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn quote(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"!$&'()*+,-./:=@_~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        let cases = [
            ("", ""),
            ("/", ""),
            ("svn://h/a", "svn://h/a"),
            ("SVN://H.:3690/a/", "svn://h/a"),
            ("http://H:80/x//y/./z/../w", "http://h/x/y/w"),
            ("https://u:p@Ex.org:443/r/", "https://u:p@ex.org/r"),
            ("https://Ex.org:8443/a%20b", "https://ex.org:8443/a%20b"),
            ("http://h/a b", "http://h/a%20b"),
            ("file:///srv/repo/", "file:///srv/repo"),
            ("http://h/a/b/..", "http://h/a"),
            ("http://h/%7Ex/(a)", "http://h/~x/(a)"),
            ("http://h/ä", "http://h/%C3%A4"),
            ("http://h/%c3%a4", "http://h/%C3%A4"),
            ("http://h/100%", "http://h/100%25"),
            ("http://h/", "http://h"),
            ("http://[::1]:80/a", "http://[::1]/a"),
            ("http://[::1]/a", "http://[::1]/a"),
            ("svn://user@host.:3690/repo/./trunk", "svn://user@host/repo/trunk"),
            ("svn+ssh://Me@H/srv//r", "svn+ssh://Me@h/srv/r"),
        ];
        for (address, expected) in cases {
            assert_eq!(canonical(address), expected, "{address}");
        }
        assert!(same("http://h/trunk/", "http://H/trunk"));
        assert!(!same("http://h/trunk", "http://h/branches/a"));
    }
}
