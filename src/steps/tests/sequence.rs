//! ShellSequence.

use super::*;

fn sequence(commands: Value, options: Value) -> StepPlan {
    let mut step = json!({"type": "ShellSequence", "commands": commands});
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    plan(step)
}

#[tokio::test]
async fn every_command_has_its_log() {
    let step = sequence(
        json!([
            {"command": ["echo", "%(prop:a)s"], "logname": "first-%(prop:a)s"},
            {"command": "", "logname": "never"},
            {"command": [], "logname": "never"},
            {"type": "ShellArg", "command": "echo two; exit 0", "logname": "second"},
            {"command": "echo unheard"},
        ]),
        json!({"env": {"A": "1"}, "workdir": "w", "timeout": 5}),
    );
    assert_eq!((step.name.as_str(), step.options.halt_on_failure), ("generic", false));
    let outputs = ["1\n", "two\n", "unheard\n"].map(|text| ended(0, text));
    let mut bench = FakeBench::scripted(outputs);
    bench.properties.set("a", "x", "t");
    let (outcome, line) = bench.run(&step).await;
    assert_eq!((outcome.results, line.as_str()), (Results::Success, "'echo unheard'"));
    assert_eq!(bench.log_text("first-x"), "1\n");
    assert_eq!(bench.log_text("second"), "two\n");
    assert!(bench.logs.iter().all(|(name, ..)| name == "first-x" || name == "second"));
    let [Command::Shell(first), Command::Shell(second), _] = bench.commands.as_slice() else {
        panic!("{:?}", bench.commands);
    };
    assert_eq!(first.command, args(&["echo", "x"]));
    assert_eq!(second.command, CommandLine::Text("echo two; exit 0".into()));
    assert_eq!((second.workdir.as_str(), second.limits.timeout), ("w", Some(5.0)));
    assert_eq!(second.env.len(), 1);
}

#[tokio::test]
async fn each_command_has_its_say_about_the_result() {
    let failing = |flags: Value| {
        let mut arg = json!({"command": "one", "logname": "l"});
        for (key, value) in flags.as_object().unwrap() {
            arg[key] = value.clone();
        }
        json!([arg, {"command": "two three four", "logname": "l"}])
    };
    let halt = json!({"haltOnFailure": true});
    let warn = json!({"flunkOnFailure": false, "warnOnFailure": true});
    let cases = [
        (json!({}), vec![1, 0], Results::Failure, "'two three ...' (failure)"),
        (halt, vec![1], Results::Failure, "'one' (failure)"),
        (warn, vec![1, 0], Results::Warnings, "'two three ...' (warnings)"),
        (json!({"flunkOnFailure": false}), vec![1, 0], Results::Success, "'two three ...'"),
        (json!({}), vec![0, 1], Results::Failure, "'two three ...' (failure)"),
    ];
    for (flags, codes, results, expected) in cases {
        let count = codes.len();
        let mut bench = FakeBench::scripted(codes.into_iter().map(|rc| ended(rc, "")));
        let (outcome, line) = bench.run(&sequence(failing(flags.clone()), json!({}))).await;
        assert_eq!((outcome.results, line.as_str()), (results, expected), "{flags}");
        assert_eq!(bench.commands.len(), count);
    }
    let done = json!({"descriptionDone": "did it", "decodeRC": {"3": "WARNINGS"}});
    let warnings = json!([{"command": "x", "logname": "l", "warnOnWarnings": true}]);
    let mut bench = FakeBench::scripted([ended(3, "")]);
    let (_, line) = bench.run(&sequence(warnings, done)).await;
    assert_eq!(line, "did it (warnings)");
}

#[tokio::test]
async fn a_stopped_sequence_goes_no_further() {
    let mut bench = FakeBench::scripted([ended(-1, ""), ended(0, "")]);
    bench.interrupt.send_replace(Some("stop".into()));
    let commands = json!([{"command": "a", "logname": "l"}, {"command": "b", "logname": "l"}]);
    let (outcome, line) = bench.run(&sequence(commands, json!({}))).await;
    assert_eq!((outcome.results, line.as_str()), (Results::Cancelled, "'a' (cancelled)"));
    assert_eq!(bench.commands.len(), 1);
    let mut bench = FakeBench::scripted([]);
    let (_, line) = bench.run(&sequence(json!([]), json!({}))).await;
    assert_eq!(line, "finished");
    let unset = json!([{"command": {"type": "Property", "key": "unset"}}]);
    let error = sequence(unset, json!({})).step.run(&mut bench).await.unwrap_err();
    assert!(error.to_string().contains("must be a string or a list"), "{error}");
}

#[test]
fn mistakes_in_commands_are_told() {
    let cases = [
        (json!(null), "needs a value for 'commands'"),
        (json!("x"), "commands: must be a list of tables"),
        (json!(["x"]), "commands[0]: must be a table"),
        (json!([{}]), "commands[0]: needs a value for 'command'"),
        (json!([{"command": "x", "logfile": "l"}]), "did you mean 'logname'?"),
        (json!([{"command": "x", "haltonfailure": true}]), "did you mean 'haltOnFailure'?"),
        (json!([{"command": "x", "type": "Shell"}]), "commands[0].type: unknown type"),
    ];
    for (commands, part) in cases {
        let mut step = json!({"type": "ShellSequence"});
        if !commands.is_null() {
            step["commands"] = commands;
        }
        let (_, problems) = parsed(step.clone());
        assert!(problems.contains(part), "{step}: {problems}");
    }
    let (_, problems) = parsed(json!({"type": "ShellSequence", "commands": [], "command": "x"}));
    assert!(problems.contains("did you mean 'commands'?"), "{problems}");
}
