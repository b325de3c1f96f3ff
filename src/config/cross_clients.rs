//! What clients of Perspective Broker share with workers: ports and names.

use std::collections::HashMap;

use super::checked::{ChangeSourceConfig, Listen, WorkerProtocol};
use super::master::Draft;
use super::problems::Problems;
use super::raw::Raw;
use crate::schedulers::TryEntry;

/// Somebody who serves clients.
struct Server<'d> {
    /// Its key path.
    path: &'d str,
    what: &'static str,
    /// The key path of each name.
    names: Vec<(String, &'d str)>,
    /// `None` where workers log in.
    port: Option<&'d Listen>,
}

/// Adds what is wrong between clients and the rest of `draft`, which was read from `raw`.
pub fn check(raw: &Raw, draft: &Draft, problems: &mut Problems) {
    let tried = raw.has("protocols.pb");
    let shared = shared(draft);
    let workers = draft.workers.iter().filter(|(_, worker)| worker.local.is_none());
    let mut names: HashMap<(Option<&Listen>, &str), String> = workers
        .map(|(path, worker)| {
            ((None, worker.name.as_str()), format!("the worker in {}", raw.place_at(path)))
        })
        .collect();
    for Server { path, what, names: own, port } in servers(draft) {
        if port.is_none() && !tried && !raw.has(&format!("{path}.port")) {
            let message = "has no port, and there are no ports of workers it could share; add \
                           port = 9999, or protocols = { pb = { port = 9989 } }";
            problems.add(raw.place_at(path), path, message);
        }
        // Every port has names of its own.
        let port = port.filter(|port| !shared.contains(port));
        for (path, name) in own {
            let place = raw.place_at(&path);
            if let Some(other) = names.get(&(port, name)) {
                let message = format!(
                    "the username '{name}' is already registered by {other}; everybody needs a \
                     name of their own"
                );
                problems.add(place, path, message);
            } else {
                names.insert((port, name), format!("the {what} in {place}"));
            }
        }
    }
}

/// The ports that only clients ask for, each once, with their key paths.
pub fn own_ports(draft: &Draft) -> impl Iterator<Item = (String, &Listen)> {
    let mut open = shared(draft);
    servers(draft).into_iter().filter_map(move |server| {
        let listen = server.port.filter(|listen| !open.contains(listen))?;
        open.push(listen);
        Some((format!("{}.port", server.path), listen))
    })
}

fn shared(draft: &Draft) -> Vec<&Listen> {
    let broker = draft.protocols.iter();
    let broker = broker.filter(|worker| worker.protocol == WorkerProtocol::PerspectiveBroker);
    broker.map(|worker| &worker.listen).collect()
}

fn servers(draft: &Draft) -> Vec<Server<'_>> {
    let sources = draft.change_sources.iter().filter_map(|(path, source)| match source {
        ChangeSourceConfig::PbChangeSource(source) => Some(Server {
            path,
            what: "change source",
            names: vec![(format!("{path}.user"), &source.user)],
            port: source.port.as_ref(),
        }),
        ChangeSourceConfig::Looks(_) => None,
    });
    let managers = draft.user_managers.iter().map(|(path, manager)| Server {
        path,
        what: "user manager",
        names: vec![(format!("{path}.username"), &manager.username)],
        port: Some(&manager.port),
    });
    let tries = draft.schedulers.iter().filter_map(|(path, scheduler)| {
        let Some(TryEntry::Clients(logins)) = scheduler.as_ref()?.plan.tries() else { return None };
        let names = logins.userpass.iter();
        Some(Server {
            path,
            what: "try scheduler",
            names: names.map(|(name, _)| (format!("{path}.userpass"), name.as_str())).collect(),
            port: Some(&logins.port),
        })
    });
    sources.chain(managers).chain(tries).collect()
}
