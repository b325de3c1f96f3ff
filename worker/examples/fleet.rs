//! Many workers in one process, to see what they cost a master.
//!
//!     fleet PROTOCOL HOST PORT NUMBER KEEPALIVE DIRECTORY [PAUSE]
//!
//! They are named `w0`, `w1` …, have the password `pass`, and work in directories of those names
//! below DIRECTORY. KEEPALIVE is in seconds, as is PAUSE, the time between two workers' first
//! attempts to connect (default 0: all at once). Ends with its standard input.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use buildbot_worker::Config;
use buildbot_worker::config::Protocol;
use tokio::sync::watch;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (args, pause) = match args.as_slice() {
        [args @ .., pause] if args.len() == 6 => (args, pause.parse()?),
        args => (args, 0.0),
    };
    let [protocol, host, port, number, keepalive, dir] = args else {
        anyhow::bail!("fleet PROTOCOL HOST PORT NUMBER KEEPALIVE DIRECTORY [PAUSE]");
    };
    let protocol = Protocol::from_name(protocol).context("the protocol is unknown")?;
    let (port, number): (u16, usize) = (port.parse()?, number.parse()?);
    let keepalive = Duration::from_secs_f64(keepalive.parse()?);
    let (stop, stopped) = watch::channel(false);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.send_replace(true);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let workers = async {
        let local = tokio::task::LocalSet::new();
        for index in 0..number {
            let name = format!("w{index}");
            let dir = PathBuf::from(dir).join(&name);
            std::fs::create_dir_all(&dir)?;
            let fresh = Config::new(dir, host, port, &name, "pass");
            let config =
                Config { protocol, keepalive, max_delay: Duration::from_secs(10), ..fresh };
            let mut stopped = stopped.clone();
            let turn = Duration::from_secs_f64(pause * index as f64);
            local.spawn_local(async move {
                tokio::time::sleep(turn).await;
                let shutdown = async move {
                    let _ = stopped.wait_for(|stop| *stop).await;
                };
                if let Err(error) = buildbot_worker::run(config, shutdown).await {
                    eprintln!("{name}: {error}");
                }
            });
        }
        local.await;
        Ok(())
    };
    runtime.block_on(workers)
}
