//! The ports that workers and clients connect to: opened by the roster, kept over the lives of the
//! listeners.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;

use crate::config::checked::{WorkerListen, WorkerProtocol};

/// Connections that may wait to be accepted; the system has a limit of its own.
const BACKLOG: i32 = 4096;

/// The open ports. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Ports(Arc<Mutex<Sockets>>);

type Sockets = IndexMap<WorkerListen, Arc<std::net::TcpListener>>;

impl Ports {
    /// The addresses as the system chose them, in the order of opening.
    pub(super) fn bound(&self) -> Vec<(WorkerProtocol, SocketAddr)> {
        let ports = self.lock();
        let bound =
            ports.iter().map(|(port, socket)| Some((port.protocol, socket.local_addr().ok()?)));
        bound.flatten().collect()
    }

    /// Closes what is not wanted any more and answers it.
    pub(super) fn close_all_but(&self, wanted: &[WorkerListen]) -> Vec<WorkerListen> {
        let mut ports = self.lock();
        let gone = ports.keys().filter(|listen| !wanted.contains(listen)).cloned().collect();
        ports.retain(|listen, _| wanted.contains(listen));
        gone
    }

    pub(super) fn all(&self) -> Vec<(WorkerListen, Arc<std::net::TcpListener>)> {
        self.lock().iter().map(|(listen, socket)| (listen.clone(), socket.clone())).collect()
    }

    /// Opens what is wanted and not open yet; answers what could not be opened, for people.
    pub(super) async fn open(&self, wanted: &[WorkerListen]) -> Vec<String> {
        let mut failures = Vec::new();
        for listen in wanted {
            if self.lock().contains_key(listen) {
                continue;
            }
            match bind(listen).await {
                Ok(socket) => {
                    self.lock().insert(listen.clone(), Arc::new(socket));
                }
                Err(error) => failures.push(failure(listen, &error)),
            }
        }
        failures
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sockets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn bind(
    WorkerListen { listen, .. }: &WorkerListen,
) -> std::io::Result<std::net::TcpListener> {
    let socket = tokio::net::TcpListener::bind((listen.host(), listen.port)).await?.into_std()?;
    // A whole farm comes back at once after a restart.
    nix::sys::socket::listen(&socket, nix::sys::socket::Backlog::new(BACKLOG)?)?;
    Ok(socket)
}

fn failure(WorkerListen { protocol, listen }: &WorkerListen, error: &std::io::Error) -> String {
    let port = listen.port;
    let key = match protocol {
        WorkerProtocol::PerspectiveBroker => "protocols.pb or a PBChangeSource".to_owned(),
        WorkerProtocol::MessagePack => format!("protocols.{}", protocol.key()),
    };
    match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "{key}: port {port} is in use by another program; choose another port or stop it"
        ),
        std::io::ErrorKind::PermissionDenied => {
            format!("{key}: port {port} may not be used: {error}; ports below 1024 belong to root")
        }
        _ => {
            let interface = listen.interface.as_deref().unwrap_or("every interface");
            format!("{key}: cannot listen on {interface} port {port}: {error}")
        }
    }
}
