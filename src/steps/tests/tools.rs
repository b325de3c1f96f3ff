//! CMake, Sphinx, RpmLint, RpmBuild, Assert, LogRenderable, and the named rules of
//! SetPropertyFromCommand.

use super::*;

fn words(sent: &CommandLine) -> Vec<String> {
    match sent {
        CommandLine::Text(text) => vec![text.clone()],
        CommandLine::Args(args) => args
            .iter()
            .map(|arg| match arg {
                Arg::Plain(text) | Arg::Obfuscated { shown: text, .. } => text.clone(),
            })
            .collect(),
    }
}

#[tokio::test]
async fn the_commands_that_steps_put_together() {
    let rpmbuild = "rpmbuild --define \"_topdir `pwd`\" --define \"_builddir `pwd`\" --define \
                    \"_rpmdir /out\" --define \"_sourcedir `pwd`\" --define \"_specdir `pwd`\" \
                    --define \"_srcrpmdir `pwd`\"";
    let cases: [(Value, Vec<&str>); 8] = [
        (json!({"type": "CMake"}), vec!["cmake"]),
        (
            json!({
                "type": "CMake", "cmake": "cmake3", "generator": "Ninja", "path": "../%(prop:a)s",
                "definitions": {"A": "x%(prop:a)s", "B": true, "PW": "%(secret:pw)s"},
                "options": ["-Wdev", "%(prop:a)s"],
            }),
            vec!["cmake3", "-G", "Ninja", "-DA=x1", "-DB=True", "-DPW=<pw>", "-Wdev", "1", "../1"],
        ),
        (json!({"type": "Sphinx", "sphinx_builddir": "out"}), vec!["sphinx-build", ".", "out"]),
        (
            json!({
                "type": "Sphinx", "sphinx_sourcedir": "doc", "sphinx_builddir": "out",
                "sphinx_builder": "html", "sphinx": "sb", "tags": ["a", "b"], "mode": "full",
                "defines": {"z": "%(prop:a)s", "y": true, "x": false}, "strict_warnings": true,
            }),
            vec![
                "sb", "-b", "html", "-t", "a", "-t", "b", "-D", "x=0", "-D", "y=1", "-D", "z=1",
                "-E", "-W", "doc", "out",
            ],
        ),
        (json!({"type": "RpmLint"}), vec!["rpmlint", "-i", "."]),
        (
            json!({"type": "RpmLint", "fileloc": "*.spec", "config": "lint"}),
            vec!["rpmlint", "-i", "-f", "lint", "*.spec"],
        ),
        (
            json!({"type": "RpmBuild", "specfile": "a.spec", "rpmdir": "/out", "define": {"m": 1}}),
            vec!["BASE --define \"m 1\" --define \"dist .el6\" -ba a.spec"],
        ),
        (
            json!({
                "type": "RpmBuild", "specfile": "spec/a.b.spec", "rpmdir": "/out", "dist": ".x",
                "autoRelease": true, "vcsRevision": true,
            }),
            vec![
                "BASE --define \"_release 4\" --define \"_revision abc\" --define \"dist .x\" -ba \
                 spec/a.b.spec",
            ],
        ),
    ];
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.release"), "4\n").unwrap();
    for (step, expected) in cases {
        let mut bench = FakeBench::scripted([ended(0, "")]);
        bench.properties.set("a", "1", "t");
        bench.properties.set("got_revision", "abc", "t");
        bench.secrets.push(("pw".into(), "hunter2".into()));
        bench.basedir = place.path().to_owned();
        bench.run(&plan(step.clone())).await;
        let expected: Vec<String> =
            expected.iter().map(|word| word.replace("BASE", rpmbuild)).collect();
        assert_eq!(words(&bench.shell().command), expected, "{step}");
    }
    assert_eq!(std::fs::read_to_string(place.path().join("a.release")).unwrap(), "5");
}

#[tokio::test]
async fn what_they_make_of_the_output() {
    let sphinx = json!({"type": "Sphinx", "sphinx_builddir": "out"});
    let fine = "x.rst:3: WARNING: no\nbuild succeeded, 1 warning.\n";
    let strict = "Warning, treated as error:\nx.rst:3: no such thing\n";
    let lint = json!({"type": "RpmLint"});
    let linted = "a.spec: W: x\nW: one\nE: two\nW: three\n1 packages checked; 1 warning: x\n";
    let build = json!({"type": "RpmBuild", "specfile": "a.spec"});
    let built = "Executing(%prep): /bin/sh\n+ make\nnoise\nerror: no\n   bad\nWrote: /a.rpm\n";
    let compile = json!({"type": "CMake"});
    let cases = [
        (&sphinx, ended(0, "build succeeded.\n"), Results::Success, "sphinx 0 warnings", vec![]),
        (
            &sphinx,
            ended(0, fine),
            Results::Warnings,
            "sphinx 1 warnings (warnings)",
            vec![("warnings", "x.rst:3: WARNING: no\n")],
        ),
        (
            &sphinx,
            ended(1, strict),
            Results::Failure,
            "sphinx 1 warnings (failure)",
            vec![("warnings", "x.rst:3: no such thing\n")],
        ),
        (
            &lint,
            ended(0, linted),
            Results::Warnings,
            "Finished checking RPM/SPEC issues (warnings)",
            vec![("2 Warnings", "W: one\nW: three\n"), ("1 Errors", "E: two\n")],
        ),
        (
            &build,
            ended(1, built),
            Results::Failure,
            "RPMBUILD (failure)",
            vec![
                ("RPM Command Log", "Executing(%prep): /bin/sh\n+ make\nWrote: /a.rpm\n"),
                ("RPM Errors", "error: no\n   bad\n"),
            ],
        ),
        (&compile, ended(0, ""), Results::Success, "cmake", vec![]),
        (&compile, ended(1, ""), Results::Failure, "cmake (failure)", vec![]),
    ];
    for (step, finished, results, line, logs) in cases {
        let mut bench = FakeBench::scripted([finished]);
        let (outcome, text) = bench.run(&plan(step.clone())).await;
        assert_eq!((outcome.results, text.as_str()), (results, line), "{step}");
        for (name, expected) in logs {
            assert_eq!(bench.log_text(name), expected, "{step} {name}");
        }
    }
}

#[tokio::test]
async fn a_tree_is_measured() {
    let cases = [
        (ended(0, "1234\t.\n"), Results::Success, "treesize 1234 KiB", Some(json!(1234))),
        (ended(0, "what\n"), Results::Warnings, "treesize unknown (warnings)", None),
        (ended(1, "8\t.\n"), Results::Failure, "treesize 8 KiB (failure)", Some(json!(8))),
    ];
    for (finished, results, line, size) in cases {
        let mut bench = FakeBench::scripted([finished]);
        let (outcome, text) = bench.run(&plan(json!({"type": "TreeSize"}))).await;
        assert_eq!((outcome.results, text.as_str()), (results, line));
        assert_eq!(bench.properties.get("tree-size-KiB"), size.as_ref());
        assert_eq!(words(&bench.shell().command), ["du", "-s", "-k", "."]);
    }
}

#[tokio::test]
async fn assertions_hold_or_fail() {
    let cases = [
        (json!(true), true, "checked True"),
        (json!(false), false, "checked False (failure)"),
        (json!("branch == 'main'"), true, "checked branch == 'main'"),
        (json!("branch == 'x'"), false, "checked branch == 'x' (failure)"),
        (json!("%(prop:nothing:-)s"), false, "checked %(prop:nothing:-)s (failure)"),
        (
            json!({"type": "Property", "key": "branch"}),
            true,
            "checked {'type': 'Property', 'key': 'branch'}",
        ),
    ];
    for (check, holds, line) in cases {
        let mut bench = FakeBench::scripted([]);
        bench.properties.set("branch", "main", "t");
        let (outcome, text) = bench.run(&plan(json!({"type": "Assert", "check": check}))).await;
        assert_eq!((outcome.results == Results::Success, text.as_str()), (holds, line));
    }
    assert!(parsed(json!({"type": "Assert", "check": "a =="})).1.contains("the expression"));
    assert!(parsed(json!({"type": "Assert"})).1.contains("needs a value for 'check'"));
}

#[tokio::test]
async fn a_renderable_is_logged_without_its_secrets() {
    let content = json!({"b": ["%(prop:branch)s", 1], "a": "%(secret:pw)s"});
    let mut bench = FakeBench::scripted([]);
    bench.properties.set("branch", "main", "t");
    bench.secrets.push(("pw".into(), "hunter2".into()));
    let step = plan(json!({"type": "LogRenderable", "content": content}));
    assert_eq!(bench.run(&step).await.1, "Logged");
    assert_eq!(bench.log_text("Output"), "{'a': '<pw>', 'b': ['main', 1]}");
}

#[tokio::test]
async fn named_rules_make_properties_of_output() {
    let json_output = r#"{"version": "1.2", "parts": [1, 2]}"#;
    let cases = [
        ("json", json_output, json!([["parts", [1, 2]], ["version", "1.2"]])),
        ("assignments", "A=1\nno\nB=x = y\nin fo=2\n=3\n", json!([["A", "1"], ["B", "x = y"]])),
    ];
    for (rule, output, expected) in cases {
        let step =
            plan(json!({"type": "SetPropertyFromCommand", "command": "x", "extract_fn": rule}));
        let mut bench = FakeBench::scripted([ended(0, output)]);
        let (_, line) = bench.run(&step).await;
        assert_eq!(line, "2 properties set");
        for pair in expected.as_array().unwrap() {
            assert_eq!(bench.properties.get(pair[0].as_str().unwrap()), Some(&pair[1]), "{rule}");
        }
    }
    let step =
        plan(json!({"type": "SetPropertyFromCommand", "command": "x", "extract_fn": "json"}));
    let mut bench = FakeBench::scripted([ended(0, "no json")]);
    let error = step.step.run(&mut bench).await.unwrap_err().to_string();
    assert!(error.starts_with("the output is no JSON"), "{error}");
}

#[test]
fn what_shows_in_the_line_of_the_build() {
    let shows = |policy: Value, results| {
        let step = shell(json!({"command": "x", "updateBuildSummaryPolicy": policy}));
        step.options.updates_build_summary(results)
    };
    assert!(shows(json!(true), Results::Success));
    assert!(!shows(json!(false), Results::Exception));
    assert!(shows(json!(["WARNINGS", 0]), Results::Success));
    assert!(!shows(json!(["WARNINGS", 0]), Results::Failure));
    let wrong = json!({"type": "Assert", "check": true, "updateBuildSummaryPolicy": ["WORSE"]});
    assert!(parsed(wrong).1.contains("a list of results"));
}

#[test]
fn a_name_may_hold_substitutions() {
    let properties = Properties::from_iter([("a", json!("A"), "t")]);
    let context = crate::flow::interpolate::RenderContext {
        properties: &properties,
        sources: &[],
        worker: &Properties::new(),
        secret: &|_| None,
    };
    let step = shell(json!({"command": "x", "name": "test %(prop:a)s"}));
    assert_eq!(step.rendered(&context).unwrap().name, "test A");
}
