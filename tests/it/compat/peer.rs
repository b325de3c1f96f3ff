//! Worker programs, stock's and ours, as processes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use buildbot::config::checked::WorkerProtocol;

use super::stock;
use crate::programs::worker_program;

/// Who made a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    Stock,
    Ours,
}

/// A worker program and how it talks to the master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    pub maker: Maker,
    pub protocol: WorkerProtocol,
}

impl Kind {
    pub const STOCK_PB: Kind = Kind::new(Maker::Stock, WorkerProtocol::PerspectiveBroker);
    pub const STOCK_MSGPACK: Kind = Kind::new(Maker::Stock, WorkerProtocol::MessagePack);
    pub const OURS_PB: Kind = Kind::new(Maker::Ours, WorkerProtocol::PerspectiveBroker);
    pub const OURS_MSGPACK: Kind = Kind::new(Maker::Ours, WorkerProtocol::MessagePack);
    pub const ALL: [Kind; 4] =
        [Kind::STOCK_PB, Kind::STOCK_MSGPACK, Kind::OURS_PB, Kind::OURS_MSGPACK];

    const fn new(maker: Maker, protocol: WorkerProtocol) -> Kind {
        Kind { maker, protocol }
    }

    /// Also the name of its worker.
    pub fn name(self) -> &'static str {
        match (self.maker, self.protocol) {
            (Maker::Stock, WorkerProtocol::PerspectiveBroker) => "stock_pb",
            (Maker::Stock, WorkerProtocol::MessagePack) => "stock_msgpack",
            (Maker::Ours, WorkerProtocol::PerspectiveBroker) => "ours_pb",
            (Maker::Ours, WorkerProtocol::MessagePack) => "ours_msgpack",
        }
    }

    fn program(self) -> PathBuf {
        match self.maker {
            Maker::Stock => stock("buildbot-worker").expect("stock's programs"),
            Maker::Ours => worker_program(),
        }
    }
}

/// A worker: its directory and, once started, its process, which does not outlive it.
pub struct Peer {
    pub kind: Kind,
    pub dir: PathBuf,
    process: Option<Child>,
}

impl Peer {
    /// Runs `create-worker` in `dir`, for a master at `port` of this machine.
    pub fn create(kind: Kind, dir: PathBuf, port: u16, password: &str, options: &[&str]) -> Peer {
        let output = plain(&kind.program(), home(&dir))
            .args(["create-worker", "-q", &format!("--protocol={}", kind.protocol.key())])
            .args(options)
            .arg(&dir)
            .args([&format!("127.0.0.1:{port}"), kind.name(), password])
            .output()
            .expect("create-worker runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "create-worker: {errors}");
        Peer { kind, dir, process: None }
    }

    pub fn start(&mut self) {
        let output = File::create(self.output()).expect("a file");
        let child = plain(&self.kind.program(), home(&self.dir))
            .args(["start", "--nodaemon"])
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn();
        self.process = Some(child.expect("the worker starts"));
    }

    fn output(&self) -> PathBuf {
        self.dir.with_extension("out")
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a started worker").id()
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let process = self.process.as_mut().expect("a started worker");
        process.try_wait().expect("a child of ours")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for file in [self.output(), self.dir.join("twistd.log")] {
                eprintln!("---- {}\n{}", file.display(), end_of(&file));
            }
        }
        self.kill();
    }
}

fn home(dir: &Path) -> &Path {
    dir.parent().expect("a directory in a directory")
}

/// `program` with the one environment that all masters and workers have here.
pub fn plain(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("LANG", "C.UTF-8").env("HOUSE", "of bricks");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// The last 2,000 bytes.
fn end_of(file: &Path) -> String {
    let said = std::fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&said[said.len().saturating_sub(2000)..]).into_owned()
}
