//! The keys and passwords of a `GitPoller`: in files that only we can read, for as long as git
//! needs them.

use std::fmt;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::change_sources::Trouble;
use crate::change_sources::process::{Call, LOCAL, Program, RunError};
use crate::config::fields::Fields;
use crate::config::raw::RawValue;

/// How the directories with keys begin, as in stock.
const PREFIX: &str = ".buildbot-ssh";
const KEY: &str = "ssh-key";
const KNOWN_HOSTS: &str = "ssh-known-hosts";
const STORE: &str = ".git-credentials";

/// What git is given to log in.
#[derive(Clone, Default)]
pub struct Auth {
    ssh: Option<Ssh>,
    /// Descriptions in git's own form, `key=value` lines.
    credentials: Vec<String>,
    use_http_path: Option<bool>,
}

#[derive(Clone)]
struct Ssh {
    private_key: String,
    known_hosts: Option<String>,
}

/// Without anything that is in it.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl Auth {
    /// Reads `sshPrivateKey`, `sshHostKey`, `sshKnownHosts`, `auth_credentials` and
    /// `git_credentials`.
    pub fn parse(fields: &mut Fields<'_>, repourl: &str) -> Auth {
        let ssh = ssh(fields);
        let mut credentials = Vec::new();
        if let Some(pair) = fields.optional_checked("auth_credentials", |pair: &Vec<String>| {
            (pair.len() != 2 || pair.iter().any(|part| part.contains(['\n', '\r'])))
                .then(|| "must be a user name and a password".to_owned())
        }) && let [username, password] = pair.as_slice()
        {
            if !repourl.starts_with("http://") && !repourl.starts_with("https://") {
                fields.problem("'auth_credentials' need a 'repourl' of http:// or https://");
            }
            credentials.push(format!("url={repourl}\nusername={username}\npassword={password}\n"));
        }
        let mut use_http_path = None;
        if let Some(raw) = fields.take("git_credentials").filter(|raw| raw.value != RawValue::Null)
        {
            let (path, problems) = fields.nested("git_credentials");
            let mut table = Fields::of(&raw, path, problems);
            credentials.extend(table.required::<Vec<String>>("credentials"));
            use_http_path = table.optional("use_http_path");
            table.finish();
        }
        Auth { ssh, credentials, use_http_path }
    }

    /// Writes what git needs below `workdir`; `None` when it needs nothing. All of it is gone when
    /// the answer is dropped.
    pub async fn unpack(&self, workdir: &Path, git: &Program) -> Result<Option<Unpacked>, Trouble> {
        sweep(workdir).await;
        if self.ssh.is_none() && self.credentials.is_empty() {
            return Ok(None);
        }
        let unusable = |error: std::io::Error| Trouble::Workdir {
            path: workdir.display().to_string(),
            reason: error.to_string(),
        };
        let (at, ssh) = (workdir.to_owned(), self.ssh.clone());
        let written = tokio::task::spawn_blocking(move || write(&at, ssh.as_ref())).await;
        let dir = written.map_err(|error| unusable(error.into()))?.map_err(unusable)?;
        let unpacked = Unpacked {
            ssh: self.ssh.as_ref().map(|ssh| ssh_command(dir.path(), ssh)),
            options: self.options(dir.path()),
            dir,
        };
        for credential in &self.credentials {
            unpacked.approve(credential, workdir, git).await.map_err(RunError::remote)?;
        }
        Ok(Some(unpacked))
    }

    /// Git's options that make it look for passwords in our file, and only there.
    fn options(&self, dir: &Path) -> Vec<String> {
        if self.credentials.is_empty() {
            return Vec::new();
        }
        let helper = format!("store --file={}", quoted(&dir.join(STORE)));
        let mut settings =
            vec!["credential.helper=".to_owned(), format!("credential.helper={helper}")];
        if let Some(use_http_path) = self.use_http_path {
            settings.push(format!("credential.useHttpPath={use_http_path}"));
        }
        settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect()
    }
}

fn ssh(fields: &mut Fields<'_>) -> Option<Ssh> {
    let private_key: Option<String> = fields.optional("sshPrivateKey");
    let host_key: Option<String> = fields.optional("sshHostKey");
    let known_hosts: Option<String> = fields.optional("sshKnownHosts");
    if private_key.is_none() && (host_key.is_some() || known_hosts.is_some()) {
        fields.problem("'sshHostKey' and 'sshKnownHosts' need an 'sshPrivateKey'");
    }
    if host_key.is_some() && known_hosts.is_some() {
        fields.problem("only one of 'sshHostKey' and 'sshKnownHosts' can be given");
    }
    let known_hosts = known_hosts.or_else(|| host_key.map(|key| format!("* {key}")));
    Some(Ssh { private_key: lines(private_key?), known_hosts: known_hosts.map(lines) })
}

/// ssh refuses a key whose last line does not end.
fn lines(text: String) -> String {
    if text.ends_with(['\n', '\r']) { text } else { text + "\n" }
}

/// Files with keys, removed on drop.
pub struct Unpacked {
    dir: TempDir,
    ssh: Option<String>,
    options: Vec<String>,
}

impl Unpacked {
    /// Lets a call of git log in.
    pub fn equip(&self, call: &mut Call<'_>) {
        call.before.splice(0..0, self.options.iter().cloned());
        if let Some(ssh) = &self.ssh {
            call.env.push(("GIT_SSH_COMMAND", ssh.clone()));
        }
    }

    /// Puts one credential into the file that git reads.
    async fn approve(
        &self,
        credential: &str,
        workdir: &Path,
        git: &Program,
    ) -> Result<(), RunError> {
        let stdin = format!("{}\n\n", credential.trim_end());
        let mut call = Call { stdin: &stdin, ..Call::new(&["credential", "approve"]) };
        self.equip(&mut call);
        git.run(workdir, call, LOCAL).await.map(drop)?;
        let store = self.dir.path().join(STORE);
        // Git makes it private; a mask of ours may be wider.
        let _ = tokio::fs::set_permissions(store, Permissions::from_mode(0o600)).await;
        Ok(())
    }
}

fn write(workdir: &Path, ssh: Option<&Ssh>) -> std::io::Result<TempDir> {
    let private = Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(workdir)?;
    if let Some(ssh) = ssh {
        write_private(&dir.path().join(KEY), &ssh.private_key)?;
        if let Some(known_hosts) = &ssh.known_hosts {
            write_private(&dir.path().join(KNOWN_HOSTS), known_hosts)?;
        }
    }
    Ok(dir)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn ssh_command(dir: &Path, ssh: &Ssh) -> String {
    let mut command = format!(
        "ssh -o BatchMode=yes -o ConnectTimeout=30 -o IdentitiesOnly=yes -i {}",
        quoted(&dir.join(KEY))
    );
    if ssh.known_hosts.is_some() {
        // ssh's own quotes around the path, inside of the shell's.
        let path = format!("UserKnownHostsFile=\"{}\"", dir.join(KNOWN_HOSTS).display());
        command += &format!(" -o {}", quoted(Path::new(&path)));
    }
    command
}

/// For the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// Removes what a life that ended by force has left.
async fn sweep(workdir: &Path) {
    let Ok(mut entries) = tokio::fs::read_dir(workdir).await else { return };
    let mut old: Vec<PathBuf> = Vec::new();
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            old.push(entry.path());
        }
    }
    for path in old {
        let _ = tokio::fs::remove_dir_all(path).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn auth(written: Value) -> Result<Auth, String> {
        let mut problems = Problems::new();
        let raw = Raw::from_json(written);
        let mut fields = Fields::of(&raw, "p", &mut problems);
        let auth = Auth::parse(&mut fields, "https://h/r.git");
        fields.finish();
        if problems.is_empty() { Ok(auth) } else { Err(problems.to_string()) }
    }

    fn git() -> Program {
        Program { name: "git", path: "git".into(), setting: "gitbin" }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn keys_lie_in_private_files_and_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".buildbot-sshold")).unwrap();
        let auth = auth(json!({ "sshPrivateKey": "KEY", "sshHostKey": "ssh-rsa AAAA" })).unwrap();
        let unpacked = auth.unpack(dir.path(), &git()).await.unwrap().unwrap();
        let home = unpacked.dir.path().to_owned();
        assert_eq!(mode(&home), 0o700);
        for (name, text) in [(KEY, "KEY\n"), (KNOWN_HOSTS, "* ssh-rsa AAAA\n")] {
            assert_eq!(std::fs::read_to_string(home.join(name)).unwrap(), text);
            assert_eq!(mode(&home.join(name)), 0o600);
        }
        let mut call = Call::new(&["fetch"]);
        unpacked.equip(&mut call);
        let (name, command) = &call.env[0];
        assert_eq!(*name, "GIT_SSH_COMMAND");
        assert!(command.contains("UserKnownHostsFile") && command.contains("-i '"), "{command}");
        drop(unpacked);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn git_finds_the_password_of_its_url() {
        let dir = tempfile::tempdir().unwrap();
        let written = json!({
            "auth_credentials": ["me", "hunter2"],
            "git_credentials": {
                "credentials": "url=https://other\nusername=you\npassword=secret",
                "use_http_path": false,
            },
        });
        let auth = auth(written).unwrap();
        assert!(!format!("{auth:?}").contains("hunter2"));
        let unpacked = auth.unpack(dir.path(), &git()).await.unwrap().unwrap();
        assert_eq!(mode(&unpacked.dir.path().join(STORE)), 0o600);
        for (host, expected) in [("h", "hunter2"), ("other", "secret")] {
            let stdin = format!("protocol=https\nhost={host}\n\n");
            let mut call = Call { stdin: &stdin, ..Call::new(&["credential", "fill"]) };
            unpacked.equip(&mut call);
            let told = git().run(dir.path(), call, LOCAL).await.unwrap();
            let told = String::from_utf8(told).unwrap();
            assert!(told.contains(&format!("password={expected}\n")), "{told}");
        }
    }

    #[tokio::test]
    async fn nothing_to_log_in_with_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let auth = auth(json!({})).unwrap();
        assert!(auth.unpack(dir.path(), &git()).await.unwrap().is_none());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        let cases = [
            (json!({ "sshHostKey": "x" }), "need an 'sshPrivateKey'"),
            (
                json!({ "sshPrivateKey": "k", "sshHostKey": "x", "sshKnownHosts": "y" }),
                "only one of",
            ),
            (json!({ "auth_credentials": "me" }), "a user name and a password"),
            (json!({ "git_credentials": {} }), "needs a value for 'credentials'"),
        ];
        for (written, expected) in cases {
            let told = auth(written).err().unwrap_or_default();
            assert!(told.contains(expected), "{told}");
        }
    }
}
