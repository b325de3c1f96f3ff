//! `change_source` with `type = "PBChangeSource"`: changes that somebody sends.

use std::path::Path;

use super::checked::{Listen, PbChangeSourceConfig};
use super::fields::{Fields, FromRaw};
use super::protocols::find_files;
use super::raw::{Raw, RawValue};
use super::values::non_empty;

/// Stock's credentials, which `buildbot sendchange` takes when it is given none.
const USER: &str = "change";
const PASSWD: &str = "changepw";

/// Reads what follows the `type`.
pub fn parse(mut fields: Fields<'_>, basedir: &Path) -> PbChangeSourceConfig {
    let user = fields.optional_checked("user", non_empty);
    let passwd = fields.optional_checked("passwd", non_empty);
    let port = fields.take("port").filter(|raw| raw.value != RawValue::Null);
    let prefix: Option<String> = fields.optional("prefix");
    let prefix = prefix.filter(|prefix| !prefix.is_empty());
    let name = fields.optional_checked("name", non_empty);
    let source = PbChangeSourceConfig {
        name: name.unwrap_or_else(|| default_name(prefix.as_deref(), port.as_ref())),
        user: user.unwrap_or_else(|| USER.to_owned()),
        passwd: passwd.unwrap_or_else(|| PASSWD.to_owned()),
        port: port.and_then(|raw| listen(&mut fields, &raw, basedir)),
        prefix,
    };
    fields.finish();
    source
}

fn listen(fields: &mut Fields<'_>, raw: &Raw, basedir: &Path) -> Option<Listen> {
    let read = Listen::from_raw(raw).and_then(|mut listen| {
        find_files(&mut listen, basedir)?;
        Ok(listen)
    });
    read.map_err(|message| fields.problem_at("port", &raw.place, message)).ok()
}

/// Stock's name; Python calls a missing port `None`.
fn default_name(prefix: Option<&str>, port: Option<&Raw>) -> String {
    let port = match port.map(|raw| &raw.value) {
        Some(RawValue::Int(number)) => number.to_string(),
        Some(RawValue::Text(text)) => text.clone(),
        _ => "None".to_owned(),
    };
    match prefix {
        Some(prefix) => format!("PBChangeSource:{prefix}:{port}"),
        None => format!("PBChangeSource:{port}"),
    }
}
