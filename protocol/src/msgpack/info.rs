//! Worker info as the map that answers `get_worker_info`.

use super::fields::{get, key, lossy, text, truthy};
use crate::info::WorkerInfo;
use rmpv::Value;

/// The key with which our worker says that it understands obfuscated arguments.
const OBFUSCATED_ARGS: &str = "obfuscated_args";

impl WorkerInfo {
    /// The map to answer with.
    pub fn to_value(&self) -> Value {
        let mut map = Vec::new();
        let mut put = |name: &str, value: Value| map.push((key(name), value));
        for (name, value) in
            [("admin", &self.admin), ("host", &self.host), ("access_uri", &self.access_uri)]
        {
            if let Some(value) = value {
                put(name, Value::from(value.as_str()));
            }
        }
        for (name, value) in &self.others {
            put(name, value.clone());
        }
        put("environ", pairs_value(&self.environ));
        put("system", Value::from(self.system.as_str()));
        put("basedir", Value::from(self.basedir.as_str()));
        if let Some(numcpus) = self.numcpus {
            put("numcpus", Value::from(numcpus));
        }
        put("version", Value::from(self.version.as_str()));
        put("worker_commands", pairs_value(&self.commands));
        put("delete_leftover_dirs", Value::from(self.delete_leftover_dirs));
        if self.obfuscated_args {
            put(OBFUSCATED_ARGS, Value::from(true));
        }
        Value::Map(map)
    }

    /// Reads what a worker answered. Only `basedir` is indispensable: without it no path can be told
    /// to the worker.
    pub fn from_value(value: &Value) -> Result<WorkerInfo, String> {
        let map = value.as_map().ok_or("the worker info is not a map")?;
        let string = |name: &str| get(value, name).and_then(text);
        let basedir = string("basedir").ok_or("the worker info has no 'basedir'")?;
        let mut info = WorkerInfo {
            basedir,
            system: string("system").unwrap_or_else(|| "posix".to_owned()),
            version: string("version").unwrap_or_default(),
            admin: string("admin"),
            host: string("host"),
            access_uri: string("access_uri"),
            numcpus: get(value, "numcpus").and_then(Value::as_i64),
            environ: get(value, "environ").map(pairs).unwrap_or_default(),
            commands: get(value, "worker_commands").map(pairs).unwrap_or_default(),
            delete_leftover_dirs: get(value, "delete_leftover_dirs").is_some_and(truthy),
            obfuscated_args: get(value, OBFUSCATED_ARGS).is_some_and(truthy),
            others: Vec::new(),
        };
        for (name, value) in map {
            if let Some(name) = text(name).filter(|name| !KNOWN.contains(&name.as_str())) {
                info.others.push((name, value.clone()));
            }
        }
        Ok(info)
    }

    /// `path` seen from the worker's base directory, by the rules of its system.
    pub fn path(&self, path: &str) -> String {
        super::paths::join(&self.basedir, path, &self.system)
    }

    /// The worker's own value of an environment variable.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.environ.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The worker's home directory, as its environment tells.
    pub fn home(&self) -> Option<String> {
        if self.system != "nt" {
            return self.env("HOME").map(str::to_owned);
        }
        let profile = self.env("USERPROFILE").map(str::to_owned);
        profile.or_else(|| Some(format!("{}{}", self.env("HOMEDRIVE")?, self.env("HOMEPATH")?)))
    }
}

const KNOWN: [&str; 11] = [
    "basedir",
    "system",
    "version",
    "environ",
    "admin",
    "host",
    "access_uri",
    "numcpus",
    "delete_leftover_dirs",
    "worker_commands",
    OBFUSCATED_ARGS,
];

fn pairs_value(pairs: &[(String, String)]) -> Value {
    Value::Map(pairs.iter().map(|(name, value)| (key(name), Value::from(value.as_str()))).collect())
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let pair = |(name, value): &(Value, Value)| match name {
        Value::String(name) => Some((lossy(name.clone()), text(value)?)),
        _ => None,
    };
    value.as_map().map(|map| map.iter().filter_map(pair).collect()).unwrap_or_default()
}
