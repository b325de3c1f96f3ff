//! A thoroughly bad file: every problem in one report, each with line and key path.

use super::check;

#[test]
fn everything_at_once() {
    let report = check(include_str!("bad.toml")).expect_err("a bad file");
    insta::assert_snapshot!(report);
}

#[test]
fn an_empty_file() {
    let report = check("").expect_err("nothing is configured");
    insta::assert_snapshot!(report);
}

#[test]
fn secrets_are_not_repeated() {
    let text = "[[workers]]\nname = 'w'\npassword = ['hunter2']\n[db]\n\
                db_url = 'postgresql://u:hunter2@h/d'\n";
    let report = check(text).expect_err("a bad file");
    assert!(!report.contains("hunter2"), "{report}");
}
