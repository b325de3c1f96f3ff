//! Worker info as a dictionary.

use super::value::{from_common, to_common};
use super::versions::Versions;
use crate::info::WorkerInfo;
use crate::jelly::Value;

const KNOWN: [&str; 11] = [
    "admin",
    "host",
    "access_uri",
    "environ",
    "system",
    "basedir",
    "numcpus",
    "version",
    "worker_commands",
    "slave_commands",
    "delete_leftover_dirs",
];

/// Reads what a worker answered. Nothing is indispensable: over this transport the worker itself
/// knows where its directories are.
pub(super) fn from_value(value: &Value) -> Result<WorkerInfo, String> {
    let dict = value.pairs().ok_or("the worker info is not a dictionary")?;
    let string = |name| value.given(name).and_then(Value::text);
    let commands = value.given("worker_commands").or_else(|| value.given("slave_commands"));
    let commands = commands.map(texts).unwrap_or_default();
    Ok(WorkerInfo {
        basedir: string("basedir").unwrap_or_default(),
        system: string("system").unwrap_or_else(|| "posix".to_owned()),
        version: string("version").unwrap_or_default(),
        environ: value.given("environ").map(texts).unwrap_or_default(),
        admin: string("admin"),
        host: string("host"),
        access_uri: string("access_uri"),
        numcpus: value.given("numcpus").and_then(Value::int),
        delete_leftover_dirs: value.get("delete_leftover_dirs").is_some_and(Value::truthy),
        obfuscated_args: !Versions::new(&commands).older("shell", 2, 16),
        commands,
        others: dict
            .iter()
            .filter_map(|(key, value)| Some((key.text()?, value)))
            .filter(|(key, _)| !KNOWN.contains(&key.as_str()))
            .map(|(key, value)| (key, to_common(value.clone())))
            .collect(),
    })
}

/// The dictionary to answer with, keys in the order of stock workers.
pub(super) fn to_value(info: WorkerInfo) -> Value {
    let mut dict = Vec::new();
    let mut put = |name: &str, value: Value| dict.push((Value::from(name), value));
    for (name, value) in
        [("admin", info.admin), ("host", info.host), ("access_uri", info.access_uri)]
    {
        if let Some(value) = value {
            put(name, Value::from(value));
        }
    }
    for (name, value) in info.others {
        put(&name, from_common(value));
    }
    put("environ", dictionary(info.environ));
    put("system", Value::from(info.system));
    put("basedir", Value::from(info.basedir));
    if let Some(numcpus) = info.numcpus {
        put("numcpus", Value::from(numcpus));
    }
    put("version", Value::from(info.version));
    put("worker_commands", dictionary(info.commands));
    put("delete_leftover_dirs", Value::from(info.delete_leftover_dirs));
    Value::Dict(dict)
}

/// Texts by their names.
pub(super) fn dictionary(pairs: Vec<(String, String)>) -> Value {
    Value::Dict(pairs.into_iter().map(|(k, v)| (Value::from(k), Value::from(v))).collect())
}

/// The reverse; what is not text is left out.
pub(super) fn texts(value: &Value) -> Vec<(String, String)> {
    let pairs = value.pairs().unwrap_or_default();
    pairs.iter().filter_map(|(key, value)| Some((key.text()?, value.text()?))).collect()
}
