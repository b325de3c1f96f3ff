//! `Try_Jobdir` and `Try_Userpass`: builds what somebody wants to have tried before it is committed.
//!
//! How jobs come in, as files or from clients, is the business of `actors/try_jobs`.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::submit::{own_properties, priority, to_builders};
use super::{Desk, Order, Refused, Scheduler, Submitted, TryRequest};
use crate::config::checked::{Listen, SchedulerOptions};
use crate::config::fields::Fields;
use crate::config::raw::{Raw, RawValue};
use crate::config::values::non_empty;
use crate::db::{Conn, DbError, schedulers, state};
use crate::model::{NewBuildset, Properties};

/// The object that remembers which files were done and are not moved away yet.
const CLASS: &str = "rs_try_jobdir";
/// The key of their list.
const DONE: &str = "done";
/// Files that are remembered. Each is forgotten once it is moved.
const MOST: usize = 1000;

/// Where try jobs come in.
#[derive(Debug, Clone, PartialEq)]
pub enum TryEntry {
    /// A maildir, relative to the base directory.
    Jobdir(PathBuf),
    Clients(TryLogins),
}

/// Who may send jobs, and where.
#[derive(Clone, PartialEq)]
pub struct TryLogins {
    /// May be one that workers or others use as well.
    pub port: Listen,
    /// Names and passwords.
    pub userpass: Vec<(String, String)>,
}

/// Without the passwords, which must never reach a log.
impl std::fmt::Debug for TryLogins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TryLogins").field("port", &self.port).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Try {
    entry: TryEntry,
}

/// Reads the own keys of a Try_Jobdir.
pub fn jobdir(fields: &mut Fields<'_>, options: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    let jobdir: String = fields.required_checked("jobdir", non_empty);
    only_one_codebase(fields, options);
    Arc::new(Try { entry: TryEntry::Jobdir(jobdir.into()) })
}

/// Reads the own keys of a Try_Userpass.
pub fn userpass(fields: &mut Fields<'_>, options: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    let plain = |port: &Listen| {
        let tls = port.tls.is_some();
        tls.then(|| "must be a plain port: `buildbot try` does not speak TLS".to_owned())
    };
    let port = fields.optional_checked("port", plain).unwrap_or_else(|| {
        fields.problem("needs a 'port' for `buildbot try`, such as port = 8031");
        Listen { interface: None, port: 0, tls: None }
    });
    let userpass = match fields.take("userpass").filter(|raw| raw.value != RawValue::Null) {
        Some(raw) => logins(fields, &raw),
        None => {
            fields.problem("needs 'userpass', such as userpass = [[\"alice\", \"a password\"]]");
            Vec::new()
        }
    };
    only_one_codebase(fields, options);
    Arc::new(Try { entry: TryEntry::Clients(TryLogins { port, userpass }) })
}

/// A job says itself what to build, of the one codebase ``.
fn only_one_codebase(fields: &mut Fields<'_>, options: &SchedulerOptions) {
    if options.codebases.keys().any(|name| !name.is_empty()) {
        fields.problem("codebases: a try job is always of the codebase ''; leave 'codebases' out");
    }
}

/// Pairs, or a table of passwords by name.
fn logins(fields: &mut Fields<'_>, raw: &Raw) -> Vec<(String, String)> {
    let pair = |pair: &Raw| match &pair.value {
        RawValue::List(items) => match items.as_slice() {
            [name, password] => Some((name.as_text()?.to_owned(), password.as_text()?.to_owned())),
            _ => None,
        },
        _ => None,
    };
    let read: Option<Vec<(String, String)>> = match &raw.value {
        RawValue::List(pairs) => pairs.iter().map(pair).collect(),
        RawValue::Table(table) => table
            .iter()
            .map(|(name, password)| Some((name.clone(), password.as_text()?.to_owned())))
            .collect(),
        _ => None,
    };
    let wrong = "must be a list of pairs of a name and a password";
    let message = match &read {
        None => Some(wrong),
        Some(logins) if logins.is_empty() => Some("must not be empty"),
        Some(logins) if logins.iter().any(|(name, word)| name.is_empty() || word.is_empty()) => {
            Some("names and passwords must not be empty")
        }
        Some(_) => None,
    };
    if let Some(message) = message {
        fields.problem_at("userpass", &raw.place, message);
    }
    read.unwrap_or_default()
}

impl Scheduler for Try {
    fn class(&self) -> &'static str {
        match self.entry {
            TryEntry::Jobdir(_) => "Try_Jobdir",
            TryEntry::Clients(_) => "Try_Userpass",
        }
    }

    fn tries(&self) -> Option<&TryEntry> {
        Some(&self.entry)
    }

    fn order(&self, desk: &mut Desk<'_>, order: Order) -> Result<Option<Submitted>, Refused> {
        match order {
            Order::Try(request) => attempt(desk, &request),
            other => Err(other.not_for(desk.options)),
        }
    }
}

/// Submits the job unless it was done already.
fn attempt(desk: &mut Desk<'_>, request: &TryRequest) -> Result<Option<Submitted>, Refused> {
    let TryRequest { job, file } = request;
    if !schedulers::is_enabled(desk.conn, desk.id)? {
        return Err(Refused::Idle("the scheduler is switched off"));
    }
    let allowed = job.chosen(&desk.options.builder_names);
    let builders = allowed.map_err(|not| Refused::NoBuilder(not.0))?;
    if let Some(file) = file
        && !remember(desk, file)?
    {
        return Ok(None);
    }
    let stamp = [job.stamp()];
    let sent = job.with_properties(&Properties::new());
    let own = own_properties(desk.options, &stamp, &[], &sent);
    let set = NewBuildset {
        reason: job.reason(file.is_none()),
        external_idstring: job.external_id(),
        sourcestamps: stamp.into(),
        properties: job.with_properties(&own),
        priority: priority(desk.options, &[]),
        ..NewBuildset::default()
    };
    Ok(Some(to_builders(desk, &builders, set)?))
}

/// Notes the file as done; false when it is already.
fn remember(desk: &mut Desk<'_>, file: &str) -> Result<bool, DbError> {
    let object = desk.object(CLASS)?;
    let mut done = state::get(desk.conn, object, DONE)?;
    let list = match done.take() {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    if list.iter().any(|known| known == file) {
        return Ok(false);
    }
    let kept = list.len().saturating_sub(MOST - 1);
    let list: Vec<Value> = list.into_iter().skip(kept).chain([file.into()]).collect();
    state::set(desk.conn, object, DONE, &Value::Array(list))?;
    Ok(true)
}

/// Forgets files that were moved away.
///
/// # Errors
/// When the database refuses.
pub fn forget(conn: &mut Conn, name: &str, files: &[String]) -> Result<(), DbError> {
    let object = state::object(conn, name, CLASS)?;
    let Some(Value::Array(list)) = state::get(conn, object, DONE)? else { return Ok(()) };
    let list = list.into_iter().filter(|known| !files.iter().any(|file| known == file.as_str()));
    state::set(conn, object, DONE, &Value::Array(list.collect()))
}
