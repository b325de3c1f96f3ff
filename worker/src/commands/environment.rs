//! The environment of a program.

use protocol::command::EnvValue;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Variables by name, sorted as headers show them.
pub type Environment = BTreeMap<OsString, OsString>;

/// The worker's own environment changed by what the master asked for.
///
/// `${NAME}` stands for the worker's own value, an unknown one for nothing; replacements are not
/// searched again. A list is joined with `:`. The worker's `PYTHONPATH` is kept behind a new one.
/// `PWD` is the working directory, in its plainest spelling.
pub fn build(
    own: &Environment,
    wanted: &[(String, Option<EnvValue>)],
    workdir: &str,
) -> Environment {
    let mut environment = own.clone();
    for (name, value) in wanted {
        let Some(value) = value else {
            environment.remove(&OsString::from(name));
            continue;
        };
        let mut text = match value {
            EnvValue::Text(text) => text.clone(),
            EnvValue::Paths(paths) => paths.join(":"),
        };
        if name == "PYTHONPATH" {
            text.push_str(":${PYTHONPATH}");
        }
        environment.insert(name.into(), expand(&text, own));
    }
    if environment.get(&OsString::from("MACHTYPE")).is_none_or(|kind| kind != "i686-pc-msys") {
        environment.insert("PWD".into(), plain(workdir).into());
    }
    environment
}

/// An absolute path without `.`, `..` and superfluous slashes. Links are not looked at.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn expand(text: &str, own: &Environment) -> OsString {
    let mut expanded = OsString::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        expanded.push(before);
        let name = &reference[2..];
        let length = name.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        if name[length..].starts_with('}') {
            expanded.push(
                own.get(&OsString::from(&name[..length])).map_or("".as_ref(), |v| v.as_os_str()),
            );
            rest = &name[length + 1..];
        } else {
            expanded.push("${");
            rest = name;
        }
    }
    expanded.push(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_example() {
        let own: Environment = [("HOME", "/srv/bb"), ("LANG", "C"), ("PATH", "/usr/bin:/bin")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        let text = |text: &str| Some(EnvValue::Text(text.into()));
        let wanted = [
            ("A".into(), text("${HOME}:${NOPE}:$HOME")),
            ("B".into(), Some(EnvValue::Paths(vec!["p".into(), "q".into()]))),
            ("C".into(), text("${BAD-NAME}")),
            ("PYTHONPATH".into(), text("pp")),
            ("PATH".into(), text("/x:${PATH}")),
            ("LANG".into(), None),
        ];
        let shown: Vec<String> = build(&own, &wanted, "/w")
            .iter()
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        let expected = [
            "A=/srv/bb::$HOME",
            "B=p:q",
            "C=${BAD-NAME}",
            "HOME=/srv/bb",
            "PATH=/x:/usr/bin:/bin",
            "PWD=/w",
            "PYTHONPATH=pp:",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_working_directory_is_spelled_plainly() {
        for (path, expected) in
            [("/a/b", "/a/b"), ("/a/../b/./c/", "/b/c"), ("/", "/"), ("/../a//b", "/a/b")]
        {
            assert_eq!(plain(path), expected);
        }
    }

    #[test]
    fn the_search_path_of_python_is_extended() {
        let own: Environment = [("PYTHONPATH".into(), "/own".into())].into();
        let paths = Some(EnvValue::Paths(vec!["a".into(), "b".into()]));
        let path = |wanted| {
            build(&own, &[("PYTHONPATH".to_owned(), wanted)], "/")
                .get(&OsString::from("PYTHONPATH"))
                .cloned()
        };
        assert_eq!(path(paths), Some("a:b:/own".into()));
        assert_eq!(path(None), None);
    }

    #[test]
    fn replacements_are_not_searched_again() {
        let own: Environment = [("X".into(), "${X}".into())].into();
        let wanted = [("Y".to_owned(), Some(EnvValue::Text("${X}${}${".into())))];
        assert_eq!(build(&own, &wanted, "/")[&OsString::from("Y")], "${X}${");
    }
}
