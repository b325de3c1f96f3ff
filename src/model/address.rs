//! Mail addresses: what may stand in a header and in an envelope.

/// Longest address, and longest part before the `@` (RFC 5321).
const LENGTH: usize = 254;
const LOCAL_LENGTH: usize = 64;

/// Whether `text` is a plain address, `name@domain`, that can be put into a header and an envelope
/// as it is. As stock, this wants a domain of at least two labels. Quoted names and IP addresses
/// are refused, letters beyond ASCII are not.
pub fn is_valid(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= LENGTH && is_local(local) && is_domain(domain)
}

fn is_local(local: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c);
    local.len() <= LOCAL_LENGTH
        && local.chars().all(allowed)
        && local.split('.').all(|atom| !atom.is_empty())
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.contains('.') && domain.split('.').all(label)
}

/// The first valid address in `text`: `Name <address>`, `address (Name)`, or the address alone
/// or somewhere among words.
pub fn in_text(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let inside = &rest[open + 1..];
        // Without its end, the rest is meant.
        let address = inside.split('>').next().unwrap_or(inside).trim();
        let address = address.strip_prefix("mailto:").unwrap_or(address);
        if is_valid(address) {
            return Some(address);
        }
        rest = inside;
    }
    let around = |c: char| c.is_whitespace() || "<>()[],;:\"".contains(c);
    text.split(around).map(|word| word.trim_matches(['\'', '.'])).find(|word| is_valid(word))
}

/// Whether two addresses name one mailbox. Upper and lower case are not told apart, as practically
/// no mail server does.
pub fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Whether an address names nobody in particular, though many commits carry it.
pub fn is_shared(address: &str) -> bool {
    const LOCALS: &[&str] = &[
        "noreply",
        "no-reply",
        "donotreply",
        "nobody",
        "none",
        "root",
        "unknown",
        "user",
        "you",
        "devnull",
        "buildbot",
        "git",
        "svn",
        "hg",
    ];
    let lower = address.to_lowercase();
    let (local, domain) = lower.split_once('@').unwrap_or((&lower, ""));
    let last = domain.rsplit('.').next().unwrap_or_default();
    LOCALS.contains(&local) || ["localdomain", "local", "invalid", "none"].contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged() {
        for (text, valid) in [
            ("anna@example.org", true),
            ("anna.b+tag@mail.example.org", true),
            ("änne@exämple.org", true),
            ("12+anna@users.noreply.github.com", true),
            ("o'neil@example.org", true),
            ("", false),
            ("anna", false),
            ("anna@", false),
            ("@example.org", false),
            ("anna@localhost", false),
            ("anna@example..org", false),
            ("anna@-example.org", false),
            ("anna@example.org.", false),
            (".anna@example.org", false),
            ("anna..b@example.org", false),
            ("anna@b@example.org", false),
            ("anna b@example.org", false),
            ("<anna@example.org>", false),
            ("Anna <anna@example.org>", false),
            ("anna@example.org\r\nBcc: all@example.org", false),
            ("anna@example.org\n", false),
            ("an\0na@example.org", false),
            ("anna,bob@example.org", false),
            ("anna@exam ple.org", false),
            ("anna@[127.0.0.1]", false),
            ("anna@8f5-uuid", false),
        ] {
            assert_eq!(is_valid(text), valid, "{text:?}");
        }
        assert!(!is_valid(&format!("{}@example.org", "a".repeat(65))));
        assert!(!is_valid(&format!("a@{}.org", "a".repeat(64))));
    }

    #[test]
    fn addresses_are_found_in_texts() {
        let found = [
            ("anna@example.org", Some("anna@example.org")),
            ("Anna <anna@example.org>", Some("anna@example.org")),
            ("Anna < anna@example.org >", Some("anna@example.org")),
            ("Anna <anna@example.org", Some("anna@example.org")),
            ("'Anna' <anna@example.org>@example.org", Some("anna@example.org")),
            ("anna@example.org (Anna)", Some("anna@example.org")),
            ("Anna anna@example.org", Some("anna@example.org")),
            ("Anna <mailto:anna@example.org>", Some("anna@example.org")),
            ("Anna <3 Bob <anna@example.org>", Some("anna@example.org")),
            ("Anna <anna@example.org>, Bob <bob@example.org>", Some("anna@example.org")),
            ("anna <anna@8f5f5d2c-uuid>", None),
            ("Anna", None),
            ("Anna <>", None),
            ("", None),
        ];
        for (text, expected) in found {
            assert_eq!(in_text(text), expected, "{text:?}");
        }
    }

    #[test]
    fn some_addresses_are_nobodys() {
        for (address, shared) in [
            ("noreply@github.com", true),
            ("root@host.localdomain", true),
            ("anna@host.local", true),
            ("12+anna@users.noreply.github.com", false),
            ("anna@example.org", false),
        ] {
            assert_eq!(is_shared(address), shared, "{address}");
        }
        assert!(same("Anna@Example.org", "anna@example.ORG"));
        assert!(!same("anna@example.org", "ann@example.org"));
    }
}
