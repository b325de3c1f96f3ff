//! `protocols`: where workers connect.

use super::checked::{Listen, Protocols};
use super::fields::Fields;
use super::problems::Problems;
use super::raw::Raw;

/// Reads `protocols = { msgpack_experimental_v7 = { port = 9990 } }`.
pub fn parse(fields: &mut Fields<'_>) -> Protocols {
    let Some(raw) = fields.take("protocols") else { return Protocols::default() };
    let (path, problems) = fields.nested("protocols");
    let mut protocols = Fields::of(&raw, path, problems);
    let msgpack = match protocols.take("msgpack_experimental_v7") {
        Some(raw) => {
            let (path, problems) = protocols.nested("msgpack_experimental_v7");
            listeners(&raw, path, problems)
        }
        None => Vec::new(),
    };
    protocols.refuse(
        "pb",
        "is not served yet; use msgpack_experimental_v7 = { port = … } here, and create \
         workers with --protocol=msgpack_experimental_v7",
    );
    protocols.unsupported(&["null", "wamp"]);
    protocols.finish();
    Protocols { msgpack }
}

fn listeners(raw: &Raw, path: String, problems: &mut Problems) -> Vec<Listen> {
    let mut fields = Fields::of(raw, path, problems);
    let listeners: Vec<Listen> = fields.required("port");
    fields.finish();
    listeners
}
