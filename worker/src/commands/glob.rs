//! File name patterns as the stock worker understands them: `*`, `?`, `[...]`, and `**` for any number
//! of directories. Hidden names need a pattern that begins with a dot; dangling links are listed. A
//! pattern that ends with a slash means directories only, and they are listed with a slash.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Everything that matches, sorted. Unreadable directories match nothing.
pub fn glob(pattern: &str) -> Vec<String> {
    let (root, rest) = match pattern.strip_prefix('/') {
        Some(rest) => (PathBuf::from("/"), rest),
        None => (PathBuf::new(), pattern),
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    walk(&root, &parts, &mut found);
    if pattern.ends_with('/') {
        found.retain(|path| path.is_dir());
        found.iter_mut().for_each(|path| path.push(""));
    }
    let mut names: Vec<String> =
        found.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    names.sort();
    names.dedup();
    names
}

fn walk(base: &Path, parts: &[&str], found: &mut Vec<PathBuf>) {
    let Some((part, rest)) = parts.split_first() else {
        found.push(base.to_owned());
        return;
    };
    if *part == "**" {
        if rest.is_empty() {
            found.push(base.join(""));
        }
        walk_any_depth(base, rest, &mut Vec::new(), found);
    } else if part.contains(['*', '?', '[']) {
        for name in names(base).into_iter().filter(|name| matches(part, name)) {
            step(&base.join(name), rest, found);
        }
    } else {
        step(&base.join(part), rest, found);
    }
}

/// `**` matches this directory and every one below, also behind links, as long as these do not lead
/// back to where the search came from: `above` are the directories on the way.
fn walk_any_depth(
    base: &Path,
    rest: &[&str],
    above: &mut Vec<(u64, u64)>,
    found: &mut Vec<PathBuf>,
) {
    let Ok(meta) = fs::metadata(or_here(base)) else { return };
    let id = (meta.dev(), meta.ino());
    if above.contains(&id) {
        return;
    }
    if !rest.is_empty() {
        walk(base, rest, found);
    }
    above.push(id);
    for name in names(base).into_iter().filter(|name| !name.starts_with('.')) {
        let path = base.join(name);
        if rest.is_empty() {
            found.push(path.clone());
        }
        if path.is_dir() {
            walk_any_depth(&path, rest, above, found);
        }
    }
    above.pop();
}

fn step(path: &Path, rest: &[&str], found: &mut Vec<PathBuf>) {
    match rest.is_empty() {
        true if fs::symlink_metadata(path).is_ok() => found.push(path.to_owned()),
        false if path.is_dir() => walk(path, rest, found),
        _ => {}
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(or_here(dir)).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn or_here(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_from(&pattern, &name)
}

/// Backtracks to the last `*` only, so no pattern takes more than pattern × name steps.
fn matches_from(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(length) = matches_one(&pattern[p..], name[n]) {
            p += length;
            n += 1;
        } else if let Some((star_p, star_n)) = star {
            p = star_p + 1;
            n = star_n + 1;
            star = Some((star_p, n));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How much of the pattern the character satisfies.
fn matches_one(pattern: &[char], character: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match set_end(pattern) {
            Some(end) => in_set(&pattern[1..end], character).then_some(end + 1),
            None => (character == '[').then_some(1),
        },
        literal => (*literal == character).then_some(1),
    }
}

/// The `]` that closes a set; one right after `[` or `[!` belongs to the set.
fn set_end(pattern: &[char]) -> Option<usize> {
    let first = if pattern.get(1) == Some(&'!') { 3 } else { 2 };
    (first..pattern.len()).find(|at| pattern[*at] == ']')
}

fn in_set(set: &[char], character: char) -> bool {
    let (negated, mut set) = match set.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut inside = false;
    while let Some((low, rest)) = set.split_first() {
        match rest {
            ['-', high, after @ ..] => {
                inside |= (*low..=*high).contains(&character);
                set = after;
            }
            _ => {
                inside |= *low == character;
                set = rest;
            }
        }
    }
    inside != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        for (pattern, name, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", ".a.txt", false),
            (".*", ".hidden", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[x", "[x", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn directories_links_and_hidden_files() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("d1/d2")).expect("directories");
        for name in ["a.txt", "d1/b.txt", "d1/d2/c.txt", ".h.txt"] {
            fs::write(path(name), "").expect("file");
        }
        std::os::unix::fs::symlink("nowhere", path("dangling")).expect("link");
        let found = |pattern: &str| {
            let base = format!("{}/", dir.path().display());
            let names = glob(&format!("{base}{pattern}"));
            names.iter().map(|name| name.replace(&base, "")).collect::<Vec<_>>()
        };
        assert_eq!(found("**/*.txt"), ["a.txt", "d1/b.txt", "d1/d2/c.txt"]);
        assert_eq!(found("d*/"), ["d1/"]);
        assert_eq!(found("**/"), ["", "d1/", "d1/d2/"]);
        assert_eq!(found("d1/**"), ["d1/", "d1/b.txt", "d1/d2", "d1/d2/c.txt"]);
        assert!(found("a.txt/").is_empty() && found("none/**").is_empty());
        assert_eq!(found("d*"), ["d1", "dangling"]);
        assert_eq!(found("d1/b.txt"), ["d1/b.txt"]);
        assert!(found("nomatch*").is_empty());
        assert!(found("a.txt/*").is_empty());
        std::os::unix::fs::symlink(".", path("d1/d2/loop")).expect("link");
        std::os::unix::fs::symlink("d1", path("link")).expect("link");
        assert_eq!(found("**/c.txt"), ["d1/d2/c.txt", "link/d2/c.txt"]);
        assert_eq!(
            found("link/**"),
            ["link/", "link/b.txt", "link/d2", "link/d2/c.txt", "link/d2/loop"]
        );
    }
}
