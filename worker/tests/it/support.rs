//! A scripted master: accepts workers and speaks `msgpack_experimental_v7`.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use buildbot_worker::{Config, Protocol};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::command::{Arg, Command, CommandLine, Limits, Shell};
use protocol::msgpack::{MasterRequest, Message, Received, WorkerRequest, decode, encode};
use protocol::update::Update;
use rmpv::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// No fact a test waits for takes nearly as long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for a fact, but not forever.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("did not happen in time")
}

pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}
pub type AnyStream = Box<dyn Duplex>;

pub struct FakeMaster {
    listener: TcpListener,
    pub port: u16,
}

impl FakeMaster {
    pub async fn new() -> FakeMaster {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        FakeMaster { listener, port }
    }

    pub fn config(&self, basedir: &Path) -> Config {
        let mut config = Config::new(basedir.to_owned(), "127.0.0.1", self.port, "w", "sekret");
        config.protocol = Protocol::Msgpack;
        config.first_delay = Duration::from_millis(1);
        config
    }

    /// The bare TCP connection of the next attempt.
    pub async fn accept_tcp(&self) -> TcpStream {
        soon(self.listener.accept()).await.expect("a connection").0
    }

    /// The next worker, which must log in as `w` with `sekret`.
    pub async fn accept(&self) -> Connection {
        let stream = self.accept_tcp().await;
        self.accept_over(Box::new(stream)).await
    }

    /// The same over a stream that was made already.
    pub async fn accept_over(&self, stream: AnyStream) -> Connection {
        #[allow(clippy::result_large_err)] // the signature is tungstenite's
        let check = |request: &Request, response: Response| {
            let login = request.headers().get("authorization").expect("a login");
            let login = login.to_str().expect("text");
            assert_eq!(protocol::basic_auth::parse(login), Ok(("w".into(), "sekret".into())));
            assert_eq!(request.uri().path(), "/");
            Ok(response)
        };
        let socket = soon(tokio_tungstenite::accept_hdr_async(stream, check)).await;
        Connection::new(socket.expect("a handshake"))
    }
}

/// What a command reported, its updates in order.
#[derive(Debug)]
pub struct Report {
    pub updates: Vec<Update>,
    pub failure: Option<String>,
}

impl Report {
    pub fn rc(&self) -> Option<i64> {
        self.updates.iter().find_map(|update| match update {
            Update::Rc(rc) => Some(*rc),
            _ => None,
        })
    }

    pub fn stdout(&self) -> String {
        self.text(|update| match update {
            Update::Stdout(text) => Some(text),
            _ => None,
        })
    }

    pub fn stderr(&self) -> String {
        self.text(|update| match update {
            Update::Stderr(text) => Some(text),
            _ => None,
        })
    }

    pub fn header(&self) -> String {
        self.text(|update| match update {
            Update::Header(text) => Some(text),
            _ => None,
        })
    }

    pub fn log(&self, wanted: &str) -> String {
        self.text(|update| match update {
            Update::Log { name, text } if name == wanted => Some(text),
            _ => None,
        })
    }

    pub fn reason(&self) -> Option<&str> {
        self.updates.iter().find_map(|update| match update {
            Update::FailureReason(reason) => Some(reason.as_str()),
            _ => None,
        })
    }

    fn text(&self, pick: impl Fn(&Update) -> Option<&String>) -> String {
        self.updates.iter().filter_map(pick).map(String::as_str).collect()
    }
}

/// One logged-in worker.
pub struct Connection {
    socket: WebSocketStream<AnyStream>,
    next_seq: u64,
    next_command: u64,
    /// Requests that came while something else was waited for.
    requests: VecDeque<(u64, WorkerRequest)>,
}

impl Connection {
    pub fn new(socket: WebSocketStream<AnyStream>) -> Connection {
        Connection { socket, next_seq: 0, next_command: 0, requests: VecDeque::new() }
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        soon(self.socket.send(Frame::Binary(bytes.into()))).await.expect("sent");
    }

    /// Sends a request without waiting for its answer.
    pub async fn send(&mut self, op: MasterRequest) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.send_bytes(encode(&Message::Request { seq, op })).await;
        seq
    }

    /// The next message, pings aside; `None` when the worker is gone.
    pub async fn receive(&mut self) -> Option<Received<WorkerRequest>> {
        loop {
            match soon(self.socket.next()).await? {
                Ok(Frame::Binary(bytes)) => return Some(decode(&bytes).expect("a sound message")),
                Ok(Frame::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The answer to a request; updates that come meanwhile are kept.
    pub async fn answer(&mut self, wanted: u64) -> Result<Value, String> {
        loop {
            match self.receive().await.expect("still connected") {
                Received::Response { seq, result } if seq == wanted => return result,
                Received::Response { seq, .. } => panic!("unexpected answer {seq}"),
                Received::Request { seq, op } => {
                    self.requests.push_back((seq, op.expect("a known operation")));
                }
            }
        }
    }

    pub async fn ask(&mut self, op: MasterRequest) -> Result<Value, String> {
        let seq = self.send(op).await;
        self.answer(seq).await
    }

    /// The next request of the worker, not yet answered.
    pub async fn request(&mut self) -> (u64, WorkerRequest) {
        if let Some(request) = self.requests.pop_front() {
            return request;
        }
        match self.receive().await.expect("still connected") {
            Received::Request { seq, op } => (seq, op.expect("a known operation")),
            Received::Response { seq, .. } => panic!("unexpected answer {seq}"),
        }
    }

    pub async fn acknowledge(&mut self, seq: u64) {
        self.reply(seq, Ok(Value::Nil)).await;
    }

    pub async fn reply(&mut self, seq: u64, result: Result<Value, String>) {
        self.send_bytes(encode(&Message::<MasterRequest>::Response { seq, result })).await;
    }

    /// Whether the worker asked for nothing while an answer was waited for.
    pub fn is_quiet(&self) -> bool {
        self.requests.is_empty()
    }

    /// Starts a command; its id.
    pub async fn start(&mut self, command: &Command) -> Result<String, String> {
        let (name, args) = command.to_msgpack("/", "posix");
        self.start_raw(name, args).await
    }

    pub async fn start_raw(&mut self, name: &str, args: Value) -> Result<String, String> {
        let command_id = self.next_command.to_string();
        self.next_command += 1;
        let op = MasterRequest::StartCommand {
            command_id: command_id.clone(),
            builder_name: Some("b".into()),
            command_name: name.into(),
            args,
        };
        self.ask(op).await.map(|_| command_id)
    }

    /// Updates of a command until `enough` or its end, each acknowledged.
    pub async fn updates_until(
        &mut self,
        report: &mut Report,
        enough: impl Fn(&Report) -> bool,
    ) -> bool {
        while !enough(report) {
            let (seq, request) = self.request().await;
            self.acknowledge(seq).await;
            match request {
                WorkerRequest::Update { updates, .. } => {
                    for timed in updates {
                        check_times(&timed.update, &timed.times);
                        report.updates.push(timed.update);
                    }
                }
                WorkerRequest::Complete { failure, .. } => {
                    report.failure = failure;
                    return true;
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        false
    }

    /// Everything until `complete`.
    pub async fn finish(&mut self) -> Report {
        let mut report = Report { updates: Vec::new(), failure: None };
        self.updates_until(&mut report, |_| false).await;
        report
    }

    pub async fn run(&mut self, command: &Command) -> Report {
        self.start(command).await.expect("accepted");
        self.finish().await
    }

    pub async fn interrupt(&mut self, command_id: &str) {
        let op = MasterRequest::InterruptCommand {
            command_id: command_id.into(),
            builder_name: None,
            why: "test".into(),
        };
        self.ask(op).await.expect("interrupted");
    }
}

/// The order of what is reported, texts by kind only.
pub fn kinds(report: &Report) -> Vec<&'static str> {
    let kind = |update: &Update| match update {
        Update::Stdout(_) => "stdout",
        Update::Stderr(_) => "stderr",
        Update::Header(_) => "header",
        Update::Log { .. } => "log",
        Update::Rc(_) => "rc",
        Update::Elapsed(_) => "elapsed",
        Update::FailureReason(_) => "failure_reason",
        Update::Files(_) => "files",
        Update::Stat(_) => "stat",
        Update::Other(..) => "other",
    };
    report.updates.iter().map(kind).collect()
}

/// One time per line.
fn check_times(update: &Update, times: &[f64]) {
    if let Update::Stdout(text) | Update::Stderr(text) | Update::Header(text) = update {
        assert!(text.ends_with('\n'), "whole lines only: {text:?}");
        assert_eq!(text.matches('\n').count(), times.len());
    }
}

/// A worker running in this process, with a connection to a scripted master.
pub struct Attached {
    pub dir: tempfile::TempDir,
    pub master: FakeMaster,
    pub connection: Connection,
    pub worker: JoinHandle<Result<(), buildbot_worker::RunError>>,
}

impl Attached {
    pub async fn new() -> Attached {
        Attached::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Attached {
        let dir = tempfile::tempdir().expect("temporary directory");
        let master = FakeMaster::new().await;
        let mut config = master.config(dir.path());
        change(&mut config);
        let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
        let mut connection = master.accept().await;
        connection.ask(MasterRequest::Print { message: "attached".into() }).await.expect("printed");
        Attached { dir, master, connection, worker }
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    /// A program in `build`.
    pub fn shell(&self, command: CommandLine) -> Shell {
        shell(&self.path("build"), command)
    }

    pub fn script(&self, text: &str) -> Shell {
        self.shell(CommandLine::Text(text.into()))
    }

    pub async fn run(&mut self, shell: Shell) -> Report {
        self.connection.run(&Command::Shell(shell)).await
    }
}

/// A worker in a process of its own, with a connection to a scripted master. Dies with this.
pub struct Daemon {
    pub dir: tempfile::TempDir,
    pub connection: Connection,
    process: tokio::process::Child,
}

impl Daemon {
    pub async fn new() -> Daemon {
        let dir = tempfile::tempdir().expect("temporary directory");
        let master = FakeMaster::new().await;
        let program = env!("CARGO_BIN_EXE_buildbot-worker");
        let basedir = dir.path().join("w");
        let created = std::process::Command::new(program)
            .args(["create-worker", "--protocol=msgpack_experimental_v7"])
            .arg(&basedir)
            .args([&format!("127.0.0.1:{}", master.port), "w", "sekret"])
            .output()
            .expect("ran");
        assert!(created.status.success());
        let process = tokio::process::Command::new(program)
            .args(["start", "--nodaemon"])
            .arg(&basedir)
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("started");
        let connection = master.accept().await;
        Daemon { dir, connection, process }
    }

    pub fn pid(&self) -> u32 {
        self.process.id().expect("alive")
    }
}

/// A program as a step without options asks for it.
pub fn shell(workdir: &str, command: CommandLine) -> Shell {
    Shell {
        workdir: workdir.into(),
        command,
        env: vec![],
        want_stdout: true,
        want_stderr: true,
        limits: Limits { timeout: Some(120.0), max_time: None, log_environ: false },
        max_lines: None,
        sigterm_time: None,
        interrupt_signal: Some("KILL".into()),
        initial_stdin: None,
        logfiles: vec![],
        use_pty: false,
    }
}

pub fn args(items: &[&str]) -> CommandLine {
    CommandLine::Args(items.iter().map(|item| Arg::Plain((*item).into())).collect())
}

/// Whether a process still exists and is no zombie.
pub fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|c| c != 'Z')
}

/// Waits until something holds.
pub async fn until(holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits until a process has ended.
pub async fn gone(pid: &str) {
    until(|| !is_alive(pid)).await;
}
