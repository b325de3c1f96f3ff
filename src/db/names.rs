//! Names that must be unique and short: log slugs and step names.

use std::collections::HashSet;

/// Characters of a slug or step name at most.
const LIMIT: usize = 50;

/// Characters of a user's identifier at most.
pub(super) const IDENTIFIER: usize = 255;

/// True when `name` is one of Buildbot's identifiers of at most 50 characters.
pub(super) fn is_identifier(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '-' || c >= '\u{a0}';
    let mut characters = name.chars();
    characters.next().is_some_and(letter)
        && characters.all(|c| letter(c) || c.is_ascii_digit())
        && name.chars().count() <= LIMIT
}

/// The slug of a log called `name` that is none of `taken`.
pub(super) fn free_slug(name: &str, taken: &HashSet<String>) -> String {
    let mut slug = if is_identifier(name) { name.to_owned() } else { forced_identifier(name) };
    while taken.contains(&slug) {
        slug = incremented(&slug, LIMIT);
    }
    slug
}

/// `wanted` or the first free `wanted_N`, cut to 50 characters.
pub(super) fn free_step_name(wanted: &str, taken: &HashSet<String>) -> String {
    let mut name = cut(wanted, LIMIT);
    let mut number = 1u64;
    while taken.contains(&name) {
        name = with_suffix(wanted, number, LIMIT);
        number += 1;
    }
    name
}

fn forced_identifier(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '-';
    let slug: String = name
        .chars()
        .take(LIMIT)
        .enumerate()
        .map(|(index, c)| if keep(c) || (index > 0 && c.is_ascii_digit()) { c } else { '_' })
        .collect();
    if slug.is_empty() { "_".to_owned() } else { slug }
}

/// `log` becomes `log_2`, `log_2` becomes `log_3`, never longer than `limit` characters.
pub(super) fn incremented(name: &str, limit: usize) -> String {
    let numbered = name.rsplit_once('_').and_then(|(stem, digits)| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u64>().ok()).flatten().map(|number| (stem, number))
    });
    match numbered {
        Some((stem, number)) => with_suffix(stem, number.saturating_add(1), limit),
        None => with_suffix(name, 2, limit),
    }
}

fn with_suffix(stem: &str, number: u64, limit: usize) -> String {
    let suffix = format!("_{number}");
    cut(stem, limit - suffix.len()) + &suffix
}

fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        let x = "x".repeat(50);
        let cases = [
            ("stdio", &[][..], "stdio"),
            ("stdio", &["stdio"][..], "stdio_2"),
            ("stdio", &["stdio", "stdio_2"][..], "stdio_3"),
            ("text log", &[][..], "text_log"),
            ("text log", &["text_log"][..], "text_log_2"),
            ("report.html", &[][..], "report_html"),
            ("1st weird/name: 日本!", &[][..], "_st_weird_name_____"),
            ("日本", &[][..], "日本"),
            ("", &[][..], "_"),
            ("a_", &["a_"][..], "a__2"),
            ("a_99", &["a_99"][..], "a_100"),
        ];
        for (name, taken, slug) in cases {
            let taken = taken.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(free_slug(name, &taken), slug, "{name} beside {taken:?}");
        }
        assert_eq!(free_slug(&format!("{x}y"), &HashSet::new()), x);
        assert_eq!(free_slug(&x, &HashSet::from([x.clone()])), "x".repeat(48) + "_2");
    }

    #[test]
    fn step_names() {
        let taken = HashSet::from(["main".to_owned(), "main_1".to_owned()]);
        assert_eq!(free_step_name("main", &taken), "main_2");
        assert_eq!(free_step_name("a b", &taken), "a b");
        let x = "é".repeat(60);
        assert_eq!(free_step_name(&x, &taken), "é".repeat(50));
        let taken = HashSet::from(["é".repeat(50)]);
        assert_eq!(free_step_name(&x, &taken), "é".repeat(48) + "_1");
    }
}
