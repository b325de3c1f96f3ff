//! Reads the options of Git.

use std::time::Duration;

use indexmap::IndexMap;

use super::describe::Describe;
use super::{Git, Mode, Retry};
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::interpolate::Renderable;
use crate::steps::command::{environment, limits};
use crate::steps::registry::Draft;

/// Options that hand credentials to the worker, which needs file transfer.
const CREDENTIALS: [&str; 5] =
    ["sshPrivateKey", "sshHostKey", "sshKnownHosts", "auth_credentials", "git_credentials"];

pub(super) fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Git {
    for key in CREDENTIALS {
        if let Some(raw) = fields.take(key) {
            let message = "is not supported yet; give the worker's user access to the repository, \
                           or put a secret into 'repourl'";
            fields.problem_at(key, &raw.place, message);
        }
    }
    let codebase: String = fields.or_default("codebase");
    if !codebase.is_empty() {
        draft.name = format!("{}-{codebase}", draft.name).chars().take(50).collect();
        draft.options.description_suffix.get_or_insert_with(|| codebase.clone());
    }
    let (mode, method_given) = mode(fields);
    let shallow = shallow(fields);
    if shallow.is_some() && method_given && mode != Mode::Clobber {
        fields.problem("'shallow' goes with no other method than \"clobber\"");
    }
    let options = &draft.options;
    let mut done = options.description_done.clone().unwrap_or_else(|| "update".to_owned());
    if let Some(suffix) = &options.description_suffix {
        done = format!("{done} {suffix}");
    }
    Git {
        repourl: fields.required("repourl"),
        port: port(fields),
        branch: fields.optional("branch"),
        mode,
        reference: fields.optional("reference"),
        origin: fields.optional("origin"),
        submodules: fields.or("submodules", false),
        remote_submodules: fields.or("remoteSubmodules", false),
        tags: fields.or("tags", false),
        shallow,
        filters: fields.or_default("filters"),
        progress: fields.or("progress", true),
        retry_fetch: fields.or("retryFetch", false),
        clobber_on_failure: fields.or("clobberOnFailure", false),
        describe: Describe::parse(fields),
        config: fields.or_default::<IndexMap<String, Renderable>>("config").into_iter().collect(),
        codebase,
        always_use_latest: fields.or("alwaysUseLatest", false),
        retry: retry(fields),
        workdir: fields.optional("workdir"),
        env: environment(fields),
        limits: limits(fields),
        done,
    }
}

fn port(fields: &mut Fields<'_>) -> u16 {
    let port: i64 = fields.or("port", 22);
    u16::try_from(port).unwrap_or_else(|_| {
        fields.problem(format!("'port' must be 0 to 65535, not {port}"));
        22
    })
}

/// `mode` and `method`, and whether there was a method; full without one is fresh, as in stock.
fn mode(fields: &mut Fields<'_>) -> (Mode, bool) {
    let mode: String = fields.or("mode", "incremental".to_owned());
    let method: Option<String> = fields.optional("method");
    let chosen = match (mode.as_str(), method.as_deref()) {
        ("incremental", _) => Mode::Incremental,
        ("full", None | Some("fresh")) => Mode::Fresh,
        ("full", Some("clobber")) => Mode::Clobber,
        ("full", Some("clean")) => Mode::Clean,
        ("full", Some("copy")) => Mode::Copy,
        ("full", Some(other)) => {
            fields
                .problem(format!("'method' must be clobber, fresh, clean or copy, not '{other}'"));
            Mode::Fresh
        }
        (other, _) => {
            fields.problem(format!("'mode' must be incremental or full, not '{other}'"));
            Mode::Incremental
        }
    };
    (chosen, method.is_some())
}

/// `true` is a depth of 1.
fn shallow(fields: &mut Fields<'_>) -> Option<u64> {
    let raw = fields.take("shallow")?;
    match raw.value {
        RawValue::Bool(true) => Some(1),
        RawValue::Bool(false) | RawValue::Null | RawValue::Int(0) => None,
        RawValue::Int(depth) if depth > 0 => Some(depth.unsigned_abs()),
        _ => {
            let message = "must be true, false or the number of commits to fetch";
            fields.problem_at("shallow", &raw.place, message);
            None
        }
    }
}

/// `[delay in seconds, repeats]`.
fn retry(fields: &mut Fields<'_>) -> Option<Retry> {
    let raw = fields.take("retry")?;
    if let RawValue::List(items) = &raw.value
        && let [delay, repeats] = items.as_slice()
    {
        let delay = match delay.value {
            RawValue::Int(delay) => delay as f64,
            RawValue::Float(delay) => delay,
            _ => -1.0,
        };
        if let RawValue::Int(repeats) = repeats.value
            && let Ok(repeats) = u32::try_from(repeats)
            && (0.0..=86_400.0).contains(&delay)
        {
            return Some(Retry { delay: Duration::from_secs_f64(delay), repeats });
        }
    }
    let message = "must be [delay in seconds, number of repeats], as in [10, 3]";
    fields.problem_at("retry", &raw.place, message);
    None
}
