//! Whole directory trees are left to `rm` and `cp`, which run like the program of a step.

use std::path::Path;

use protocol::command::{Arg, CommandLine, Limits, Shell};
use protocol::update::Update;
use tokio::sync::mpsc;

use super::output::Output;
use super::python::os_error;
use super::{Ended, Stop, Surroundings, files, program};

/// `rm -rf`, and once more after making everything writable. The last failure counts.
pub(super) async fn remove_directories(
    dirs: &[String],
    limits: Limits,
    surroundings: &Surroundings,
    output: &mut Output,
    stop: &mut mpsc::Receiver<Stop>,
) -> Ended {
    let mut rc = 0;
    for dir in dirs {
        let attempts: [&[&str]; 3] =
            [&["rm", "-rf", dir], &["chmod", "-Rf", "u+rwx", dir], &["rm", "-rf", dir]];
        let mut last = 0;
        for (number, command) in attempts.into_iter().enumerate() {
            let shell = helper(command, limits.clone(), surroundings);
            let outcome = program::run(shell, &surroundings.environment, false, output, stop).await;
            last = outcome.rc;
            if outcome.failure.is_some() || outcome.interrupted {
                output.value(Update::Rc(last));
                return Ended { failure: outcome.failure, interrupted: outcome.interrupted };
            }
            if number == 0 && last == 0 {
                break;
            }
        }
        if last != 0 {
            rc = last;
        }
    }
    output.value(Update::Rc(rc));
    Ended::WELL
}

/// `cp -R -P -p -v`; the parent of the new directory is made first.
pub(super) async fn copy_directory(
    from: &str,
    to: &str,
    limits: Limits,
    surroundings: &Surroundings,
    output: &mut Output,
    stop: &mut mpsc::Receiver<Stop>,
) -> Ended {
    let parent = Path::new(to).parent().map(|path| path.to_string_lossy().into_owned());
    if let Some(parent) = parent {
        let made = parent.clone();
        let made = tokio::task::spawn_blocking(move || files::make_directory(&made)).await;
        if let Ok(Err(error)) = made {
            return Ended::failed(os_error(Path::new(&parent), &error));
        }
    }
    let shell = helper(&["cp", "-R", "-P", "-p", "-v", from, to], limits, surroundings);
    let outcome = program::run(shell, &surroundings.environment, false, output, stop).await;
    output.value(Update::Rc(outcome.rc));
    Ended { failure: outcome.failure, interrupted: outcome.interrupted }
}

fn helper(command: &[&str], limits: Limits, surroundings: &Surroundings) -> Shell {
    let args = command.iter().map(|arg| Arg::Plain((*arg).to_owned()));
    Shell {
        workdir: surroundings.basedir.clone(),
        command: CommandLine::Args(args.collect()),
        env: Vec::new(),
        want_stdout: true,
        want_stderr: true,
        limits,
        max_lines: None,
        sigterm_time: None,
        interrupt_signal: Some("KILL".to_owned()),
        initial_stdin: None,
        logfiles: Vec::new(),
        use_pty: false,
    }
}
