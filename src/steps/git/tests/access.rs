//! Keys and passwords: git gets in, and nothing stays behind or is seen.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use protocol::command::{Arg, Command, CommandLine, EnvValue, Shell};
use serde_json::{Value, json};

use super::{Built, World, git};
use crate::model::Results;
use crate::steps::fake::{FakeBench, ended, plan};

/// Three lines, so that a line alone would be noticed, too.
const KEY: &str = "-----BEGIN KEY-----\nverysecretkey\n-----END KEY-----";

impl World {
    fn bench(&self) -> FakeBench {
        let mut bench = FakeBench::local(&self.builder);
        bench.worker.basedir = self.basedir().display().to_string();
        bench.builder.workerbuilddir = "builder".to_owned();
        bench.secrets = vec![("key".into(), KEY.into()), ("password".into(), "hunter2".into())];
        bench
    }

    fn basedir(&self) -> &Path {
        self.builder.parent().unwrap()
    }

    /// Puts a program named `ssh` first, which tells how it was called and then serves the
    /// repository of this machine.
    fn ssh(&self) -> Value {
        let bin = self.basedir().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let program = format!(
            "#!/bin/sh\n\
             told={}\n\
             echo \"$@\" >> $told\n\
             while [ \"$#\" -gt 1 ]; do\n\
             [ \"$1\" = -i ] && {{ stat -c %a \"$2\"; cat \"$2\"; }} >> $told\n\
             case \"$1\" in UserKnownHostsFile=*) cat \"${{1#*=}}\" >> $told;; esac\n\
             shift\n\
             done\n\
             exec sh -c \"$1\"\n",
            self.basedir().join("told").display()
        );
        std::fs::write(bin.join("ssh"), program).unwrap();
        std::fs::set_permissions(bin.join("ssh"), PermissionsExt::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        json!({"PATH": format!("{}:{path}", bin.display())})
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.basedir().join("told")).unwrap_or_default()
    }

    /// Directories of credentials that were left behind.
    fn left(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.basedir()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.to_string_lossy().ends_with(".buildbot")).collect()
    }
}

impl Built {
    /// No log, no line and no word of a command line has it.
    fn hides(&self, secret: &str) {
        let bench = &self.bench;
        let logs: String = bench.logs.iter().map(|(.., text)| text.as_str()).collect();
        assert!(!logs.contains(secret), "{logs}");
        assert!(!self.text.contains(secret), "{}", self.text);
        for shell in shells(&bench.commands) {
            let CommandLine::Args(args) = &shell.command else { panic!("{shell:?}") };
            let seen = format!("{args:?}{:?}", shell.env);
            assert!(!seen.contains(secret), "{seen}");
        }
    }
}

fn shells(commands: &[Command]) -> impl Iterator<Item = &Shell> {
    commands.iter().filter_map(|command| match command {
        Command::Shell(shell) => Some(shell),
        _ => None,
    })
}

#[tokio::test]
async fn a_key_lets_git_in_and_is_taken_away() {
    let host = json!({"sshHostKey": "ssh-ed25519 AAAAhost"});
    let known = json!({"sshKnownHosts": "example.org ssh-ed25519 AAAAhost\n"});
    for (server, line) in [(host, "* ssh-ed25519 AAAAhost"), (known, "example.org ssh-ed25519")] {
        for method in ["fresh", "clobber", "copy"] {
            let world = World::new();
            let mut options = server.clone();
            options["repourl"] = format!("me@example.org:{}", world.origin.display()).into();
            options["sshPrivateKey"] = "%(secret:key)s".into();
            options["env"] = world.ssh();
            options["mode"] = "full".into();
            options["method"] = method.into();
            for _ in 0..2 {
                let built = world.build_on(world.bench(), options.clone()).await.succeeded();
                built.hides("verysecretkey");
                let told = world.told();
                assert!(told.contains(&format!("400\n{KEY}\n")), "{told}");
                assert!(told.contains(line) && told.contains("BatchMode=yes"), "{told}");
                assert_eq!(world.left(), Vec::<PathBuf>::new());
            }
        }
    }
}

#[tokio::test]
async fn a_key_is_taken_away_after_a_failure_and_a_stop() {
    let world = World::new();
    let nothing = world.origin.join("nothing");
    let options = json!({
        "repourl": format!("me@example.org:{}", nothing.display()),
        "sshPrivateKey": "%(secret:key)s",
        "env": world.ssh(),
    });
    let built = world.build_on(world.bench(), options.clone()).await;
    assert_eq!(built.results, Results::Failure);
    built.hides("verysecretkey");
    assert!(world.told().contains("verysecretkey"), "it was there");
    assert_eq!(world.left(), Vec::<PathBuf>::new());
    // Somebody stops the step as soon as the key is on its way.
    let mut bench = world.bench();
    bench.interrupt_after = Some(1);
    let built = world.build_on(bench, options.clone()).await;
    assert_eq!(built.results, Results::Cancelled);
    assert_eq!(world.left(), Vec::<PathBuf>::new());
    // What a lost worker has kept is no obstacle.
    let kept = world.basedir().join(".builder.build.buildbot");
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("ssh-key"), "old").unwrap();
    std::fs::set_permissions(kept.join("ssh-key"), PermissionsExt::from_mode(0o400)).unwrap();
    let mut options = options;
    options["repourl"] = format!("me@example.org:{}", world.origin.display()).into();
    world.build_on(world.bench(), options).await.succeeded();
    assert_eq!(world.left(), Vec::<PathBuf>::new());
}

/// Serves the files below `root` to whoever knows the password, one connection after another.
fn serve(listener: TcpListener, root: PathBuf) {
    // base64 of `me:hunter2`
    let pass = "Basic bWU6aHVudGVyMg==";
    let answer = |mut stream: TcpStream| -> std::io::Result<()> {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
            request.push(byte[0]);
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
        let (status, body) = match std::fs::read(root.join(path)) {
            _ if !request.contains(pass) => {
                ("401 Who are you\r\nWWW-Authenticate: Basic realm=\"x\"", Vec::new())
            }
            Ok(body) => ("200 Here", body),
            Err(_) => ("404 Not there", Vec::new()),
        };
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)
    };
    for stream in listener.incoming() {
        let _ = stream.and_then(answer);
    }
}

#[tokio::test]
async fn a_password_lets_git_in_and_is_taken_away() {
    let world = World::new();
    git(&world.origin, &["update-server-info"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/.git", listener.local_addr().unwrap());
    let root = world.origin.clone();
    std::thread::spawn(move || serve(listener, root));
    let entry = json!({"url": url, "username": "me", "password": "%(secret:password)s"});
    let written = format!("url={url}\nusername=me\npassword=hunter2\n");
    let cases = [
        json!({"auth_credentials": ["me", "%(secret:password)s"]}),
        json!({"git_credentials": {"credentials": [entry], "use_http_path": true}}),
        json!({"git_credentials": {"credentials": [written], "use_http_path": false}}),
    ];
    for mut options in cases {
        options["repourl"] = url.clone().into();
        options["mode"] = "full".into();
        options["method"] = "clobber".into();
        let built = world.build_on(world.bench(), options).await.succeeded();
        built.hides("hunter2");
        assert_eq!(world.left(), Vec::<PathBuf>::new());
    }
    let wrong = json!({"repourl": url, "auth_credentials": ["me", "hunter3"], "mode": "full"});
    let built = world.build_on(world.bench(), wrong).await;
    assert_eq!(built.results, Results::Failure);
    built.hides("hunter3");
    assert_eq!(world.left(), Vec::<PathBuf>::new());
}

/// How each version of git is led to the key.
#[tokio::test]
async fn older_gits_are_led_by_variables() {
    let ssh = r#"ssh -o "BatchMode=yes" -i "/w/.tests.build.buildbot/ssh-key""#;
    let wrapper = "/w/.tests.build.buildbot/ssh-wrapper.sh";
    let option = format!("core.sshCommand={ssh}");
    let cases = [
        ("2.10.0", vec!["-c", option.as_str(), "clone"], None, vec!["ssh-key"]),
        ("2.9.5", vec!["clone"], Some(("GIT_SSH_COMMAND", ssh)), vec!["ssh-key"]),
        ("1.8.3.1", vec!["clone"], Some(("GIT_SSH", wrapper)), vec!["ssh-key", "ssh-wrapper.sh"]),
    ];
    for (version, words, variable, files) in cases {
        let answers = std::iter::repeat_with(|| ended(0, &format!("git version {version}")));
        let mut bench = FakeBench::scripted(answers.take(30));
        bench.worker.basedir = "/w".to_owned();
        bench.builder.workerbuilddir = "tests".to_owned();
        let step = json!({"type": "Git", "repourl": "ssh://h/r", "sshPrivateKey": KEY});
        let plan = plan(step);
        assert!(!format!("{plan:?}").contains("verysecretkey"), "{plan:?}");
        bench.run(&plan).await;
        let clone =
            shells(&bench.commands).find(|shell| format!("{shell:?}").contains("\"clone\""));
        let clone = clone.unwrap();
        let CommandLine::Args(args) = &clone.command else { panic!("{clone:?}") };
        let seen = args.iter().skip(1).take(words.len()).map(|arg| match arg {
            Arg::Plain(text) => text.as_str(),
            Arg::Obfuscated { .. } => panic!("{arg:?}"),
        });
        assert_eq!(seen.collect::<Vec<_>>(), words, "{version}");
        let seen = clone.env.iter().find_map(|(name, value)| match value {
            Some(EnvValue::Text(value)) if name.starts_with("GIT_SSH") => {
                Some((name.as_str(), value.as_str()))
            }
            _ => None,
        });
        assert_eq!(seen, variable, "{version}");
        let sent = bench.commands.iter().filter_map(|command| match command {
            Command::DownloadFile { dest, .. } => Some(dest.as_str()),
            _ => None,
        });
        // Every file is said to be there, so a patch is believed to be, too.
        assert_eq!(sent.collect::<Vec<_>>(), files, "{version}");
        let last = bench.commands.last();
        assert!(matches!(last, Some(Command::RemoveDirectory { .. })), "{last:?}");
    }
}
