//! Texts with places for what is known about a person.

use crate::model::{Person, Who};

/// What may stand between `%(` and `)s`.
const NAMES: [&str; 4] = ["who", "name", "login", "address"];

/// A text such as `(uid=%(login)s)`. `%s` is `%(who)s`, the text of the change; `%%` is a percent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(&'static str),
}

impl Template {
    /// # Errors
    /// A message for people: a place that does not exist, or none at all.
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = vec![Piece::Text(String::new())];
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            append(&mut pieces, &rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                append(&mut pieces, "%");
                rest = after;
            } else if let Some(after) = rest.strip_prefix('s') {
                pieces.push(Piece::Place(NAMES[0]));
                rest = after;
            } else if let Some((name, after)) =
                rest.strip_prefix('(').and_then(|r| r.split_once(")s"))
            {
                let known = NAMES.iter().find(|known| **known == name);
                let known = known.ok_or_else(|| {
                    format!("'%({name})s' is not known; there are {}", NAMES.join(", "))
                })?;
                pieces.push(Piece::Place(known));
                rest = after;
            } else {
                return Err("has a '%' that begins nothing; a percent sign is '%%'".to_owned());
            }
        }
        append(&mut pieces, rest);
        if !pieces.iter().any(|piece| matches!(piece, Piece::Place(_))) {
            return Err("must hold '%s' or '%(…)s' where the person's name belongs".to_owned());
        }
        Ok(Template(pieces))
    }

    /// The text with what is known, each value made harmless by `escape`; `None` when nothing of
    /// it is known.
    pub(super) fn fill(&self, person: &Person, escape: impl Fn(&str) -> String) -> Option<String> {
        let mut text = String::new();
        let mut known = false;
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Place(name) => {
                    let value = value(name, person).unwrap_or_default();
                    known |= !value.is_empty();
                    text.push_str(&escape(&value));
                }
            }
        }
        known.then_some(text)
    }
}

fn append(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

fn value(name: &str, person: &Person) -> Option<String> {
    let who = Who::parse("", &person.who);
    match name {
        "name" => who.name,
        "address" => who.address,
        "login" => login(person),
        _ => Some(person.who.clone()),
    }
}

/// The name of an account: what the change has, or the user object, or else what stands before the
/// `@` of an address.
pub(super) fn login(person: &Person) -> Option<String> {
    let who = Who::parse("", &person.who);
    let of_user = || ["svn", "cvs", "p4"].iter().find_map(|kind| person.attribute(kind));
    who.login
        .or_else(|| of_user().map(str::to_owned))
        .or_else(|| who.address?.split('@').next().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_filled_with_what_is_known() {
        let anna = Person::called("Anna Berg <anna.b@example.org>");
        let with_svn = Person { attributes: vec![("svn".into(), "aberg".into())], ..anna.clone() };
        let login = Person::called("anna");
        for (template, person, expected) in [
            ("(uid=%s)", &login, Some("(uid=[anna])")),
            ("%(name)s", &anna, Some("[Anna Berg]")),
            ("%(login)s", &anna, Some("[anna.b]")),
            ("%(login)s", &with_svn, Some("[aberg]")),
            ("100%% %(address)s!", &anna, Some("100% [anna.b@example.org]!")),
            ("(|(cn=%(name)s)(uid=%(login)s))", &login, Some("(|(cn=[])(uid=[anna]))")),
            ("%(address)s", &login, None),
        ] {
            let filled =
                Template::parse(template).unwrap().fill(person, |text| format!("[{text}]"));
            assert_eq!(filled.as_deref(), expected, "{template}");
        }
    }

    #[test]
    fn wrong_texts_are_refused() {
        for (template, expected) in [
            ("(uid=anna)", "must hold '%s'"),
            ("%(nick)s", "'%(nick)s' is not known; there are who, name, login, address"),
            ("100% %s", "a percent sign is '%%'"),
            ("%(who)", "begins nothing"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(expected), "{template}: {error}");
        }
    }
}
