//! A master and a worker that talk to each other in memory.

mod clients;
mod logins;
pub(super) mod recording;

use super::*;
use crate::command::{Block, Command, CommandLine, Compression, Limits, Shell};
use crate::info::WorkerInfo;
use crate::order::{BuilderDir, Order, Reply};
use crate::report::{Answer, Report, WorkerRequest};
use crate::session::{MasterEvent, MasterSession, Rejection, WorkerEvent, WorkerSession};
use crate::update::Update;

const COMMANDS: [&str; 11] = [
    "shell",
    "mkdir",
    "rmdir",
    "cpdir",
    "stat",
    "glob",
    "listdir",
    "rmfile",
    "uploadFile",
    "uploadDirectory",
    "downloadFile",
];

fn worker() -> PbWorker {
    PbWorker::new(PbWorkerLogin {
        name: "w".into(),
        password: "pw".into(),
        version: "9.9".into(),
        commands: COMMANDS.map(|name| (name.to_owned(), "3.3".to_owned())).to_vec(),
    })
}

fn info() -> WorkerInfo {
    WorkerInfo {
        basedir: "/srv/w".into(),
        system: "posix".into(),
        version: "9.9".into(),
        environ: vec![("PATH".into(), "/bin".into())],
        admin: Some("me\n".into()),
        numcpus: Some(4),
        commands: COMMANDS.map(|name| (name.to_owned(), "3.3".to_owned())).to_vec(),
        obfuscated_args: true,
        others: vec![("os_id".into(), "debian".into())],
        ..WorkerInfo::default()
    }
}

/// Both ends of a connection whose bytes arrive at once.
struct Pair {
    master: PbMaster,
    worker: PbWorker,
    at_master: Vec<MasterEvent>,
    at_worker: Vec<WorkerEvent>,
    ticket: u64,
}

impl Pair {
    /// Lets everything that can happen happen.
    fn run(&mut self) {
        loop {
            let (mut idle, master, worker) = (true, &mut self.master, &mut self.worker);
            while let Some(event) = master.next().expect("a sound worker") {
                idle = false;
                match event {
                    MasterEvent::Send(bytes) => worker.receive(&bytes),
                    other => self.at_master.push(other),
                }
            }
            while let Some(event) = worker.next().expect("a sound master") {
                idle = false;
                match event {
                    WorkerEvent::Send(bytes) => master.receive(&bytes),
                    other => self.at_worker.push(other),
                }
            }
            if idle {
                return;
            }
        }
    }

    fn order(&mut self, order: Order) -> u64 {
        self.ticket += 1;
        let packet = self.master.order(self.ticket, order).expect("an order the worker knows");
        self.worker.receive(&packet);
        self.run();
        self.ticket
    }

    /// The order that the worker got last.
    fn ordered(&mut self) -> (u64, Order) {
        match self.at_worker.pop() {
            Some(WorkerEvent::Ordered { id, order }) => (id, order),
            other => panic!("no order but {other:?}"),
        }
    }

    /// Orders and answers `Done` or what is given; gives what the worker was asked.
    fn ask(&mut self, order: Order, reply: Reply) -> Order {
        let ticket = self.order(order);
        let (id, ordered) = self.ordered();
        let packet = self.worker.answer(id, Ok(reply.clone()));
        self.master.receive(&packet);
        self.run();
        let answered = MasterEvent::Answered { ticket, result: Ok(reply) };
        assert_eq!(self.at_master.pop(), Some(answered));
        ordered
    }

    /// Reports and answers; gives what the master was told.
    fn report(&mut self, request: WorkerRequest, answer: Answer) -> WorkerRequest {
        self.ticket += 1;
        let packet = self.worker.report(self.ticket, Report::Command(request)).expect("it runs");
        self.master.receive(&packet);
        self.run();
        let mut told = Vec::new();
        for event in std::mem::take(&mut self.at_master) {
            let MasterEvent::Reported { id, report: Report::Command(request) } = event else {
                panic!("not a report: {event:?}")
            };
            let packet = self.master.answer(id, Ok(answer.clone()));
            self.worker.receive(&packet);
            told.push(request);
        }
        self.run();
        let answered = WorkerEvent::Answered { ticket: self.ticket, result: Ok(answer) };
        assert_eq!(self.at_worker.pop(), Some(answered));
        assert!(self.at_worker.is_empty());
        told.pop().expect("something told")
    }

    fn start(&mut self, id: &str, command: Command) {
        let order = Order::StartCommand {
            command_id: id.into(),
            builder: Some("b".into()),
            base: "dir-b".into(),
            command,
        };
        assert_eq!(self.ask(order.clone(), Reply::Done), order);
    }

    fn complete(&mut self, id: &str) {
        let complete = WorkerRequest::Complete { command_id: id.into(), failure: None };
        assert_eq!(self.report(complete.clone(), Answer::Done), complete);
        // The worker gives everything back, so nothing piles up on the master.
        assert_eq!(self.master.exported(), 1);
    }
}

/// Logs in up to the master's decision.
fn login(worker: &mut PbWorker, password: &str) -> (PbLogin, bool) {
    let mut login = PbLogin::new();
    worker.receive(&login.begin());
    loop {
        while let Some(event) = worker.next().expect("a sound master") {
            let WorkerEvent::Send(bytes) = event else { panic!("too early: {event:?}") };
            login.receive(&bytes);
        }
        while let Some(event) = login.next().expect("a sound worker") {
            match event {
                LoginEvent::Send(bytes) => worker.receive(&bytes),
                LoginEvent::Respond { name, proof } => {
                    assert_eq!(name, "w");
                    return (login, proof.matches(password));
                }
            }
        }
    }
}

fn attached() -> Pair {
    let mut worker = worker();
    let (login, welcome) = login(&mut worker, "pw");
    assert!(welcome);
    let master = login.into_worker();
    let mut pair = Pair { master, worker, at_master: Vec::new(), at_worker: Vec::new(), ticket: 0 };
    pair.ask(Order::Print { message: "attached".into() }, Reply::Done);
    pair.ask(Order::GetWorkerInfo, Reply::Info(Box::new(info())));
    let builders = vec![BuilderDir { name: "b".into(), dir: "dir-b".into() }];
    pair.ask(Order::SetBuilderList { builders }, Reply::Done);
    let packet = pair.master.admit();
    pair.worker.receive(&packet);
    pair.run();
    assert_eq!(pair.at_worker.pop(), Some(WorkerEvent::LoggedIn));
    pair
}

fn shell(line: &str) -> Command {
    Command::Shell(Shell {
        workdir: "build".into(),
        command: CommandLine::Text(line.into()),
        env: Vec::new(),
        want_stdout: true,
        want_stderr: true,
        limits: Limits { timeout: None, max_time: None, log_environ: true },
        max_lines: None,
        sigterm_time: None,
        interrupt_signal: None,
        initial_stdin: None,
        logfiles: Vec::new(),
        use_pty: false,
    })
}

#[test]
fn a_build_from_its_first_ping_to_the_last_answer() {
    let mut pair = attached();
    pair.ask(Order::Print { message: "ping".into() }, Reply::Done);
    pair.ask(Order::StartBuild { builder: "b".into() }, Reply::Done);
    pair.start("1", shell("make"));
    let updates = vec![
        Update::Stdout("a\n".into()).into(),
        Update::Log { name: "l".into(), text: "x\n".into() }.into(),
        Update::Rc(0).into(),
    ];
    let update = WorkerRequest::Update { command_id: "1".into(), updates };
    let told = pair.report(update, Answer::Done);
    let last = vec![Update::Rc(0).into()];
    assert_eq!(told, WorkerRequest::Update { command_id: "1".into(), updates: last });
    pair.complete("1");
    for (at, command) in [
        Command::MakeDirectory { dir: "d".into() },
        Command::Stat { file: "f".into() },
        Command::Glob { path: "*".into() },
        Command::ListDirectory { dir: "d".into() },
        Command::RemoveFile { path: "f".into() },
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("x{at}");
        pair.start(&id, command);
        pair.complete(&id);
    }
}

#[test]
fn every_transfer_moves_its_data() {
    let mut pair = attached();
    let id = || "t".to_owned();
    let block = Block { workdir: "build".into(), max_size: None, size: 16384 };
    let through = |pair: &mut Pair, request: WorkerRequest, answer: Answer| {
        assert_eq!(pair.report(request.clone(), answer), request);
    };
    let (source, keep_stamp) = ("f".into(), true);
    pair.start("t", Command::UploadFile { source, block: block.clone(), keep_stamp });
    let data = vec![0xff; 70_000];
    through(&mut pair, WorkerRequest::UploadFileWrite { command_id: id(), data }, Answer::Done);
    through(&mut pair, WorkerRequest::UploadFileClose { command_id: id() }, Answer::Done);
    let (access_time, modified_time) = (1.5, 2.5);
    let utime = WorkerRequest::UploadFileUtime { command_id: id(), access_time, modified_time };
    through(&mut pair, utime, Answer::Done);
    pair.complete("t");
    let (source, compress) = ("d".into(), Compression::Gzip);
    pair.start("t", Command::UploadDirectory { source, block: block.clone(), compress });
    let write = WorkerRequest::UploadDirectoryWrite { command_id: id(), data: b"tar".to_vec() };
    through(&mut pair, write, Answer::Done);
    through(&mut pair, WorkerRequest::UploadDirectoryUnpack { command_id: id() }, Answer::Done);
    pair.complete("t");
    pair.start("t", Command::DownloadFile { dest: "f".into(), block, mode: None });
    let read = WorkerRequest::ReadFile { command_id: id(), length: 3 };
    through(&mut pair, read.clone(), Answer::Data(b"abc".to_vec()));
    through(&mut pair, read, Answer::Data(Vec::new()));
    through(&mut pair, WorkerRequest::ReadFileClose { command_id: id() }, Answer::Done);
    pair.complete("t");
}

#[test]
fn a_long_text_arrives_whole() {
    let mut pair = attached();
    pair.start("1", shell("yes"));
    let text = "é\n".repeat(500_000);
    pair.ticket += 1;
    let updates = vec![Update::Stdout(text.clone()).into()];
    let update = WorkerRequest::Update { command_id: "1".into(), updates };
    let packet = pair.worker.report(pair.ticket, Report::Command(update)).expect("it is cut");
    pair.master.receive(&packet);
    pair.run();
    let mut whole = String::new();
    for event in &pair.at_master {
        let MasterEvent::Reported {
            report: Report::Command(WorkerRequest::Update { updates, .. }),
            ..
        } = event
        else {
            panic!("{event:?}")
        };
        let Update::Stdout(part) = &updates[0].update else { panic!("stdout") };
        whole.push_str(part);
    }
    assert!(whole == text && pair.at_master.len() == 3);
}

#[test]
fn an_interrupt_reaches_what_runs_on_the_builder() {
    let mut pair = attached();
    let interrupt = |id: &str| Order::InterruptCommand {
        command_id: id.into(),
        builder: Some("b".into()),
        why: "test".into(),
    };
    pair.order(interrupt("7"));
    let nothing_runs = MasterEvent::Answered { ticket: pair.ticket, result: Ok(Reply::Done) };
    assert_eq!(pair.at_master.pop(), Some(nothing_runs));
    pair.start("1", shell("sleep"));
    assert_eq!(pair.ask(interrupt("7"), Reply::Done), interrupt("1"));
    let start = Order::StartCommand {
        command_id: "2".into(),
        builder: Some("b".into()),
        base: "dir-b".into(),
        command: shell("next"),
    };
    pair.order(start.clone());
    assert_eq!(pair.ordered().1, start);
    let (id, leftover) = pair.ordered();
    assert!(matches!(leftover, Order::InterruptCommand { command_id, .. } if command_id == "1"));
    assert!(pair.worker.answer(id, Ok(Reply::Done)).is_empty(), "nobody asked for it");
}

#[test]
fn a_refused_command_leaves_nothing_behind() {
    let mut pair = attached();
    let order = Order::StartCommand {
        command_id: "1".into(),
        builder: Some("b".into()),
        base: String::new(),
        command: shell("x"),
    };
    let ticket = pair.order(order);
    let (id, _) = pair.ordered();
    let packet = pair.worker.answer(id, Err("no room".into()));
    pair.master.receive(&packet);
    pair.run();
    let text = "builtins.RuntimeError: no room".to_owned();
    assert_eq!(pair.at_master, [MasterEvent::Answered { ticket, result: Err(text) }]);
    assert_eq!(pair.master.exported(), 1);
}

#[test]
fn orders_that_the_worker_cannot_follow_are_refused() {
    let mut pair = attached();
    let mut refused = |order| pair.master.order(99, order).expect_err("refused");
    let start = |builder: Option<&str>, command| Order::StartCommand {
        command_id: "1".into(),
        builder: builder.map(str::to_owned),
        base: String::new(),
        command,
    };
    assert_eq!(refused(start(Some("z"), shell(""))), "the worker has no builder named 'z'");
    assert!(refused(start(None, shell(""))).contains("belongs to a builder"));
    let long = shell(&"x".repeat(700_000));
    assert!(refused(start(Some("b"), long)).contains("655360 bytes"));
    assert_eq!(pair.master.exported(), 1);
}

#[test]
fn keepalives_and_the_wish_to_shut_down() {
    let mut pair = attached();
    for report in [Report::Keepalive, Report::Shutdown] {
        let packet = pair.worker.report(5, report.clone()).expect("logged in");
        pair.master.receive(&packet);
        pair.run();
        let Some(MasterEvent::Reported { id, report: told }) = pair.at_master.pop() else {
            panic!("a report")
        };
        assert_eq!(told, report);
        let packet = pair.master.answer(id, Ok(Answer::Done));
        pair.worker.receive(&packet);
        pair.run();
        let answered = WorkerEvent::Answered { ticket: 5, result: Ok(Answer::Done) };
        assert_eq!(pair.at_worker.pop(), Some(answered));
    }
    let ticket = pair.order(Order::Keepalive);
    let alive = MasterEvent::Answered { ticket, result: Ok(Reply::Done) };
    assert_eq!((pair.at_master.pop(), pair.at_worker.pop()), (Some(alive), None));
    assert_eq!(pair.ask(Order::Shutdown, Reply::Done), Order::Shutdown);
    assert!(worker().report(1, Report::Keepalive).is_err());
}

#[test]
fn builders_are_held_once_however_often_the_list_is_sent() {
    let mut pair = attached();
    for dirs in [&["b", "c"][..], &["c"], &["b"], &["b"]] {
        let builders = dirs.iter().map(|name| BuilderDir { name: (*name).into(), dir: "d".into() });
        let order = Order::SetBuilderList { builders: builders.collect() };
        assert_eq!(pair.ask(order.clone(), Reply::Done), order);
    }
    assert_eq!(pair.worker.exported(), 2, "the bot and one builder");
    assert!(pair.master.order(1, Order::StartBuild { builder: "c".into() }).is_err());
}

#[test]
fn a_wrong_password_is_told_and_another_try_possible() {
    let mut worker = worker();
    let (mut login, welcome) = login(&mut worker, "another");
    assert!(!welcome);
    worker.receive(&login.refuse());
    let rejected = WorkerEvent::Rejected { why: Rejection::WrongPassword };
    assert_eq!(worker.next(), Ok(Some(rejected)));
    assert_eq!(login.next(), Ok(None));
}

#[test]
fn a_duplicate_is_rejected_with_the_reason() {
    let mut worker = worker();
    let (login, _) = login(&mut worker, "pw");
    let mut master = login.into_worker();
    worker.receive(&master.reject("rejecting duplicate worker"));
    let why = Rejection::Other("rejecting duplicate worker".into());
    assert_eq!(worker.next(), Ok(Some(WorkerEvent::Rejected { why })));
}

#[test]
fn passwords_are_not_shown() {
    assert!(!format!("{:?}", worker()).contains("pw"));
}
