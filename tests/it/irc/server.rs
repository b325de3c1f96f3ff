//! A real ngircd for one test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::world::soon;

/// A server on a port of its own; ends with the test.
pub struct Server {
    pub port: u16,
    /// For TLS, when it has a certificate.
    pub tls_port: u16,
    dir: TempDir,
    process: Option<Child>,
}

/// A certificate with its key, as files.
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Server {
    pub async fn start() -> Server {
        Server::with(None).await
    }

    pub async fn with(certificate: Option<&Certificate>) -> Server {
        let dir = tempfile::tempdir().expect("a directory");
        let mut server = Server { port: free_port(), tls_port: free_port(), dir, process: None };
        let tls = certificate.map_or_else(String::new, |files| {
            format!(
                "[SSL]\nCertFile = {}\nKeyFile = {}\nPorts = {}\n",
                files.certificate.display(),
                files.key.display(),
                server.tls_port
            )
        });
        let config = format!(
            "[Global]\nName = irc.test.example\nInfo = test\nNetwork = testnet\nListen = 127.0.0.1\n\
             Ports = {}\nServerUID = {uid}\nServerGID = {gid}\nMotdPhrase = hello\n\
             [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxNickLength = 12\n\
             MaxPenaltyTime = 0\n\
             [Options]\nDNS = no\nIdent = no\nPAM = no\nOperCanUseMode = yes\n\
             [Operator]\nName = root\nPassword = root\n{tls}",
            server.port,
            uid = nix::unistd::getuid(),
            gid = nix::unistd::getgid(),
        );
        std::fs::write(server.config(), config).expect("a configuration");
        server.begin().await;
        server
    }

    /// Starts the program, for the first time or again.
    pub async fn begin(&mut self) {
        let program = ["/usr/sbin/ngircd", "/usr/local/sbin/ngircd", "/usr/bin/ngircd"];
        let program = program.iter().find(|path| Path::new(path).exists());
        let program = program.expect("ngircd; `make setup` installs it");
        let child = Command::new(program)
            .arg("-n")
            .arg("-f")
            .arg(self.config())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(child.expect("ngircd starts"));
        let port = self.port;
        soon("ngircd listens", async move {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Ends the program, as an accident would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("ngircd.conf")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
