//! `protocols`: where workers connect.

use std::path::Path;

use super::checked::{Listen, WorkerListen, WorkerProtocol};
use super::fields::Fields;
use super::problems::Problems;
use super::raw::Raw;
use super::tls;

/// Reads `protocols = { pb = { port = 9989 }, msgpack_experimental_v7 = { port = 9990 } }`. The
/// files of TLS endpoints are looked for below `basedir`.
pub fn parse(fields: &mut Fields<'_>, basedir: &Path) -> Vec<WorkerListen> {
    let Some(raw) = fields.take("protocols") else { return Vec::new() };
    let (path, problems) = fields.nested("protocols");
    let mut protocols = Fields::of(&raw, path, problems);
    let mut all = Vec::new();
    for protocol in [WorkerProtocol::PerspectiveBroker, WorkerProtocol::MessagePack] {
        if let Some(raw) = protocols.take(protocol.key()) {
            let (path, problems) = protocols.nested(protocol.key());
            let listeners = listeners(&raw, path, basedir, problems);
            all.extend(listeners.into_iter().map(|listen| WorkerListen { protocol, listen }));
        }
    }
    protocols.unsupported(&["null", "wamp"]);
    protocols.finish();
    all
}

fn listeners(raw: &Raw, path: String, basedir: &Path, problems: &mut Problems) -> Vec<Listen> {
    let mut fields = Fields::of(raw, path, problems);
    let place = fields.place().clone();
    let mut listeners: Vec<Listen> = fields.required("port");
    for listen in &mut listeners {
        if let Err(message) = find_files(listen, basedir) {
            fields.problem_at("port", &place, message);
        }
    }
    fields.finish();
    listeners
}

/// Looks for the files of a TLS endpoint below `basedir`.
///
/// # Errors
/// A text for people when they cannot be used.
pub(super) fn find_files(listen: &mut Listen, basedir: &Path) -> Result<(), String> {
    let Some(files) = &mut listen.tls else { return Ok(()) };
    files.resolve(basedir);
    tls::server(files).map(|_| ())
}
