//! Keys and passwords on the worker: handed over before git needs them, taken away when the step
//! ends, however it ends.
//!
//! They lie in a directory of their own beside the work directory, as git wants to clone into an
//! empty one. None of them is ever a word of a command line.

use protocol::command::{Arg, Command};

use super::credentials::{Credentials, Entry, Server, Ssh, Store};
use super::version::Version;
use crate::flow::interpolate::{Renderable, UsedSecret};
use crate::steps::StepError;
use crate::steps::render::render;
use crate::steps::source::End;
use crate::steps::source::site::{Site, plain};

/// Read by the worker's user only.
const PRIVATE: u32 = 0o400;
/// As [`PRIVATE`], of a program.
const PROGRAM: u32 = 0o700;

/// What git is given for one build.
#[derive(Default)]
pub(super) struct Access {
    /// Where it lies on the worker.
    pub directory: String,
    pub files: Vec<File>,
    /// Descriptions for `git credential approve`.
    pub approvals: Vec<String>,
    /// Options of git that lead it there.
    pub options: Vec<Arg>,
    pub env: Vec<(&'static str, String)>,
}

pub(super) struct File {
    pub name: &'static str,
    pub content: String,
    pub mode: u32,
}

/// Does this command of git talk to a server?
pub(super) fn needs_access(command: &str) -> bool {
    matches!(
        command,
        "clone" | "credential" | "checkout" | "fetch" | "ls-remote" | "push" | "submodule"
    )
}

impl Credentials {
    /// Renders what a build needs; `None` when it needs nothing. `workdir` is where git works.
    pub fn access(
        &self,
        site: &mut Site<'_>,
        workdir: &str,
        version: &Version,
    ) -> Result<Option<Access>, End> {
        if self.ssh.is_none() && self.store.is_none() {
            return Ok(None);
        }
        let separator = site.separator();
        let basedir = site.bench.worker().basedir.clone();
        if basedir.is_empty() {
            let reason = "the worker did not tell its base directory, where credentials would lie";
            return Err(End::failure(reason));
        }
        let builder = &site.bench.builder().workerbuilddir;
        let directory = directory(&basedir, separator, builder, workdir);
        let mut access = Access { directory, ..Access::default() };
        if let Some(ssh) = &self.ssh {
            access.let_in_by_ssh(site, ssh, version)?;
        }
        if let Some(store) = &self.store {
            access.let_in_by_password(site, store, version)?;
        }
        Ok(Some(access))
    }
}

impl Access {
    fn let_in_by_ssh(
        &mut self,
        site: &mut Site<'_>,
        ssh: &Ssh,
        version: &Version,
    ) -> Result<(), End> {
        let mut key = secret(site, &ssh.private_key, "sshPrivateKey")?;
        if !key.ends_with(['\n', '\r']) {
            // What keeps secrets likes to cut off the last line end; ssh wants it.
            key.push('\n');
        }
        self.files.push(File { name: "ssh-key", content: key, mode: PRIVATE });
        let known_hosts = match &ssh.server {
            Some(Server::Key(key)) => Some(format!("* {}", secret(site, key, "sshHostKey")?)),
            Some(Server::KnownHosts(file)) => Some(secret(site, file, "sshKnownHosts")?),
            None => None,
        };
        let separator = site.separator();
        let path = |name: &str| format!("{}{separator}{name}", self.directory);
        let known = known_hosts.is_some().then(|| path("ssh-known-hosts"));
        let command = ssh_command(&path("ssh-key"), known.as_deref(), separator);
        if let Some(content) = known_hosts {
            self.files.push(File { name: "ssh-known-hosts", content, mode: PRIVATE });
        }
        if version.has_ssh_option() {
            self.options.extend([plain("-c"), plain(&format!("core.sshCommand={command}"))]);
        } else if version.has_ssh_variable() {
            self.env.push(("GIT_SSH_COMMAND", command));
        } else {
            let wrapper = path("ssh-wrapper.sh");
            let content = format!("#!/bin/sh\n{command} \"$@\"\n");
            self.files.push(File { name: "ssh-wrapper.sh", content, mode: PROGRAM });
            self.env.push(("GIT_SSH", wrapper));
        }
        Ok(())
    }

    fn let_in_by_password(
        &mut self,
        site: &mut Site<'_>,
        store: &Store,
        version: &Version,
    ) -> Result<(), End> {
        if !version.has_credential_store() {
            let reason = "the worker's git is too old for passwords; it needs 1.7.9";
            return Err(End::failure(reason));
        }
        for entry in &store.entries {
            let text = match entry {
                Entry::Written(text) => secret(site, text, "git_credentials")?,
                Entry::Attributes(attributes) => described(site, attributes)?,
            };
            if !text.is_empty() {
                self.approvals.push(text);
            }
        }
        let file = format!("{}{}.git-credentials", self.directory, site.separator());
        // The empty one turns off what the worker's user has configured.
        let mut options = vec![
            "credential.helper=".to_owned(),
            format!("credential.helper=store \"--file={file}\""),
        ];
        options.extend(store.use_http_path.map(|on| format!("credential.useHttpPath={on}")));
        self.options.extend(options.iter().flat_map(|option| [plain("-c"), plain(option)]));
        Ok(())
    }

    /// Writes the files. What an earlier build had to leave behind, because its worker was lost, is
    /// removed before.
    pub async fn hand_over(&mut self, site: &mut Site<'_>) -> Result<(), End> {
        let removal = site.removal(vec![self.directory.clone()]);
        site.quiet(removal).await?;
        let made = site.plain(Command::MakeDirectory { dir: self.directory.clone() }).await?;
        if !made.ok() {
            return Err(End::failure(format!("cannot make '{}' on the worker", self.directory)));
        }
        for file in std::mem::take(&mut self.files) {
            let content = file.content.into_bytes();
            site.write(&self.directory, file.name, content, Some(file.mode)).await?;
        }
        Ok(())
    }
}

/// Removes everything, also when the step was stopped.
pub(super) async fn take_away(site: &mut Site<'_>, directory: &str) -> Result<(), End> {
    let removal = site.removal(vec![directory.to_owned()]);
    if site.bench.clean_up(removal).await?.ok() {
        return Ok(());
    }
    Err(End::failure(format!("cannot remove the credentials in '{directory}' on the worker")))
}

/// Renders an option whose value must never be seen, however it came into it.
fn secret(site: &mut Site<'_>, value: &Renderable, key: &str) -> Result<String, StepError> {
    let rendered = render(site.bench, value)?;
    let text = rendered.texts().0;
    site.secrets.extend(rendered.secrets);
    site.secrets.push(UsedSecret { name: key.to_owned(), value: text.clone() });
    Ok(text)
}

/// Lines of `name=value`.
fn described(
    site: &mut Site<'_>,
    attributes: &[(String, Renderable)],
) -> Result<String, StepError> {
    let mut described = String::new();
    for (name, value) in attributes {
        let value = match name.as_str() {
            "password" => secret(site, value, "password")?,
            _ => render(site.bench, value)?.texts().0,
        };
        if value.contains(['\n', '\0']) {
            let message = format!("the {name} for git must be a single line");
            return Err(StepError::Failed(message));
        }
        described.push_str(&format!("{name}={value}\n"));
    }
    Ok(described)
}

/// `.BUILDER.WORKDIR.buildbot` beside the work directory, or in the worker's base directory.
fn directory(basedir: &str, separator: char, builder: &str, workdir: &str) -> String {
    let is_separator = |c: char| c == '/' || c == separator;
    let workdir = workdir.trim_end_matches(is_separator);
    let (parent, name) = match workdir.rfind(is_separator) {
        Some(at) => (&workdir[..at], &workdir[at + 1..]),
        None => ("", workdir),
    };
    let drive = separator == '\\' && workdir.as_bytes().get(1) == Some(&b':');
    let parent = match parent {
        _ if workdir.starts_with(is_separator) || drive => parent.to_owned(),
        "" => basedir.to_owned(),
        parent => format!("{basedir}{separator}{parent}"),
    };
    let builder = builder.replace(is_separator, "_");
    format!("{parent}{separator}.{builder}.{name}.buildbot")
}

/// The call of ssh, for a shell.
fn ssh_command(key: &str, known_hosts: Option<&str>, separator: char) -> String {
    let mut words = vec!["ssh".to_owned(), "-o".into(), "BatchMode=yes".into()];
    words.extend(["-i".to_owned(), key.to_owned()]);
    if let Some(file) = known_hosts {
        words.extend(["-o".to_owned(), format!("UserKnownHostsFile={file}")]);
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word, separator)).collect();
    words.join(" ")
}

fn quoted(word: &str, separator: char) -> String {
    if word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        // A backslash of Windows stays one, as nothing that it could quote follows.
        if matches!(c, '"' | '$' | '`') || (c == '\\' && separator == '/') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_lie_where_stock_puts_them() {
        let cases = [
            ("/w", '/', "tests", "build", "/w/.tests.build.buildbot"),
            ("/w", '/', "tests", "build/", "/w/.tests.build.buildbot"),
            ("/w", '/', "tests", "src/app", "/w/src/.tests.app.buildbot"),
            ("/w", '/', "tests", "/srv/app", "/srv/.tests.app.buildbot"),
            ("/w", '/', "tests", "/app", "/.tests.app.buildbot"),
            ("/w", '/', "a/b", "build", "/w/.a_b.build.buildbot"),
            ("C:\\w", '\\', "tests", "build", "C:\\w\\.tests.build.buildbot"),
            ("C:\\w", '\\', "tests", "D:\\app\\x", "D:\\app\\.tests.x.buildbot"),
        ];
        for (basedir, separator, builder, workdir, expected) in cases {
            assert_eq!(directory(basedir, separator, builder, workdir), expected);
        }
    }

    #[test]
    fn ssh_is_called_as_stock_does() {
        let plain = r#"ssh -o "BatchMode=yes" -i "/w/.b/ssh-key""#;
        assert_eq!(ssh_command("/w/.b/ssh-key", None, '/'), plain);
        let known = r#"ssh -o "BatchMode=yes" -i key -o "UserKnownHostsFile=/w/known""#;
        assert_eq!(ssh_command("key", Some("/w/known"), '/'), known);
        let odd = r#"ssh -o "BatchMode=yes" -i "/\$a/\"b\`""#;
        assert_eq!(ssh_command("/$a/\"b`", None, '/'), odd);
        let windows = r#"ssh -o "BatchMode=yes" -i "C:\w\key""#;
        assert_eq!(ssh_command("C:\\w\\key", None, '\\'), windows);
    }
}
