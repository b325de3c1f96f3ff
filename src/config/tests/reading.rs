//! Files: includes, syntax errors, encodings.

use std::path::Path;

use super::EXAMPLE;
use crate::config::load;

/// Writes `files` into a directory of its own and loads the first.
fn load_files(files: &[(&str, &[u8])]) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a written file");
    }
    let loaded = load(&dir.path().join(files[0].0), dir.path());
    let prefix = format!("{}/", dir.path().display());
    match loaded {
        Ok(config) => Ok(config.builders.iter().map(|builder| builder.name.clone()).collect()),
        Err(problems) => Err(problems.to_string().replace(&prefix, "")),
    }
}

/// The example with its builder in another file.
fn split() -> (String, String) {
    let (head, builders) = EXAMPLE.split_once("[[builders]]").expect("a builder");
    (head.to_owned(), format!("[[builders]]{builders}"))
}

#[test]
fn included_files_are_merged() {
    let (head, builders) = split();
    let head = format!("include = ['builders/*.toml', 'more.toml', 'p*/*']\n{head}")
        .replace("[\"runtests\"]", "[\"runtests\", \"second\"]");
    let second = builders.replace("runtests", "second");
    let names = load_files(&[
        ("master.toml", head.as_bytes()),
        ("builders/b.toml", second.as_bytes()),
        ("builders/a.toml", builders.as_bytes()),
        ("builders/ignored.txt", b"not [toml"),
        ("more.toml", b"include = 'deep/x.toml'\n[www]\nallowed_origins = ['*']"),
        ("parts/directory/none.toml", b"not [toml"),
        ("parts/title.toml", b"logEncoding = 'utf-8'"),
        ("deep/x.toml", b"[properties]\nmore = 1"),
    ]);
    assert_eq!(names.expect("a good configuration"), ["runtests", "second"]);
}

#[test]
fn problems_name_the_included_file() {
    let (head, builders) = split();
    let head = format!("include = 'b.toml'\n{head}");
    let builders = builders.replace("type = ", "tpye = ");
    let report = load_files(&[("master.toml", head.as_bytes()), ("b.toml", builders.as_bytes())])
        .expect_err("a bad include");
    assert!(
        report.contains("b.toml:5: builders[0].steps[0]: needs a value for 'type'"),
        "{report}"
    );
}

#[test]
fn a_missing_file_names_its_sample() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("master.toml");
    let report = || crate::config::load(&file, dir.path()).unwrap_err().to_string();
    assert!(report().contains("master.toml: cannot be read"), "{}", report());
    std::fs::write(dir.path().join("master.toml.sample"), "").unwrap();
    assert!(report().contains("master.toml.sample' to it and change it"), "{}", report());
}

#[test]
fn what_can_go_wrong_with_files() {
    for (files, expected) in [
        (
            vec![("master.toml", "include = ['none.toml']")],
            "master.toml:1: include[0]: 'none.toml': cannot be read: No such file",
        ),
        (
            vec![("master.toml", "include = ['none/*.toml']")],
            "master.toml:1: include[0]: 'none' cannot be read: No such file",
        ),
        (
            vec![("master.toml", "\ninclude = ['a.toml']"), ("a.toml", "include = 'master.toml'")],
            "a.toml:1: include[0]: 'master.toml' includes itself",
        ),
        (
            vec![("master.toml", "include = ['a.toml', '*.toml']"), ("a.toml", "")],
            "'a.toml' is included twice",
        ),
        (
            vec![("master.toml", "title = 'a'\ninclude = 'a.toml'"), ("a.toml", "title = 'b'")],
            "a.toml:1: title: is set already in master.toml:1",
        ),
        (vec![("master.toml", "include = 5")], "master.toml:1: include: must be a string"),
        (vec![("master.toml", "include = '['")], "is not a shell pattern"),
        (
            vec![("master.toml", "title = 'x'\ntitle = = 'y'\n")],
            "master.toml:2: column 9: not TOML: ",
        ),
        (
            vec![("master.toml", "a = 1\na = 2\n")],
            "master.toml:2: column 1: not TOML: duplicate key",
        ),
    ] {
        let files: Vec<(&str, &[u8])> =
            files.into_iter().map(|(name, text)| (name, text.as_bytes())).collect();
        let report = load_files(&files).expect_err(expected);
        assert!(report.contains(expected), "wants: {expected}\nhas: {report}");
    }
}

#[test]
fn a_syntax_error_shows_its_line() {
    let report = load_files(&[("master.toml", b"title = 'x'\n[[workers]\nname = 'w'\n")]);
    insta::assert_snapshot!(report.expect_err("a syntax error"));
    let report = load_files(&[("master.toml", b"[[workers]]\npassword = hunter2 x\n")]);
    assert!(!report.expect_err("a syntax error").contains("hunter2"));
}

#[test]
fn files_that_are_no_text() {
    let report = load_files(&[("master.toml", b"title = 'x'\n# \xff\n")]).expect_err("not UTF-8");
    assert!(report.contains("master.toml: line 2 is not UTF-8"), "{report}");
    let missing = load(Path::new("/nonexistent/master.toml"), Path::new("/")).expect_err("missing");
    assert!(missing.to_string().contains("/nonexistent/master.toml: cannot be read"), "{missing}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// Whatever is torn out of a file or put into it: a report, never a panic.
    #[test]
    fn torn_files_are_reported(at in 0..3000usize, length in 0..40usize, put in "[a-z\\[\\]{}'\"=.,#\n0-9é -]{0,6}") {
        let text = include_str!("bad.toml");
        let letters: Vec<char> = text.chars().collect();
        let at = at.min(letters.len());
        let end = (at + length).min(letters.len());
        let torn: String =
            letters[..at].iter().copied().chain(put.chars()).chain(letters[end..].iter().copied()).collect();
        match crate::config::toml::parse(&torn, "master.toml") {
            Ok(raw) => {
                let problems = crate::config::check(&raw, Path::new("/srv/master"));
                proptest::prop_assert!(problems.is_err(), "the file has more mistakes than that");
            }
            Err(problem) => proptest::prop_assert!(problem.place.line.is_some()),
        }
    }
}
