//! What the worker's git can do.

/// The version of git, as far as it consists of numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(Vec<u32>);

impl Version {
    /// Reads the output of `git --version`; `None` when that is no git.
    pub fn parse(output: &str) -> Option<Version> {
        let version = output.trim_start().strip_prefix("git version ")?;
        let version = version.split_whitespace().next()?;
        let numbers = version.split('.').map_while(|part| part.parse().ok());
        let numbers: Vec<u32> = numbers.collect();
        (!numbers.is_empty()).then_some(Version(numbers))
    }

    fn since(&self, numbers: &[u32]) -> bool {
        self.0.as_slice() >= numbers
    }

    /// `clone --branch`
    pub fn has_clone_branch(&self) -> bool {
        self.since(&[1, 6, 5])
    }

    /// `--progress`
    pub fn has_progress(&self) -> bool {
        self.since(&[1, 7, 2])
    }

    /// `submodule update --force`
    pub fn has_submodule_force(&self) -> bool {
        self.since(&[1, 7, 6])
    }

    /// `submodule update --checkout`
    pub fn has_submodule_checkout(&self) -> bool {
        self.since(&[1, 7, 8])
    }

    /// `git credential` with the helper `store`
    pub fn has_credential_store(&self) -> bool {
        self.since(&[1, 7, 9])
    }

    /// The variable `GIT_SSH_COMMAND`
    pub fn has_ssh_variable(&self) -> bool {
        self.since(&[2, 3])
    }

    /// The option `core.sshCommand`
    pub fn has_ssh_option(&self) -> bool {
        self.since(&[2, 10])
    }

    /// `clone --filter`
    pub fn has_filters(&self) -> bool {
        self.since(&[2, 27])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let cases = [
            ("git version 2.47.3\n", Some((true, true))),
            ("git version 2.39.5 (Apple Git-154)", Some((true, true))),
            ("git version 2.10.0.windows.1", Some((true, true))),
            ("git version 2.9.5", Some((true, false))),
            ("git version 2.10", Some((true, true))),
            ("git version 1.8.3.1", Some((false, false))),
            ("git version next", None),
            ("sh: git: not found", None),
            ("", None),
        ];
        for (output, expected) in cases {
            let version = Version::parse(output);
            let seen = version.map(|v| (v.has_ssh_variable(), v.has_ssh_option()));
            assert_eq!(seen, expected, "{output}");
        }
    }
}
