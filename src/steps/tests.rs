//! The steps that run one command, the options all steps share, and the lines they show.

mod reports;
mod sequence;
mod tools;
mod worker_files;

use protocol::command::{Arg, CommandLine, EnvValue};
use serde_json::{Value, json};

use super::fake::{FakeBench, ended, parsed, plan};
use super::*;
use crate::steps::registry;

fn shell(options: Value) -> StepPlan {
    let mut step = json!({"type": "ShellCommand"});
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    plan(step)
}

fn args(words: &[&str]) -> CommandLine {
    CommandLine::Args(words.iter().map(|word| Arg::Plain((*word).to_owned())).collect())
}

#[tokio::test]
async fn a_shell_command_carries_its_options() {
    let step = shell(json!({
        "command": ["make", ["-j", 4], "%(prop:target)s"],
        "workdir": "build/%(prop:target)s",
        "env": {"PATH": ["/opt/bin", "${PATH}"], "GONE": false, "N": 3, "LANG": "C"},
        "want_stderr": false,
        "logfiles": {"warnings": "w.log", "tests": {"filename": "t.log", "follow": true}},
        "timeout": false, "maxTime": 60, "max_lines": 1000, "logEnviron": false,
        "interruptSignal": "SIGTERM", "sigtermTime": 2, "initialStdin": "yes\n", "usePTY": true,
    }));
    let mut bench = FakeBench::scripted([ended(0, "")]);
    bench.properties.set("target", "all", "t");
    bench.builder.env.insert("LANG".into(), json!("de_DE"));
    bench.builder.env.insert("CI".into(), json!("%(prop:target)s"));
    let (outcome, text) = bench.run(&step).await;
    assert_eq!((outcome.results, text.as_str()), (Results::Success, "'make -j ...'"));
    let sent = bench.shell();
    assert_eq!(sent.command, args(&["make", "-j", "4", "all"]));
    assert_eq!(sent.workdir, "build/all");
    let variable = |name: &str| sent.env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let text = |text: &str| Some(Some(EnvValue::Text(text.into())));
    assert_eq!(variable("LANG"), text("C"), "the step's over the builder's");
    assert_eq!(variable("CI"), text("all"));
    assert_eq!(variable("N"), text("3"));
    assert_eq!(variable("GONE"), Some(None));
    let paths = EnvValue::Paths(vec!["/opt/bin".into(), "${PATH}".into()]);
    assert_eq!(variable("PATH"), Some(Some(paths)));
    assert_eq!((sent.limits.timeout, sent.limits.max_time), (None, Some(60.0)));
    assert_eq!((sent.max_lines, sent.sigterm_time), (Some(1000), Some(2.0)));
    assert_eq!(sent.interrupt_signal.as_deref(), Some("TERM"));
    assert_eq!(sent.initial_stdin.as_deref(), Some("yes\n"));
    assert!(sent.use_pty && sent.want_stdout && !sent.want_stderr && !sent.limits.log_environ);
    assert_eq!(sent.logfiles.len(), 2);
    assert!(sent.logfiles[1].1.follow && sent.logfiles[1].1.filename == "t.log");
    let logs: Vec<&str> = bench.logs.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(logs[..3], ["stdio", "warnings", "tests"], "shown at once");
}

#[tokio::test]
async fn stock_defaults() {
    let mut bench = FakeBench::scripted([ended(0, "")]);
    bench.run(&shell(json!({"command": "make test"}))).await;
    let sent = bench.shell();
    assert_eq!(sent.workdir, "build");
    assert_eq!((sent.limits.timeout, sent.limits.max_time), (Some(1200.0), None));
    assert_eq!(sent.interrupt_signal.as_deref(), Some("KILL"));
    assert_eq!(sent.command, CommandLine::Text("make test".into()));
    let options: Vec<(&str, &str, bool)> =
        registry::all().map(|t| (t.class, t.name, (t.defaults)().halt_on_failure)).collect();
    for expected in [
        ("ShellCommand", "shell", false),
        ("Configure", "configure", true),
        ("Compile", "compile", true),
        ("Test", "test", false),
        ("Git", "git", true),
        ("MasterShellCommand", "MasterShellCommand", true),
    ] {
        assert!(options.contains(&expected), "{expected:?}");
    }
}

#[tokio::test]
async fn lines_read_as_in_stock() {
    let timed_out =
        |reason: &str| Finished { failure_reason: Some(reason.into()), ..ended(-1, "") };
    let done =
        json!({"command": "x", "descriptionDone": "tested", "descriptionSuffix": ["on", "x"]});
    let cases = [
        (json!({"command": "make test"}), ended(0, ""), "'make test'"),
        (json!({"command": ["make"]}), ended(2, ""), "'make' (failure)"),
        (json!({"command": "sh -c 'exit 1'"}), ended(1, ""), "'sh -c ...' (failure)"),
        (json!({"command": "x", "description": "testing"}), ended(0, ""), "'x'"),
        (done.clone(), ended(0, ""), "tested on x"),
        (done.clone(), ended(1, ""), "tested on x (failure)"),
        (done, timed_out("max_lines_failure"), "tested on x (failure) (max lines reached)"),
        (json!({"command": "x"}), timed_out("timeout"), "'x' (failure) (timed out)"),
        (json!({"command": "x"}), timed_out("max_lines_failure"), "'x' (failure) (max lines)"),
        (
            json!({"command": "x", "decodeRC": {"0": 0, "77": "SKIPPED"}}),
            ended(77, ""),
            "'x' (skipped)",
        ),
        (json!({"command": "x", "decodeRC": {"3": 1}}), ended(0, ""), "'x' (failure)"),
        (json!({"command": "x"}), Finished::default(), "'x' (failure)"),
        (
            json!({"command": "x"}),
            Finished { interrupted: Some("stop".into()), ..ended(0, "") },
            "'x' (cancelled)",
        ),
    ];
    for (options, finished, expected) in cases {
        let step = shell(options.clone());
        let interrupted = finished.interrupted.clone();
        let mut bench = FakeBench::scripted([finished]);
        bench.interrupt.send_replace(interrupted);
        assert_eq!(bench.run(&step).await.1, expected, "{options}");
    }
    let context = crate::flow::interpolate::RenderContext {
        properties: &Properties::from_iter([("a", json!("A"), "t")]),
        sources: &[],
        worker: &Properties::new(),
        secret: &|_| Some("hunter2".to_owned()),
    };
    let step = shell(json!({"command": "x", "description": "%(prop:a)s %(secret:pw)s"}));
    assert_eq!(step.rendered(&context).unwrap().running_text(), "A <pw>");
    let running = |options: Value| shell(options).running_text();
    assert_eq!(running(json!({"command": "x"})), "running");
    let described = json!({"command": "x", "description": "testing", "descriptionSuffix": "it"});
    assert_eq!(running(described), "testing it");
}

#[tokio::test]
async fn secrets_are_obfuscated() {
    let commands = [json!(["curl", "-u", "me:%(secret:pw)s", "x"]), json!("curl -u %(secret:pw)s")];
    for command in commands {
        let mut bench = FakeBench::scripted([ended(1, "")]);
        bench.secrets = vec![("pw".into(), "hunter2".into())];
        let (_, text) = bench.run(&shell(json!({"command": command}))).await;
        assert_eq!(text, "'curl -u ...' (failure)");
        let CommandLine::Args(args) = &bench.shell().command else { panic!("{command}") };
        let shown: Vec<&str> = args
            .iter()
            .map(|arg| match arg {
                Arg::Plain(text) => text.as_str(),
                Arg::Obfuscated { real, shown } => {
                    assert!(real.contains("hunter2"));
                    shown.as_str()
                }
            })
            .collect();
        let shown = shown.join(" ");
        assert!(shown.contains("<pw>") && !shown.contains("hunter2"), "{shown}");
    }
    let property = json!({"type": "Property", "key": "unset"});
    for (command, part) in
        [(json!("%(secret:x)s"), "'x'"), (json!([]), "empty"), (property, "empty")]
    {
        let mut bench = FakeBench::scripted([]);
        let error = shell(json!({"command": command})).step.run(&mut bench).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn compile_counts_warnings() {
    let output = "cc a.c\na.c:1: warning: unused\nok\nWARNING: careful\n";
    let cases = [
        (json!({"type": "Compile"}), 0, Results::Warnings, "compile (warnings)"),
        (json!({"type": "Compile"}), 2, Results::Failure, "compile (failure)"),
        (json!({"type": "Compile", "maxWarnCount": 1}), 0, Results::Failure, "compile (failure)"),
        (json!({"type": "Test", "warningPattern": "^ok"}), 0, Results::Warnings, "test (warnings)"),
        (json!({"type": "Test", "warningPattern": "none"}), 0, Results::Success, "test"),
        (json!({"type": "Configure"}), 0, Results::Success, "configure"),
    ];
    for (step, rc, results, line) in cases {
        let mut bench = FakeBench::scripted([ended(rc, output)]);
        bench.properties.set("warnings-count", 5, "t");
        let (outcome, text) = bench.run(&plan(step.clone())).await;
        assert_eq!((outcome.results, text.as_str()), (results, line), "{step}");
        if step["type"] == "Compile" {
            assert_eq!(bench.properties.get("warnings-count"), Some(&json!(7)));
            let expected = "a.c:1: warning: unused\nWARNING: careful\n";
            assert_eq!(bench.log_text("warnings (2)"), expected);
        }
    }
    let mut bench = FakeBench::scripted([ended(0, "")]);
    bench.run(&plan(json!({"type": "Compile"}))).await;
    assert_eq!(bench.shell().command, args(&["make", "all"]));
}

#[tokio::test]
async fn properties_are_set() {
    let mut bench = FakeBench::scripted([]);
    bench.properties.set("a", json!([1]), "t");
    let step = plan(
        json!({"type": "SetProperty", "property": "x-%(prop:a)s", "value": {"v": ["%(prop:a)s", 2]}}),
    );
    let (_, text) = bench.run(&step).await;
    assert_eq!(text, "Set");
    let property = bench.properties.property("x-[1]").unwrap();
    assert_eq!(
        (&property.value, property.source.as_str()),
        (&json!({"v": ["[1]", 2]}), "SetProperty")
    );
    let step = plan(json!({"type": "SetProperties", "properties": {"p": 1, "q": "%(prop:a)s"}}));
    let (_, text) = bench.run(&step).await;
    assert_eq!(text, "Properties Set");
    assert_eq!(bench.properties.get("p"), Some(&json!(1)));
    assert_eq!(bench.properties.get("q"), Some(&json!("[1]")));
}

#[tokio::test]
async fn properties_come_from_commands() {
    let step = |options: Value| {
        let mut step = json!({"type": "SetPropertyFromCommand", "command": ["ver", "-x"]});
        for (key, value) in options.as_object().unwrap() {
            step[key] = value.clone();
        }
        plan(step)
    };
    let groups = r"(?P<major>\d+)\.(?P<minor>\d+)(?P<patch>\.\d+)?";
    let cases = [
        (json!({"property": "v"}), ended(0, " 1.2 \n"), "property 'v' set", vec![("v", "1.2")]),
        (
            json!({"property": "v", "strip": false}),
            ended(0, "1\n"),
            "property 'v' set",
            vec![("v", "1\n")],
        ),
        (json!({"property": "v"}), ended(1, "1"), "'ver -x' (failure)", vec![]),
        (
            json!({"extract_re": groups}),
            ended(0, "version 4.3"),
            "2 properties set",
            vec![("major", "4"), ("minor", "3")],
        ),
        (
            json!({"extract_re": groups}),
            Finished { stderr: "1.2.3".into(), ..ended(1, "") },
            "3 properties set (failure)",
            vec![("major", "1"), ("minor", "2"), ("patch", ".3")],
        ),
        (json!({"extract_re": groups}), ended(0, "none"), "'ver -x'", vec![]),
    ];
    for (options, finished, line, expected) in cases {
        let mut bench = FakeBench::scripted([finished]);
        let (_, text) = bench.run(&step(options.clone())).await;
        assert_eq!(text, line, "{options}");
        let set: Vec<(&str, &str)> =
            bench.properties.iter().map(|(name, p)| (name, p.value.as_str().unwrap())).collect();
        assert_eq!(set, expected, "{options}");
        for (name, value) in expected {
            let shown = format!("{name}: '{}'\n", value.replace('\n', "\\n"));
            assert!(bench.log_text("property changes").contains(&shown));
        }
    }
}

#[tokio::test]
async fn master_commands_run_here() {
    let directory = tempfile::tempdir().unwrap();
    let step = |options: Value| {
        let mut step = json!({"type": "MasterShellCommand"});
        for (key, value) in options.as_object().unwrap() {
            step[key] = value.clone();
        }
        plan(step)
    };
    std::fs::create_dir(directory.path().join("sub")).unwrap();
    let cases = [
        (json!({"command": "echo $A; pwd; echo é >&2", "env": {"A": "${HOME}!"}}), "Ran"),
        (json!({"command": ["sh", "-c", "exit 3"]}), "failed (3) (failure)"),
        (json!({"command": "kill -9 $$"}), "killed (SIGKILL) (failure)"),
        (json!({"command": ["/no/such/program"]}), "failed to start (failure)"),
        (json!({"command": "pwd", "workdir": "sub"}), "Ran"),
        (json!({"command": "sleep 600", "runtime_timeout": 0.05}), "Ran (failure) (timed out)"),
        (
            json!({"command": "echo please interrupt; sleep 600", "interruptSignal": "TERM"}),
            "Ran (cancelled)",
        ),
        (json!({"command": "trap '' TERM; echo %(secret:pw)s"}), "Ran"),
        (
            json!({"command": "test -t 0 && test -t 1 && test -t 2 && echo é", "usePTY": true}),
            "Ran",
        ),
        (json!({"command": ["sh", "-c", "exit 4"], "usePTY": true}), "failed (4) (failure)"),
        (json!({"command": "echo please interrupt; sleep 600", "usePTY": true}), "Ran (cancelled)"),
    ];
    for (options, line) in cases {
        let mut bench = FakeBench::scripted([]);
        bench.basedir = directory.path().canonicalize().unwrap();
        bench.secrets = vec![("pw".into(), "hunter2".into())];
        let (_, text) = bench.run(&step(options.clone())).await;
        assert_eq!(text, line, "{options}\n{}", bench.log_text("stdio"));
        let log = bench.log_text("stdio");
        let headers: String = bench
            .logs
            .iter()
            .filter(|(_, stream, _)| *stream == Stream::Header)
            .map(|(.., text)| text.as_str())
            .collect();
        assert!(headers.contains("** RUNNING ON BUILDMASTER **"), "{log}");
        assert!(!headers.contains("hunter2"), "{log}");
        if let Some(env) = options.get("env") {
            let home = std::env::var("HOME").unwrap_or_default();
            let basedir = bench.basedir.display();
            let out: String = bench
                .logs
                .iter()
                .filter(|(_, stream, _)| *stream == Stream::Stdout)
                .map(|(.., text)| text.as_str())
                .collect();
            assert!(out.contains(&format!("{home}!\n{basedir}\n")), "{env}: {log}");
            assert!(bench.logs.iter().any(|(_, s, t)| *s == Stream::Stderr && t.contains('é')));
        }
    }
}

#[tokio::test]
async fn a_dropped_master_command_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut bench = FakeBench::scripted([]);
    bench.basedir = directory.path().to_owned();
    // The inner shell holds the pipe open until it dies.
    let command = "sh -c 'exec 9>fifo; echo up >&9; sleep 600' & wait";
    let step = plan(json!({"type": "MasterShellCommand", "command": command}));
    let (up, mut is_up) = tokio::sync::mpsc::channel(1);
    // The end of the pipe comes when its last writer is dead.
    let reading = tokio::task::spawn_blocking(move || {
        use std::io::Read;
        let mut pipe = std::fs::File::open(fifo).unwrap();
        pipe.read_exact(&mut [0; 3]).unwrap();
        up.blocking_send(()).unwrap();
        pipe.read_to_end(&mut Vec::new()).unwrap()
    });
    tokio::select! {
        outcome = step.step.run(&mut bench) => panic!("ended by itself: {outcome:?}"),
        started = is_up.recv() => assert_eq!(started, Some(())),
    }
    let deadline = std::time::Duration::from_secs(20);
    tokio::time::timeout(deadline, reading).await.expect("the program lives on").unwrap();
}

#[test]
fn shared_options_are_read() {
    let step = plan(json!({
        "type": "ShellCommand", "command": "x", "name": "tests", "haltOnFailure": true,
        "flunkOnFailure": false, "warnOnFailure": true, "flunkOnWarnings": true,
        "warnOnWarnings": true, "alwaysRun": true, "doStepIf": "branch == 'main'",
        "hideStepIf": "results == 'skipped'", "description": ["a", "b"],
    }));
    assert_eq!((step.name.as_str(), step.class), ("tests", "ShellCommand"));
    let flags = step.options.flags();
    assert!(flags.halt_on_failure && !flags.flunk_on_failure && flags.always_run);
    assert!(flags.warn_on_failure && flags.flunk_on_warnings && flags.warn_on_warnings);
    assert_eq!(step.options.description.as_deref(), Some("a b"));
    let main = Properties::from_iter([("branch", json!("main"), "t")]);
    assert_eq!(step.options.do_step_if.holds(&main, None), Ok(true));
    assert_eq!(step.options.do_step_if.holds(&Properties::new(), None), Ok(false));
    let hidden = |results| step.options.hide_step_if.holds(&main, Some(results));
    assert_eq!(hidden(Results::Skipped), Ok(true));
    assert_eq!(hidden(Results::Failure), Ok(false));
    let plain = plan(json!({"type": "ShellCommand", "command": "x"})).options;
    let shows = |results| plain.updates_build_summary(results);
    assert!(shows(Results::Failure) && shows(Results::Cancelled));
    assert!(!shows(Results::Warnings) && !shows(Results::Success));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let cases = [
        (json!({"type": "ShelCommand"}), "did you mean 'ShellCommand'"),
        (json!({"type": "Nonsense"}), "unknown step 'Nonsense'; known are"),
        (json!({"command": "x"}), "needs a value for 'type'"),
        (json!("x"), "must be a table"),
        (json!({"type": "ShellCommand"}), "needs a value for 'command'"),
        (json!({"type": "ShellCommand", "command": "x", "comand": "y"}), "did you mean 'command'"),
        (
            json!({"type": "ShellCommand", "command": "%(prop:x)"}),
            "steps[0].command: '%(prop:x)' must",
        ),
        (
            json!({"type": "ShellCommand", "command": "x", "locks": [7]}),
            "steps[0].locks[0]: must be the name of a lock or a table, not a number",
        ),
        (
            json!({"type": "ShellCommand", "command": "x", "doStepIf": "a =="}),
            "steps[0].doStepIf: the expression 'a =='",
        ),
        (
            json!({"type": "ShellCommand", "command": "x", "timeout": -1}),
            "timeout: must be a number above 0",
        ),
        (
            json!({"type": "ShellCommand", "command": "x", "decodeRC": {"a": 0}}),
            "'a' must be an exit status",
        ),
        (json!({"type": "ShellCommand", "command": "x", "env": {"A": true}}), "'A' must be"),
        (json!({"type": "ShellCommand", "command": "x", "env": "A=1"}), "env: must be a table"),
        (json!({"type": "ShellCommand", "command": "x", "interruptSignal": 9}), "name of a signal"),
        (
            json!({"type": "ShellCommand", "command": "x", "name": "x".repeat(51)}),
            "1 to 50 characters",
        ),
        (
            json!({"type": "ShellCommand", "command": "x", "description": "%(prop:a"}),
            "steps[0].description: ",
        ),
        (json!({"type": "SetPropertyFromCommand", "command": "x"}), "exactly one of"),
        (
            json!({"type": "SetPropertyFromCommand", "command": "x", "extract_fn": "f"}),
            "a function cannot stand here, but 'extract_re'",
        ),
        (
            json!({"type": "SetPropertyFromCommand", "command": "x", "extract_re": "a"}),
            "named groups",
        ),
        (
            json!({"type": "MasterShellCommand", "command": "x", "interruptSignal": "X"}),
            "names no signal",
        ),
        (json!({"type": "Compile", "warningPattern": "("}), "not a regular expression"),
    ];
    for (step, part) in cases {
        let (_, problems) = parsed(step.clone());
        assert!(problems.contains(part), "{step}: {problems}");
    }
}
