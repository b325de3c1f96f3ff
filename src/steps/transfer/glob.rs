//! Which files of the worker a step's patterns mean.

use protocol::command::Command;
use protocol::update::Update;

use super::run::cancelled;
use crate::steps::{Capture, StepError, Workbench};

/// What the patterns match on the worker; `None` when somebody stopped the step.
pub async fn matches(
    bench: &mut dyn Workbench,
    workdir: &str,
    patterns: &[String],
) -> Result<Option<Vec<String>>, StepError> {
    let quiet = Capture { quiet: true, ..Capture::default() };
    let mut found = Vec::new();
    for pattern in patterns {
        let path = join(workdir, pattern, &bench.worker().system);
        let finished = bench.command(Command::Glob { path }, quiet).await?;
        if let Some(reason) = finished.interrupted {
            cancelled(bench, &reason).await?;
            return Ok(None);
        }
        for update in finished.updates {
            if let Update::Files(files) = update {
                found.extend(files);
            }
        }
    }
    Ok(Some(found))
}

/// A path below a directory of the worker; an absolute one stays as it is.
pub fn join(directory: &str, path: &str, system: &str) -> String {
    let nt = system == "nt";
    let drive = nt && path.get(1..2) == Some(":");
    if path.starts_with('/') || drive || (nt && path.starts_with('\\')) {
        return path.to_owned();
    }
    match directory {
        "" => path.to_owned(),
        directory if directory.ends_with('/') => format!("{directory}{path}"),
        directory => format!("{directory}/{path}"),
    }
}
