//! What the targets share: a script of actions in the fuzzer's bytes.
//!
//! A script is a sequence of steps: one byte that says what to do beside receiving, two bytes of
//! length, and that many bytes that arrive.

use protocol::command::{Arg, Block, Command, CommandLine, Compression, Limits, Shell};
use protocol::order::{BuilderDir, Order};

/// Reads a script; what is left at its end is one more step.
pub fn steps(mut data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut steps = Vec::new();
    while let [action, low, high, rest @ ..] = data {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (bytes, after) = rest.split_at(length);
        steps.push((*action, bytes));
        data = after;
    }
    steps
}

/// The reverse of [`steps`], for one step.
pub fn step(action: u8, bytes: &[u8]) -> Vec<u8> {
    let mut script = Vec::new();
    let mut action = action;
    for piece in bytes.chunks(usize::from(u16::MAX)).chain(bytes.is_empty().then_some(bytes)) {
        script.push(action);
        script.extend((piece.len() as u16).to_le_bytes());
        script.extend(piece);
        action = 0;
    }
    script
}

/// The order of an action; `number` makes command ids differ.
pub fn order(action: u8, number: u64) -> Option<Order> {
    let builder = || Some(if action & 0x80 == 0 { "main-pb" } else { "old" }.to_owned());
    let start = |command| Order::StartCommand {
        command_id: number.to_string(),
        builder: builder(),
        base: "/srv/w/b".to_owned(),
        command,
    };
    let block = || Block { workdir: "build".to_owned(), max_size: None, size: 16384 };
    Some(match action & 0x7f {
        1 => Order::Print { message: "attached".to_owned() },
        2 => Order::GetWorkerInfo,
        3 => {
            let dir = |name: &str| BuilderDir { name: name.to_owned(), dir: name.to_owned() };
            Order::SetBuilderList { builders: vec![dir("main-pb"), dir("old")] }
        }
        4 => Order::StartBuild { builder: builder()? },
        5 => start(Command::Shell(shell())),
        6 => {
            start(Command::UploadFile { source: "f".to_owned(), block: block(), keep_stamp: true })
        }
        7 => start(Command::UploadDirectory {
            source: "d".to_owned(),
            block: block(),
            compress: Compression::Gzip,
        }),
        8 => {
            start(Command::DownloadFile { dest: "f".to_owned(), block: block(), mode: Some(0o644) })
        }
        9 => start(Command::RemoveFile { path: "f".to_owned() }),
        10 => Order::InterruptCommand {
            command_id: number.saturating_sub(1).to_string(),
            builder: None,
            why: "test".to_owned(),
        },
        11 => Order::Keepalive,
        12 => Order::Shutdown,
        13 => Order::Settings(Default::default()),
        _ => return None,
    })
}

fn shell() -> Shell {
    Shell {
        workdir: "build".to_owned(),
        command: CommandLine::Args(vec![
            Arg::Plain("echo".to_owned()),
            Arg::Obfuscated { real: "a".to_owned(), shown: "b".to_owned() },
        ]),
        env: Vec::new(),
        want_stdout: true,
        want_stderr: true,
        limits: Limits { timeout: Some(1.0), max_time: None, log_environ: true },
        max_lines: None,
        sigterm_time: None,
        interrupt_signal: Some("KILL".to_owned()),
        initial_stdin: None,
        logfiles: Vec::new(),
        use_pty: true,
    }
}
