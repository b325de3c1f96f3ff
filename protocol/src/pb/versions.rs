//! What a worker of some age knows: the versions of its commands.

use std::collections::HashMap;

/// Command name → version, as numbers.
#[derive(Debug, Default)]
pub(super) struct Versions(HashMap<String, Vec<u64>>);

impl Versions {
    pub(super) fn new(commands: &[(String, String)]) -> Versions {
        let numbers = |version: &str| {
            version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>()
        };
        Versions(commands.iter().map(|(name, text)| (name.clone(), numbers(text))).collect())
    }

    /// Whether the worker has the command at all.
    pub(super) fn has(&self, command: &str) -> bool {
        self.0.contains_key(command)
    }

    /// A command that the worker does not have is older than any version.
    pub(super) fn older(&self, command: &str, major: u64, minor: u64) -> bool {
        self.0.get(command).is_none_or(|version| version.as_slice() < &[major, minor][..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let commands = [("shell".to_owned(), "2.16".to_owned())];
        let versions = Versions::new(&commands);
        assert!(!versions.older("shell", 2, 16) && !versions.older("shell", 2, 7));
        assert!(versions.older("shell", 2, 17) && versions.older("shell", 3, 0));
        assert!(versions.older("glob", 0, 1) && !versions.has("glob"));
    }
}
