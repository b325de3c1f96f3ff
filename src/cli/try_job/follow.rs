//! Hands a try job over and shows how its builds go.

use std::time::Duration;

use anyhow::{Context as _, bail};
use protocol::pb::TryJob;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use super::talk::{Next, State, Talk};
use crate::cli::client::Address;
use crate::model::Results;

/// For the connection.
const CONNECT: Duration = Duration::from_secs(30);
/// Between two looks at the builds.
const SHOW: Duration = Duration::from_secs(3);

/// True when everything is well: handed over, or with `wait`, built with success.
pub(super) async fn run(
    master: &Address,
    mut talk: Talk,
    job: &TryJob,
    wait: bool,
    quiet: bool,
) -> anyhow::Result<bool> {
    let connecting = timeout(CONNECT, master.connect()).await;
    let mut stream = connecting
        .with_context(|| format!("the master at {master} did not answer within {CONNECT:?}"))?
        .with_context(|| format!("cannot connect to the master at {master}"))?;
    talk.begin(job, wait);
    let mut shown = State::default();
    let mut delivered = false;
    let mut buffer = vec![0; 16 << 10];
    let mut ticks = interval(SHOW);
    loop {
        while let Some(next) = talk.next()? {
            if !delivered && !talk.state.builders.is_empty() {
                delivered = true;
                say(quiet, "job has been delivered");
            }
            match next {
                Next::Send(packet) => send(&mut stream, &packet).await?,
                Next::Delivered(taken) => {
                    say(quiet, "job has been delivered");
                    match taken {
                        true => println!("not waiting for builds to finish"),
                        false => println!(
                            "try scheduler on the master does not have the builder configured"
                        ),
                    }
                    return Ok(taken);
                }
                Next::Ended => return Ok(report(&talk.state)),
            }
        }
        tokio::select! {
            read = stream.read(&mut buffer) => {
                match read.context("the connection to the master was lost")? {
                    0 => bail!("the master closed the connection"),
                    length => talk.receive(&buffer[..length]),
                }
            }
            _ = ticks.tick(), if delivered && !quiet => show(&talk.state, &mut shown),
        }
    }
}

async fn send(stream: &mut TcpStream, packet: &[u8]) -> anyhow::Result<()> {
    stream.write_all(packet).await.context("the connection to the master was lost")
}

fn say(quiet: bool, text: &str) {
    if !quiet {
        println!("{text}");
    }
}

/// What has not changed is not shown again.
fn show(state: &State, shown: &mut State) {
    if state == shown {
        return;
    }
    for (name, progress) in &state.builders {
        println!("{name}: {}", progress.shown());
    }
    println!();
    shown.clone_from(state);
}

/// The end of every build; true when all went well.
fn report(state: &State) -> bool {
    println!("All Builds Complete");
    for (name, progress) in &state.builders {
        println!("{name}: {}", progress.shown());
    }
    state.builders.values().all(|progress| progress.results == Some(Results::Success))
}
