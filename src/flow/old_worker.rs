//! What a worker of some age cannot do, from the versions of its commands.

/// Commands that steps use, with what they are for.
const COMMANDS: [(&str, &str); 11] = [
    ("shell", "run programs"),
    ("uploadFile", "send files"),
    ("uploadDirectory", "send directories"),
    ("downloadFile", "fetch files"),
    ("mkdir", "make directories"),
    ("rmdir", "remove directories"),
    ("cpdir", "copy directories"),
    ("stat", "look at files"),
    ("glob", "find files by pattern"),
    ("listdir", "list directories"),
    ("rmfile", "remove single files"),
];

/// Command, the version that brought an ability, and the ability.
const ABILITIES: [(&str, [u64; 2], &str); 6] = [
    ("uploadFile", [2, 13], "keep the times of files it sends (keepstamp)"),
    ("shell", [2, 15], "be told which signal ends a program (interruptSignal)"),
    ("shell", [2, 16], "ask a program to end before killing it (sigtermTime)"),
    ("shell", [2, 16], "hide secrets in its headers"),
    ("shell", [3, 2], "tell which limit ended a program"),
    ("shell", [3, 3], "count lines (max_lines)"),
];

/// One line for each thing that stock's newest worker can do and this one cannot; `commands` are its
/// command names and versions. Empty for a worker that told none.
pub fn lacks(commands: &[(String, String)]) -> Vec<String> {
    if commands.is_empty() {
        return Vec::new();
    }
    let version = |name: &str| {
        let found = commands.iter().find(|(known, _)| known == name);
        found.map(|(_, version)| numbers(version))
    };
    let missing = COMMANDS.iter().filter(|(name, _)| version(name).is_none());
    let missing = missing.map(|(name, purpose)| format!("cannot {purpose} ({name})"));
    let old = ABILITIES.iter().filter(|(name, since, _)| {
        version(name).is_some_and(|version| version.as_slice() < since.as_slice())
    });
    missing.chain(old.map(|(_, _, ability)| format!("cannot {ability}"))).collect()
}

/// `2.16` as numbers; what is no number counts as 0.
fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str, without: &[&str]) -> Vec<String> {
        let names = COMMANDS.iter().map(|(name, _)| *name).filter(|name| !without.contains(name));
        lacks(&names.map(|name| (name.to_owned(), version.to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn workers_of_all_ages() {
        assert_eq!(of("3.3", &[]), Vec::<String>::new());
        assert_eq!(of("3.2", &[]), ["cannot count lines (max_lines)"]);
        let old = of("2.16", &["rmfile"]);
        assert_eq!(old[0], "cannot remove single files (rmfile)");
        assert_eq!(old.len(), 3);
        let older = of("2.14", &["glob", "listdir", "rmfile"]);
        assert_eq!(older.len(), 3 + 5);
        assert!(!older.iter().any(|line| line.contains("keepstamp")));
        assert!(of("2.9", &[]).iter().any(|line| line.contains("keepstamp")), "2.9 is before 2.13");
        assert_eq!(lacks(&[]), Vec::<String>::new());
    }
}
