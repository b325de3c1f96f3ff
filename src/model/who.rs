//! What the author of a change says about a person, read as each version control system writes it.

use super::address;

/// Version control systems whose authors become users: those of stock, and Perforce.
pub const SYSTEMS: [&str; 8] = ["git", "svn", "hg", "cvs", "darcs", "bzr", "fossil", "p4"];

/// The parts of an author.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// The full name, `None` where only a login or an address is written.
    pub name: Option<String>,
    /// A valid mail address.
    pub address: Option<String>,
    /// The name of an account: all that svn and cvs know.
    pub login: Option<String>,
}

impl Who {
    /// Reads `text` as the system `src` writes authors; an unknown system is read as git is.
    ///
    /// - svn, cvs and fossil: the name of an account, which may be an address
    /// - p4: `account@client`; the client is a workspace, not a mail server
    /// - all others: `Full Name <address>`, however broken, or one of the two
    pub fn parse(src: &str, text: &str) -> Who {
        let text = tidy(text);
        match src {
            "p4" => {
                let login = text.split('@').next().unwrap_or_default().trim();
                Who { login: some(login), ..Who::default() }
            }
            "svn" | "cvs" | "fossil" => {
                let address = address::in_text(&text).map(str::to_owned);
                Who { login: some(&text), address, name: None }
            }
            _ => Who::named(&text),
        }
    }

    fn named(text: &str) -> Who {
        let address = address::in_text(text);
        let name = match (text.find('<'), address) {
            (Some(0), Some(_)) => "",
            // `<` in a name, such as `Anna <3 Bob <a@x.org>`, belongs to it.
            (Some(_), Some(address)) => {
                let before = text.find(address).map_or(text, |at| &text[..at]);
                before.trim_end().trim_end_matches("mailto:").trim_end_matches('<')
            }
            (Some(open), None) => &text[..open],
            (None, Some(address)) => match text.split_once('(') {
                Some((_, behind)) => behind.trim_end_matches(')'),
                None if text == address => "",
                None => text.split(address).next().unwrap_or_default(),
            },
            (None, None) => text,
        };
        let name = name.trim().trim_matches(['"', '\'']).trim();
        // A single word, such as hg's default, is an account rather than a full name.
        let login = (address.is_none() && !name.contains(' ')).then(|| some(name)).flatten();
        let name = if login.is_some() { None } else { some(name) };
        Who { name, address: address.map(str::to_owned), login }
    }

    /// The address, if it is one that nobody else has.
    pub fn personal_address(&self) -> Option<&str> {
        self.address.as_deref().filter(|address| !address::is_shared(address))
    }

    /// What a user of `src` is remembered by: the text as it is, for stock looks for that. Stock
    /// keeps no users of Perforce, where the workspace says nothing about the person.
    pub fn identity<'t>(&'t self, src: &str, text: &'t str) -> &'t str {
        match &self.login {
            Some(login) if src == "p4" => login,
            _ => text,
        }
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Without control characters and with single blanks.
fn tidy(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_read_as_their_system_writes_them() {
        let a = "a@x.org";
        // Name, address, login.
        let table = [
            ("git", "Anna Berg <a@x.org>", ("Anna Berg", a, "")),
            ("git", "\"Anna Berg\" <a@x.org>", ("Anna Berg", a, "")),
            ("git", "Anna Berg <a@x.org", ("Anna Berg", a, "")),
            ("git", "Anna Berg <>", ("Anna Berg", "", "")),
            ("git", "Anna Berg <anna>", ("Anna Berg", "", "")),
            ("git", "Anna Berg", ("Anna Berg", "", "")),
            ("git", "<a@x.org>", ("", a, "")),
            ("git", "a@x.org", ("", a, "")),
            ("git", "anna <anna@0f3-9c>", ("", "", "anna")),
            ("git", "Anna\tBerg\r\n <a@x.org>", ("Anna Berg", a, "")),
            ("git", "'Anna' <a@x.org>@x.org", ("Anna", a, "")),
            ("git", "Anna <3 Bob <a@x.org>", ("Anna <3 Bob", a, "")),
            ("git", "", ("", "", "")),
            ("git", "Änne Bärg <änne@bärg.de>", ("Änne Bärg", "änne@bärg.de", "")),
            ("hg", "anna", ("", "", "anna")),
            ("hg", "Anna Berg a@x.org", ("Anna Berg", a, "")),
            ("bzr", "Anna Berg <a@x.org>, Bob <b@x.org>", ("Anna Berg", a, "")),
            ("darcs", "a@x.org", ("", a, "")),
            ("darcs", "a@x.org (Anna Berg)", ("Anna Berg", a, "")),
            ("darcs", "Anna Berg <a@x.org>", ("Anna Berg", a, "")),
            ("svn", "anna", ("", "", "anna")),
            ("svn", "a@x.org", ("", a, "a@x.org")),
            ("svn", "(no author)", ("", "", "(no author)")),
            ("cvs", "anna", ("", "", "anna")),
            ("p4", "anna@build.host.org", ("", "", "anna")),
            ("p4", "anna", ("", "", "anna")),
            ("", "Anna Berg <a@x.org>", ("Anna Berg", a, "")),
        ];
        for (src, text, (name, address, login)) in table {
            let (name, address, login) = (some(name), some(address), some(login));
            assert_eq!(Who::parse(src, text), Who { name, address, login }, "{src}: {text:?}");
        }
    }

    #[test]
    fn users_are_remembered_as_stock_remembers_them() {
        for (src, text, expected) in [
            ("git", "Anna  Berg <a@x.org>", "Anna  Berg <a@x.org>"),
            ("svn", "anna", "anna"),
            ("p4", "anna@laptop", "anna"),
            ("p4", "", ""),
        ] {
            assert_eq!(Who::parse(src, text).identity(src, text), expected);
        }
    }

    #[test]
    fn nobodys_addresses_match_nobody() {
        assert_eq!(Who::parse("git", "GitHub <noreply@github.com>").personal_address(), None);
        assert_eq!(Who::parse("git", "Anna <a@x.org>").personal_address(), Some("a@x.org"));
    }
}
