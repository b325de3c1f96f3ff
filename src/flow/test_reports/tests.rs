//! Reports of many programs, and what is no report.

use proptest::prelude::*;

use super::{Sink, TestCase, TestOutcome, junit, tap};

type Read = fn(&[u8], &mut Sink<'_>) -> Result<(), String>;

const READERS: [Read; 2] =
    [|text, sink| junit::read(text, sink), |text, sink| tap::read(text, sink)];

fn tests_of(read: Read, text: &str) -> (Vec<TestCase>, Result<(), String>) {
    let mut found = Vec::new();
    let outcome = read(text.as_bytes(), &mut |case| {
        found.push(case);
        true
    });
    (found, outcome)
}

/// `name +` for passed, `name - why`, `name ~ why` for skipped.
fn lines(read: Read, text: &str) -> Vec<String> {
    let (found, outcome) = tests_of(read, text);
    assert_eq!(outcome, Ok(()), "{text}");
    let line = |case: TestCase| match case.outcome {
        TestOutcome::Passed => format!("{} +", case.name),
        TestOutcome::Failed(why) => format!("{} - {why}", case.name),
        TestOutcome::Skipped(why) => format!("{} ~ {why}", case.name),
    };
    found.into_iter().map(line).collect()
}

#[test]
fn junit_reports() {
    let pytest = r#"<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest"
        tests="4"><properties><property name="a" value="b"/></properties>
        <testcase classname="tests.test_a" name="test_one" file="tests/test_a.py" line="3" time="0.5"/>
        <testcase classname="tests.test_a" name="test_two[&lt;x&gt;]" time="1,000.25">
          <failure message="assert 1 == 2" type="x">def f():
&gt;   assert 1 == 2 &amp; &#65;</failure><system-out>noise</system-out></testcase>
        <testcase name="alone"><skipped type="pytest.skip" message="no network"/></testcase>
        <testcase classname="tests.test_b" name="setup"><error><![CDATA[<broken>]]></error></testcase>
        </testsuite></testsuites>"#;
    assert_eq!(
        lines(READERS[0], pytest),
        [
            "tests.test_a.test_one +",
            "tests.test_a.test_two[<x>] - assert 1 == 2\ndef f():\n>   assert 1 == 2 & A",
            "alone ~ no network",
            "tests.test_b.setup - <broken>",
        ]
    );
    let (found, _) = tests_of(READERS[0], pytest);
    assert_eq!((found[0].file.as_deref(), found[0].line), (Some("tests/test_a.py"), Some(3)));
    assert_eq!(found[0].duration_ns, Some(500_000_000));
    assert_eq!(found[1].duration_ns, Some(1_000_250_000_000));
    let odd = "<testsuite><testcase/><testcase name='a'><failure/><failure message='b'/>\
               <skipped/></testcase><x:testcase xmlns:x='y' name='c' line='none' time='soon'/>\
               <testcase name='d'><failure>&unknown; &#0;</failure></testcase></testsuite>";
    let names = ["(without a name) +", "a - ", "c +", "d - &unknown; &#0;"];
    assert_eq!(lines(READERS[0], odd), names);
    assert_eq!(lines(READERS[0], "<testsuites/>"), [""; 0]);
}

#[test]
fn tap_reports() {
    let text = "TAP version 14\n1..8\nok 1 - first\nnot ok 2 second\n# got: 3\n  ---\n  \
                message: 'no'\n  duration_ms: 12.5\n  ...\nok 3 # SKIP no disk\nnot ok 4 - later # \
                TODO some day\n    ok 1 - of a subtest\n    1..1\nok 5 - a \\# b\nok\nok 7 - seven # \
                time=3.5ms\nnot ok\n";
    assert_eq!(
        lines(READERS[1], text),
        [
            "first +",
            "second - got: 3\nmessage: 'no'",
            "test 3 ~ no disk",
            "later ~ some day",
            "a \\# b +",
            "test 6 +",
            "seven +",
            "test 8 - ",
        ]
    );
    let (found, _) = tests_of(READERS[1], text);
    assert_eq!(found[1].duration_ns, Some(12_500_000));
    assert_eq!(found[6].duration_ns, Some(3_500_000));
    let cases = [
        ("1..3\nok\nok\n", vec!["test 1 +", "test 2 +", "(plan) - 3 tests were planned, 2 ran"]),
        ("ok\n1..1\n", vec!["test 1 +"]),
        ("1..0 # SKIP nothing here\n", vec![]),
        ("1..2\nok 1\nBail out! disk full\n", vec!["test 1 +", "Bail out! - disk full"]),
        ("noise\nok 1 - a\r\nokay then\n1..1\n", vec!["a +"]),
    ];
    for (text, expected) in cases {
        assert_eq!(lines(READERS[1], text), expected, "{text}");
    }
}

#[test]
fn what_is_no_report_is_told_with_its_place() {
    let deep = "<a>".repeat(100);
    let cases: [(Read, &str, &str); 9] = [
        (READERS[0], "", "is not JUnit XML"),
        (READERS[0], "<html><body/></html>", "is not JUnit XML: it has no 'testsuite'"),
        (READERS[0], "<testsuite><testcase name='a'/>", "ends in the middle"),
        (READERS[0], "<testsuite></other>", "is not XML at byte"),
        (READERS[0], "<testsuite><testcase name='a' name='b'/></testsuite>", "is not XML"),
        (READERS[0], &deep, "more than 64 elements"),
        (READERS[1], "", "is not TAP"),
        (READERS[1], "all fine\n", "is not TAP"),
        (READERS[1], "ok 1\n1..many\n", "has no number of tests: '1..many' in line 2"),
    ];
    for (read, text, expected) in cases {
        let (_, outcome) = tests_of(read, text);
        let error = outcome.expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let (found, _) = tests_of(READERS[0], "<testsuite><testcase name='a'/>");
    assert_eq!(found.len(), 1, "what came before counts");
    let latin = b"<testsuite><testcase name='\xe4'/></testsuite>";
    assert!(junit::read(&latin[..], &mut |_| true).is_err());
}

#[test]
fn long_texts_are_cut() {
    let long = "ä".repeat(100_000);
    let junit = format!(
        "<testsuite><testcase name='{long}'><failure>{long}</failure></testcase></testsuite>"
    );
    let tap = format!("not ok 1 - {long}\n# {long}\n# {long}\n1..1\n");
    for (read, text) in READERS.into_iter().zip([junit, tap]) {
        let (found, outcome) = tests_of(read, &text);
        assert_eq!(outcome, Ok(()));
        let TestOutcome::Failed(why) = &found[0].outcome else { panic!("{found:?}") };
        assert!(found[0].name.len() < 1100 && why.len() < 4200, "{}", why.len());
    }
}

#[test]
fn a_reader_that_has_enough_stops() {
    for (read, text) in READERS.into_iter().zip([
        "<testsuite><testcase name='a'/><testcase name='b'/><broken",
        "ok 1\nok 2\nok 3\n1..many\n",
    ]) {
        let mut count = 0;
        let outcome = read(text.as_bytes(), &mut |_| {
            count += 1;
            false
        });
        assert_eq!((count, outcome), (1, Ok(())), "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_them_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for read in READERS {
            let _ = read(&bytes, &mut |_| true);
        }
    }

    #[test]
    fn no_mixture_of_pieces_makes_them_panic(pieces in proptest::collection::vec(
        proptest::sample::select(vec![
            "<testsuite>", "</testsuite>", "<testcase name='a'>", "</testcase>", "<failure",
            " message='x'", ">", "/>", "<skipped/>", "text", "&amp;", "&#x41;", "&#xffffffff;",
            "<![CDATA[", "]]>", "<!--", "-->", "<!DOCTYPE a [", "]>", "<?xml", "?>", "ä",
            "ok", "not ok", " 1", " - ", "# SKIP", "#", "\\#", "\n", "  ---\n", "  ...\n", "1..",
            "Bail out!", "time=1e400ms", "duration_ms: nan\n",
        ]), 0..40,
    )) {
        let text = pieces.concat();
        for read in READERS {
            let _ = read(text.as_bytes(), &mut |_| true);
        }
    }
}
