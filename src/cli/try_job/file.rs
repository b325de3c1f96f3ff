//! A try job as a file, handed over with ssh.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::pb::TryJob;
use serde_json::{Value, json};

use super::Options;

/// The file, in the newest version that all of the job fits in.
pub(super) fn write(job: &TryJob, id: &str) -> Vec<u8> {
    let properties = job.properties.iter();
    let properties: serde_json::Map<String, Value> = properties
        .map(|(name, value)| (name.clone(), Value::from(value.as_str().unwrap_or_default())))
        .collect();
    let mut file = json!({
        "jobid": id,
        "branch": job.branch.as_deref().unwrap_or_default(),
        "baserev": job.revision.as_deref().unwrap_or_default(),
        "patch_level": job.patch.level,
        "repository": job.repository,
        "project": job.project,
        "who": job.who,
        "comment": job.comment,
        "builderNames": job.builder_names.clone().unwrap_or_default(),
        "properties": properties,
    });
    let body = job.patch.body.clone().unwrap_or_default();
    let version = match String::from_utf8(body) {
        Ok(text) => {
            file["patch_body"] = text.into();
            "5"
        }
        Err(bytes) => {
            file["patch_body_base64"] = STANDARD.encode(bytes.as_bytes()).into();
            "6"
        }
    };
    netstrings(&[version, &file.to_string()])
}

fn netstrings(strings: &[&str]) -> Vec<u8> {
    strings.iter().flat_map(|text| format!("{}:{text},", text.len()).into_bytes()).collect()
}

/// Runs `buildbot tryserver` on the master's machine.
pub(super) fn deliver(options: &Options, job: &[u8]) -> anyhow::Result<()> {
    let (Some(host), Some(jobdir)) = (&options.host, &options.jobdir) else {
        bail!("give --host and --jobdir");
    };
    let ssh = options.ssh.as_deref().unwrap_or("ssh");
    let mut words = ssh.split_whitespace();
    let mut command = Command::new(words.next().context("--ssh is empty")?);
    command.args(words);
    if let Some(user) = &options.username {
        command.args(["-l", user]);
    }
    if let Some(port) = &options.port {
        command.args(["-p", port]);
    }
    command.args([host, &options.buildbotbin, "tryserver", "--jobdir", jobdir]);
    let started = command.stdin(Stdio::piped()).spawn();
    let mut running = started.with_context(|| format!("cannot run '{ssh}'"))?;
    if let Some(mut input) = running.stdin.take() {
        input.write_all(job).context("the job was not taken")?;
    }
    let status = running.wait().context("ssh got lost")?;
    if !status.success() {
        bail!("remote 'buildbot tryserver' failed: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::pb::TryPatch;

    use super::*;
    use crate::flow::try_job;

    #[test]
    fn what_is_written_is_what_the_master_reads() {
        for body in [&b"+x \xc3\xa9\n"[..], b"+\xff\n"] {
            let patch = TryPatch { level: 1, body: Some(body.to_vec()), subdir: String::new() };
            let job = TryJob {
                branch: Some("main".into()),
                patch,
                builder_names: Some(vec!["b".into()]),
                properties: vec![("n".into(), "v".into())],
                ..TryJob::default()
            };
            let read = try_job::TryJob::from_file(&write(&job, "id")).unwrap();
            assert_eq!((read.id.as_str(), read.branch.as_deref()), ("id", Some("main")));
            assert_eq!(read.revision, None);
            assert_eq!(read.patch.unwrap().body, body);
            assert_eq!(read.builder_names, ["b"]);
            assert_eq!(Value::Object(read.properties), json!({"n": "v"}));
        }
    }
}
