//! `buildbot tryserver`: puts a try job from standard input into a job directory. `buildbot try`
//! runs it on the master's machine, by ssh.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::ValueHint;

use crate::flow::try_job::MAX_SIZE;

/// buildmaster-side 'try' support function, not for users
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The job directory, which the master looks into
    #[arg(long, value_hint = ValueHint::DirPath)]
    jobdir: Option<PathBuf>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Some(jobdir) = &options.jobdir else { bail!("jobdir is required") };
    let mut job = Vec::new();
    let limit = MAX_SIZE as u64 + 1;
    std::io::stdin().take(limit).read_to_end(&mut job).context("cannot read standard input")?;
    if job.len() > MAX_SIZE {
        bail!("the job has more than {MAX_SIZE} bytes");
    }
    deliver(&at_home(jobdir), &job)?;
    Ok(ExitCode::SUCCESS)
}

/// The master sees the job whole or not at all.
fn deliver(jobdir: &Path, job: &[u8]) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut unique = [0; 16];
    getrandom::fill(&mut unique).context("the system has no random numbers")?;
    let unique: String = unique.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{}.{:06}-{unique}", now.as_secs(), now.subsec_micros());
    let (tmp, new) = (jobdir.join("tmp").join(&name), jobdir.join("new").join(&name));
    let place = || format!("cannot write into the job directory '{}'", jobdir.display());
    let written = File::create_new(&tmp).and_then(|mut file| {
        file.write_all(job)?;
        file.sync_all()
    });
    written.with_context(place)?;
    std::fs::rename(&tmp, &new).with_context(place)
}

/// `~` as the shell would have it.
fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_arrives_whole() {
        let dir = tempfile::tempdir().unwrap();
        let told = deliver(dir.path(), b"job").expect_err("no maildir").to_string();
        assert!(told.contains("cannot write into the job directory"), "{told}");
        for part in ["tmp", "new"] {
            std::fs::create_dir(dir.path().join(part)).unwrap();
        }
        deliver(dir.path(), b"job").unwrap();
        let files = |part: &str| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(dir.path().join(part)).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        };
        let [job] = &files("new")[..] else { panic!("one job") };
        assert_eq!(std::fs::read(job).unwrap(), b"job");
        assert!(files("tmp").is_empty());
    }
}
