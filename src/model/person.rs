//! A person: somebody who answers for a build, or wants to hear of it.

/// Somebody as a change, a property or a rule names them, with what is known about that user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Person {
    /// The text: an author as the change has it, an owner, or a name in the configuration.
    pub who: String,
    /// The user that this is, if it is one.
    pub uid: Option<i64>,
    /// The user's identifier.
    pub identifier: Option<String>,
    /// The user's attributes: kind (`email` or a version control system) and value.
    pub attributes: Vec<(String, String)>,
}

impl Person {
    /// Somebody of whom nothing but the text is known.
    pub fn called(who: impl Into<String>) -> Person {
        Person { who: who.into(), ..Person::default() }
    }

    /// The first attribute of this kind.
    pub fn attribute(&self, kind: &str) -> Option<&str> {
        let mut of = self.attributes.iter().filter(|(of, _)| of == kind);
        of.next().map(|(_, value)| value.as_str())
    }
}
