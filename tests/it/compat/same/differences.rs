//! What may differ from the reference, and why: every one is a row of `docs/differences.md` or a
//! defect of the stock peer. A rule turns the reference into what is expected; the comparison
//! itself knows no exceptions.

use buildbot::config::checked::WorkerProtocol;

use super::seen::Sections;
use crate::compat::pairs::WorkerKind;
use crate::compat::peer::{Kind, Maker};

/// A difference that is meant.
pub struct Rule {
    pub why: &'static str,
    /// Where it shows.
    applies: fn(Maker, WorkerKind) -> bool,
    /// Changes the reference into what is expected. What depends on the moment may be taken out of
    /// both, after it was checked.
    change: fn(&mut Sections, &mut Sections),
    /// In one run or another there may be nothing to change.
    seldom: bool,
}

pub const RULES: &[Rule] = &[
    Rule {
        why: "a log file with `follow`: a stock worker skips what is written before its first \
              look, ours sends everything since the start of the command",
        applies: |_, worker| worker.is_ours(),
        change: |expected, _| replace(expected, FOLLOWED, &["old", "new"]),
        seldom: false,
    },
    Rule {
        why: "a log file with `follow`: when a stock worker looks depends on its poll",
        applies: |_, worker| !worker.is_ours(),
        change: |expected, seen| {
            let lines = seen.get(FOLLOWED).cloned().unwrap_or_default();
            assert!(["old", "new"].ends_with(&texts(&lines)), "{lines:?}");
            expected.insert(FOLLOWED.to_owned(), lines);
        },
        seldom: true,
    },
    Rule {
        why: "a program that cannot be started: a Python traceback from stock, one line from ours",
        applies: |_, worker| worker.is_ours(),
        change: |expected, _| {
            let line = "cannot execute [b'/nonexistent/program', b'x']: No such file or directory";
            replace(expected, "log missing program/stdio e", &[line]);
        },
        seldom: false,
    },
    Rule {
        why: "lines of more than 4096 characters: a stock worker loses some of them; where it cuts \
              depends on how they arrive",
        applies: |_, worker| !worker.is_ours(),
        change: |expected, seen| {
            take_overlong(expected);
            assert!(take_overlong(seen) <= 10_000);
        },
        seldom: false,
    },
    Rule {
        why: "lines of more than 4096 characters: our worker keeps them",
        applies: |_, worker| worker.is_ours(),
        change: |expected, seen| {
            take_overlong(expected);
            assert_eq!(take_overlong(seen), 10_000);
        },
        seldom: false,
    },
    Rule {
        why: "MakeDirectory and CopyDirectory that fail say why",
        applies: |master, _| master == Maker::Ours,
        change: |expected, _| {
            let reasons = [
                ("make on a file", "Not a directory (os error 20)"),
                (
                    "copy nothing",
                    "cp: cannot stat 'WORKERDIR/set/build/nothing': No such file or directory",
                ),
            ];
            for (step, reason) in reasons {
                let log = r#"log "stdio" "stdio" "s""#.to_owned();
                expected.entry(format!("step {step}")).or_default().push(log);
                replace(expected, &format!("log {step}/stdio e"), &[reason]);
            }
        },
        seldom: false,
    },
    Rule {
        why: "a suppression file that cannot be read is told",
        applies: |master, _| master == Maker::Ours,
        change: |expected, _| {
            let log = r#"log "stdio" "stdio" "s""#.to_owned();
            expected.entry("step suppressed by nothing".to_owned()).or_default().push(log);
            let reason = "Cannot open file 'WORKERDIR/set/suppressed/none.txt' for upload";
            replace(expected, "log suppressed by nothing/stdio e", &[reason]);
        },
        seldom: false,
    },
    Rule {
        why: "a Git step that fails says why",
        applies: |master, _| master == Maker::Ours,
        change: |expected, _| {
            let reason = "repository 'REPOSITORY/none' does not exist";
            say_why(expected, "no repository", reason);
        },
        seldom: false,
    },
    Rule {
        why: "defect of a stock master: every download over MessagePack is empty",
        applies: |master, worker| master == Maker::Stock && is_message_pack(worker),
        change: empty_downloads,
        seldom: false,
    },
    Rule {
        why: "defect of a stock master: a file's times over MessagePack are refused; our worker \
              says so in the log",
        applies: |master, worker| master == Maker::Stock && is_message_pack(worker),
        change: |expected, _| {
            edit(expected, "on the master", |line| match line.starts_with("stamped ") {
                true => line.replace(" of 1000000000", ""),
                false => line.to_owned(),
            });
            let line = "The master did not keep the file's times: FileWriter.remote_utime() takes \
                        2 positional arguments but 3 were given";
            replace(expected, "log upload with stamp/stdio e", &[line]);
        },
        seldom: false,
    },
];

/// Of the source steps.
pub const SOURCE_RULES: &[Rule] = &[
    Rule {
        why: "a source step that fails says why",
        applies: |master, _| master == Maker::Ours,
        change: |expected, _| {
            let svn = "E170000: URL 'file://REPOSITORY/svn/repository/trunk/none' doesn't exist";
            say_why(expected, "no svn", svn);
            say_why(expected, "no hg", "repository REPOSITORY/hg/none not found");
        },
        seldom: false,
    },
    Rule {
        why: "a stock master forgets the step's timeout when it removes keys, passwords and clones of \
              Mercurial, or copies a working copy of Subversion",
        applies: |master, _| master == Maker::Ours,
        change: |expected, _| {
            for step in ["hg", "svn copy", "with a key", "with a password"] {
                let section = format!("log {step}/stdio h");
                edit(expected, &section, |line| {
                    line.replace("timeout 120 secs", "timeout 1200 secs")
                });
            }
        },
        seldom: false,
    },
    Rule {
        why: "our worker names the builder's directory without a slash at its end",
        applies: |_, worker| worker.is_ours(),
        change: |expected, _| {
            edit(expected, "log svn export/stdio h", |line| line.replace("/set/ (", "/set ("));
        },
        seldom: false,
    },
    Rule {
        why: "svn prints attributes and files, and cp prints files, in any order",
        applies: |_, _| true,
        change: |expected, seen| {
            for sections in [expected, seen] {
                for (name, lines) in sections.iter_mut() {
                    if name.starts_with("log svn") || name == "log with a password/stdio o" {
                        lines.retain(|line| !is_attribute(line));
                        lines.sort();
                    }
                }
            }
        },
        seldom: false,
    },
];

/// `   kind="dir"`, and perhaps the end of the element.
fn is_attribute(line: &str) -> bool {
    line.starts_with("   ") && line.trim_end_matches('>').ends_with('"') && line.contains("=\"")
}

/// The next source step that has failed gives a reason.
fn say_why(expected: &mut Sections, step: &str, reason: &str) {
    let why = format!("update: {reason} (failure)");
    for section in ["build".to_owned(), format!("step {step}")] {
        edit(expected, &section, |line| line.replacen("update (failure)", &why, 1));
    }
}

const FOLLOWED: &str = "log followed/f o";

fn is_message_pack(worker: WorkerKind) -> bool {
    matches!(worker, WorkerKind::Program(Kind { protocol: WorkerProtocol::MessagePack, .. }))
}

/// Takes the lines of the step out; how long was the one that is too long?
fn take_overlong(sections: &mut Sections) -> usize {
    let lines = sections.remove("log overlong line/stdio o").unwrap_or_default();
    let (last, pieces) = lines.split_last().expect("lines");
    let long = pieces.concat();
    assert!(last == "end" && long.chars().all(|c| c == 'y'), "{lines:?}");
    long.len()
}

fn texts(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

fn replace(sections: &mut Sections, section: &str, lines: &[&str]) {
    sections.insert(section.to_owned(), lines.iter().map(|line| (*line).to_owned()).collect());
}

fn edit(sections: &mut Sections, section: &str, change: impl Fn(&str) -> String) {
    for line in sections.get_mut(section).into_iter().flatten() {
        *line = change(line);
    }
}

/// The files are there, with their modes; and `maxsize` is never reached.
fn empty_downloads(expected: &mut Sections, _: &mut Sections) {
    edit(expected, "on the worker", |line| match line.strip_prefix("build/down/") {
        Some(file) if file.contains('"') || file.contains(" bytes, ") => {
            let words: Vec<&str> = file.split(' ').take(2).collect();
            format!("build/down/{} \"\"", words.join(" "))
        }
        _ => line.to_owned(),
    });
    expected.remove("log truncated string/stdio e");
    edit(expected, "log truncated string/stdio h", |line| line.replace("code 1", "code 0"));
    replace(
        expected,
        "step truncated string",
        &["0 downloading to short.txt", r#"log "stdio" "stdio" "s""#],
    );
    edit(expected, "build", |line| line.replace("downloading to short.txt (failure) ", ""));
    let listing = expected.entry("log see downloads/stdio o".to_owned()).or_default();
    let modes: Vec<String> = listing.iter().skip(5).take(7).cloned().collect();
    let sizes = ["0 empty.txt", "0 large.txt", "0 short.txt", "0 string.txt", "0 total"];
    *listing = sizes.iter().map(|line| (*line).to_owned()).chain(modes).collect();
}

/// What `reference` should look like for this pair. `seen` loses what cannot be foretold.
///
/// # Panics
/// When a rule changes nothing any more: then it is to go.
pub fn expected(
    rules: &[Rule],
    reference: &Sections,
    seen: &mut Sections,
    master: Maker,
    worker: WorkerKind,
) -> Sections {
    let mut expected = reference.clone();
    for rule in rules.iter().filter(|rule| (rule.applies)(master, worker)) {
        let before = expected.clone();
        (rule.change)(&mut expected, seen);
        assert!(
            rule.seldom || before != expected,
            "{master:?}, {worker:?}: needless: {}",
            rule.why
        );
    }
    expected
}
