//! What clients of Perspective Broker share with workers: ports and names.

use std::collections::HashMap;

use super::checked::{ChangeSourceConfig, Listen, PbChangeSourceConfig, WorkerProtocol};
use super::master::Draft;
use super::problems::Problems;
use super::raw::Raw;

/// Adds what is wrong between clients and the rest of `draft`, which was read from `raw`.
pub fn check(raw: &Raw, draft: &Draft, problems: &mut Problems) {
    let tried = raw.has("protocols.pb");
    let workers = draft.workers.iter().filter(|(_, worker)| worker.local.is_none());
    let mut names: HashMap<&str, String> = workers
        .map(|(path, worker)| {
            (worker.name.as_str(), format!("the worker in {}", raw.place_at(path)))
        })
        .collect();
    for (path, source) in sources(draft) {
        if !tried && !raw.has(&format!("{path}.port")) {
            let message = "has no port, and there are no ports of workers it could share; add \
                           port = 9999, or protocols = { pb = { port = 9989 } }";
            problems.add(raw.place_at(path), path, message);
        }
        let path = format!("{path}.user");
        let place = raw.place_at(&path);
        if let Some(other) = names.get(source.user.as_str()) {
            let message = format!(
                "the username '{}' is already registered by {other}; everybody needs a name of \
                 their own",
                source.user
            );
            problems.add(place, path, message);
        } else {
            names.insert(&source.user, format!("the change source in {place}"));
        }
    }
}

/// The ports that only clients ask for, each once, with their key paths.
pub fn own_ports(draft: &Draft) -> impl Iterator<Item = (String, &Listen)> {
    let shared = draft.protocols.iter();
    let shared = shared.filter(|worker| worker.protocol == WorkerProtocol::PerspectiveBroker);
    let mut open: Vec<&Listen> = shared.map(|worker| &worker.listen).collect();
    sources(draft).filter_map(move |(path, source)| {
        let listen = source.port.as_ref().filter(|listen| !open.contains(listen))?;
        open.push(listen);
        Some((format!("{path}.port"), listen))
    })
}

fn sources(draft: &Draft) -> impl Iterator<Item = (&str, &PbChangeSourceConfig)> {
    draft.change_sources.iter().filter_map(|(path, source)| match source {
        ChangeSourceConfig::PbChangeSource(source) => Some((path.as_str(), source)),
        ChangeSourceConfig::Looks(_) => None,
    })
}
