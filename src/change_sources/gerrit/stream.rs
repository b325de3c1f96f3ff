//! `GerritChangeSource`: hears what Gerrit says over ssh, and asks its events-log plugin for what
//! was missed.

use std::fmt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::Instant;

use super::event::Event;
use super::event_log::EventLog;
use super::ledger::{HASHES, LAST, Ledger};
use super::options::GerritOptions;
use crate::change_sources::process::{ASK, Call, Program};
use crate::change_sources::registry::Draft;
use crate::change_sources::web::Server;
use crate::change_sources::{Desk, Found, Source, Trouble};
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::config::values::{login, non_empty, web_address};
use crate::model::now;
use crate::process_group::Group;

const PORT: usize = 29_418;
/// Stock's interval of the signs of life, and how many may be missed.
const ALIVE: (usize, usize) = (15, 3);
const POLL: Duration = Duration::from_secs(30);
/// The longest line that is read; Gerrit's events are much shorter.
const MOST_LINE: u64 = 16 << 20;
/// How much of ssh's last words is kept.
const MOST_STDERR: u64 = 4 << 10;
/// How long they are waited for.
const WORDS: Duration = Duration::from_secs(5);

/// Reads the source's own keys.
pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Source> {
    let server: String = fields.required_checked("gerritserver", host);
    let username: String = fields.required_checked("username", host);
    let port = fields.or("gerritport", PORT);
    draft.name(|| format!("GerritChangeSource:{username}@{server}:{port}"));
    let base = format!("ssh://{username}@{server}:{port}");
    let http = fields.optional_checked("http_url", web_address);
    let auth = login(fields, "http_auth");
    let http = http.map(|url| {
        let mut server = Server::new(&format!("{}/a", url.trim_end_matches('/')));
        server.login = auth;
        EventLog { server }
    });
    let sshbin = fields.optional_checked("sshbin", non_empty);
    Arc::new(GerritSource {
        ssh: Program {
            name: "ssh",
            path: sshbin.unwrap_or_else(|| "ssh".to_owned()),
            setting: "sshbin",
        },
        arguments: arguments(fields, &server, &username, port),
        http,
        http_poll_interval: fields.or("http_poll_interval", POLL).max(Duration::from_millis(10)),
        options: GerritOptions::parse(fields, "GerritChangeSource", Some(base)),
    })
}

/// Something that ssh cannot take for an option.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn host(name: &String) -> Option<String> {
    let odd = name.starts_with('-') || name.contains(char::is_whitespace);
    non_empty(name).or_else(|| odd.then(|| "must not begin with '-' or hold spaces".to_owned()))
}

/// What ssh is given, up to the command.
fn arguments(fields: &mut Fields<'_>, server: &str, username: &str, port: usize) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["-o", "BatchMode=yes", "-o", "ConnectTimeout=20"].map(str::to_owned).to_vec();
    for (key, option, default) in [
        ("ssh_server_alive_interval_s", "ServerAliveInterval", ALIVE.0),
        ("ssh_server_alive_count_max", "ServerAliveCountMax", ALIVE.1),
    ] {
        // `false` stands for Python's `None`: ssh's own setting.
        let number = match fields.take(key) {
            None => Some(default as i64),
            Some(raw) => match raw.value {
                RawValue::Null | RawValue::Bool(false) => None,
                RawValue::Int(number) if number >= 0 => Some(number),
                _ => {
                    fields.problem_at(key, &raw.place, "must be a whole number, or false for none");
                    None
                }
            },
        };
        if let Some(number) = number {
            arguments.extend(["-o".to_owned(), format!("{option}={number}")]);
        }
    }
    arguments.extend([format!("{username}@{server}"), "-p".to_owned(), port.to_string()]);
    if let Some(file) = fields.optional_checked("identity_file", non_empty) {
        arguments.extend(["-i".to_owned(), file]);
    }
    arguments.push("gerrit".to_owned());
    arguments
}

struct GerritSource {
    ssh: Program,
    arguments: Vec<String>,
    http: Option<EventLog>,
    /// The longest silence of the stream before the plugin is asked whether it is true.
    http_poll_interval: Duration,
    options: GerritOptions,
}

impl fmt::Debug for GerritSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GerritSource").field("options", &self.options).finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for GerritSource {
    async fn look(&self, desk: &dyn Desk) -> Result<Found, Trouble> {
        let (last, hashes) = (desk.recall(LAST).await?, desk.recall(HASHES).await?);
        let mut ledger = Ledger::recall(last.as_ref(), hashes.as_ref());
        if ledger.last().is_none() {
            // Whatever happens from now on is caught up with, even after the first connection.
            ledger.begin(now());
            desk.report(Vec::new(), ledger.remembered()).await?;
        }
        // The stream is open before the plugin is asked, so that nothing falls between.
        let mut stream = self.open()?;
        let mut hearing = Hearing { source: self, desk, ledger };
        let trouble = hearing.until_it_ends(&mut stream).await?;
        Err(trouble)
    }
}

/// `gerrit stream-events`, running.
struct Stream {
    /// Killed when it is dropped, with what it started.
    _group: Group,
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl GerritSource {
    fn open(&self) -> Result<Stream, Trouble> {
        let mut child = Command::new(&self.ssh.path)
            .args(&self.arguments)
            .arg("stream-events")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.ssh.not_run(&error).remote())?;
        let group = Group(child.id());
        let stdout = child.stdout.take();
        let stdout = stdout.ok_or_else(|| Trouble::Remote("ssh has no output".to_owned()))?;
        Ok(Stream { _group: group, child, lines: BufReader::new(stdout) })
    }

    /// The files of a patch set, asked over ssh. As in stock, none when Gerrit does not tell.
    async fn files(&self, desk: &dyn Desk, change: i64, patch_set: i64) -> Vec<String> {
        let mut call = Call::new(&self.arguments);
        let change = change.to_string();
        let query = ["query", &change, "--format", "JSON", "--files", "--patch-sets"];
        call.args.extend(query.map(str::to_owned));
        let answer = match self.ssh.run(desk.basedir(), call, ASK).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!("the files of change {change} are not known: {error}");
                return Vec::new();
            }
        };
        let first = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let told: Value = serde_json::from_slice(first).unwrap_or_default();
        let sets = told["patchSets"].as_array().into_iter().flatten();
        let number =
            |set: &Value| set["number"].as_i64().or_else(|| set["number"].as_str()?.parse().ok());
        let set = sets.into_iter().find(|set| number(set) == Some(patch_set));
        let files = set.and_then(|set| set["files"].as_array()).into_iter().flatten();
        files.filter_map(|file| file["file"].as_str().map(str::to_owned)).collect()
    }
}

/// One connection.
struct Hearing<'a> {
    source: &'a GerritSource,
    desk: &'a dyn Desk,
    ledger: Ledger,
}

impl Hearing<'_> {
    /// Reports what is heard until the connection is lost, and says why it is.
    ///
    /// # Errors
    /// When something cannot be stored, or the plugin does not answer at first.
    async fn until_it_ends(&mut self, stream: &mut Stream) -> Result<Trouble, Trouble> {
        let began = self.ledger.last().unwrap_or_default();
        self.catch_up(began).await?;
        // The plugin may have been late with what happened just before.
        let mut look_again = Some(Instant::now() + self.source.http_poll_interval);
        let mut connected = false;
        let mut line = Vec::new();
        loop {
            let quiet = Instant::now() + self.source.http_poll_interval;
            let until = look_again.unwrap_or(quiet).min(quiet);
            let reading = tokio::time::timeout_at(until, next_line(&mut stream.lines, &mut line));
            match reading.await {
                Ok(Ok(true)) => {
                    if !connected {
                        self.desk.well();
                    }
                    connected = true;
                    self.hear(&line).await?;
                    line.clear();
                }
                Ok(Ok(false)) => return Ok(last_words(stream).await),
                Ok(Err(error)) => return Ok(Trouble::Remote(format!("ssh: {error}"))),
                // Silence: the stream stands, or nothing happens.
                Err(_) => {
                    let late = look_again.take().is_some();
                    let since = if late { began } else { self.ledger.last().unwrap_or(began) };
                    let missed = self.catch_up(since).await?;
                    if missed > 0 && !late {
                        let told = "the stream of events was silent while events happened";
                        return Ok(Trouble::Remote(told.to_owned()));
                    }
                    // An ssh that lives so long has logged in.
                    self.desk.well();
                    connected = true;
                }
            }
        }
    }

    /// Asks the plugin for what happened since `at`; answers how many events nobody had told of.
    async fn catch_up(&mut self, at: i64) -> Result<usize, Trouble> {
        let Some(http) = &self.source.http else { return Ok(0) };
        let told = http.since(at, self.source.options.debug).await?;
        let events = self.ledger.new_ones(told, Some(at));
        for event in &events {
            self.report(event).await?;
        }
        Ok(events.len())
    }

    async fn hear(&mut self, line: &[u8]) -> Result<(), Trouble> {
        let debug = self.source.options.debug;
        if debug {
            tracing::info!("gerrit: {}", String::from_utf8_lossy(line).trim_end());
        }
        match Event::parse(line) {
            Some(event) if self.ledger.knows(&event) => Ok(()),
            Some(event) => self.report(&event).await,
            None => {
                tracing::debug!("gerrit said what is no event");
                Ok(())
            }
        }
    }

    async fn report(&mut self, event: &Event) -> Result<(), Trouble> {
        let options = &self.source.options;
        let mut changes = Vec::new();
        if options.rules.takes(event) {
            let files = match event.numbers().filter(|_| options.get_files) {
                Some((change, set)) => self.source.files(self.desk, change, set).await,
                None => Vec::new(),
            };
            changes.extend(options.rules.change(event, files));
        }
        self.ledger.enter(event);
        self.desk.report(changes, self.ledger.remembered()).await
    }
}

/// Reads up to the next line end, behind what is in `line` already; false at the end of the stream.
/// What was read stays in `line` when this is dropped.
async fn next_line(
    lines: &mut BufReader<ChildStdout>,
    line: &mut Vec<u8>,
) -> std::io::Result<bool> {
    let room = MOST_LINE.saturating_sub(line.len() as u64);
    let read = lines.take(room).read_until(b'\n', line).await?;
    if room == 0 || read as u64 == room && line.last() != Some(&b'\n') {
        return Err(std::io::Error::other("a line is too long"));
    }
    Ok(line.last() == Some(&b'\n'))
}

/// Why ssh ended.
async fn last_words(stream: &mut Stream) -> Trouble {
    let mut said = Vec::new();
    if let Some(stderr) = stream.child.stderr.take() {
        let mut limited = stderr.take(MOST_STDERR);
        let _ = tokio::time::timeout(WORDS, limited.read_to_end(&mut said)).await;
    }
    let said = String::from_utf8_lossy(&said).trim().replace('\n', "; ");
    match said.is_empty() {
        true => Trouble::Remote("the connection to Gerrit was lost".to_owned()),
        false => Trouble::Remote(format!("the connection to Gerrit was lost: {said}")),
    }
}
