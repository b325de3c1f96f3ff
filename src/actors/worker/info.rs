//! What a worker told about itself, from the wire's form to the model's.

use protocol::info as wire;
use serde_json::Value as Json;

use crate::flow::old_worker::lacks;
use crate::model::WorkerInfo;

/// Everything but the commands' versions; values without a JSON form are left out.
pub(super) fn to_model(info: &wire::WorkerInfo) -> WorkerInfo {
    WorkerInfo {
        basedir: info.basedir.clone(),
        system: info.system.clone(),
        version: info.version.clone(),
        environ: info.environ.iter().cloned().collect(),
        admin: info.admin.clone(),
        host: info.host.clone(),
        access_uri: info.access_uri.clone(),
        numcpus: info.numcpus,
        delete_leftover_dirs: info.delete_leftover_dirs,
        lacks: lacks(&info.commands),
        others: info.others.iter().map(|(name, value)| (name.clone(), to_json(value))).collect(),
    }
}

/// Bytes are read as text, what has no JSON form becomes null.
pub(in crate::actors) fn to_json(value: &rmpv::Value) -> Json {
    use rmpv::Value;
    match value {
        Value::Boolean(value) => Json::from(*value),
        Value::Integer(value) => match (value.as_i64(), value.as_u64()) {
            (Some(value), _) => Json::from(value),
            (None, value) => Json::from(value),
        },
        Value::F32(value) => Json::from(*value),
        Value::F64(value) => Json::from(*value),
        Value::String(value) => Json::from(String::from_utf8_lossy(value.as_bytes())),
        Value::Binary(value) => Json::from(String::from_utf8_lossy(value)),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Map(pairs) => Json::Object(
            pairs
                .iter()
                .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), to_json(value))))
                .collect(),
        ),
        Value::Nil | Value::Ext(..) => Json::Null,
    }
}

/// What stock keeps in the column `workers.info`.
pub(super) fn to_stored(info: &WorkerInfo) -> Json {
    serde_json::json!({
        "admin": info.admin,
        "host": info.host,
        "access_uri": info.access_uri,
        "version": info.version,
    })
}
