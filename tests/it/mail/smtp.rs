//! aiosmtpd as a child process, and what it took.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::world::soon;

/// A running mail server; ends with the value.
pub struct SmtpServer {
    pub port: u16,
    lines: mpsc::UnboundedReceiver<String>,
    child: Child,
}

/// A mail as the server took it.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Sorted.
    pub to: Vec<String>,
    pub from: String,
    /// Headers and body, lines ending in LF.
    pub text: String,
    /// What a reader sees: `headers` by lower-case names, `kind`, `body`, `attachments`.
    pub read: Value,
}

impl SmtpServer {
    /// Starts one that behaves as the arguments say.
    pub async fn start(arguments: &[&str]) -> SmtpServer {
        let stock = std::env::var("STOCK_BUILDBOT").expect("run `make setup` first");
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/mail/smtpd.py");
        let mut child = Command::new(PathBuf::from(stock).join("python"))
            .arg(script)
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python runs");
        let out = child.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(out).lines();
        let port = soon("the mail server's port", lines.next_line()).await;
        let port = port.expect("a line").expect("a server that starts");
        // Always read, or the pipe gets full and the server stands still.
        let (told, mails) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = told.send(line);
            }
        });
        SmtpServer { port: port.parse().expect("a port"), lines: mails, child }
    }

    /// The next mail.
    pub async fn mail(&mut self) -> Taken {
        taken(&soon("a mail", self.lines.recv()).await.expect("a server that lives"))
    }

    /// Mails that have arrived and were not looked at.
    pub async fn rest(mut self) -> Vec<Taken> {
        self.child.start_kill().expect("a child that can be killed");
        let mut rest = Vec::new();
        while let Some(line) = self.lines.recv().await {
            rest.push(taken(&line));
        }
        rest
    }
}

fn taken(line: &str) -> Taken {
    let mail: Value = serde_json::from_str(line).expect("a mail in JSON");
    let text = |key: &str| mail[key].as_str().unwrap_or_default().to_owned();
    let to = mail["to"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut to: Vec<String> = to.map(str::to_owned).collect();
    to.sort();
    Taken {
        to,
        from: text("from"),
        text: text("data").replace("\r\n", "\n"),
        read: mail["read"].clone(),
    }
}

impl Taken {
    /// A header, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.text.split_once("\n\n")?;
        let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
        let prefix = format!("{}:", name.to_lowercase());
        let line = unfolded.lines().find(|line| line.to_lowercase().starts_with(&prefix))?;
        Some(line[prefix.len()..].trim().to_owned())
    }
}
