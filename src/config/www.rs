//! `www`: the web server.

use super::checked::{Listen, Www};
use super::fields::Fields;
use super::raw::RawValue;
use super::values::shell_patterns;

/// Keys of stock's `www` that are not served yet.
const LATER: [&str; 21] = [
    "auth",
    "authz",
    "avatar_methods",
    "change_hook_auth",
    "change_hook_dialects",
    "cookie_expiration_time",
    "custom_templates_dir",
    "debug",
    "default_page",
    "json_cache_seconds",
    "jsonp",
    "logRotateLength",
    "logfileName",
    "maxRotatedFiles",
    "rest_minimum_version",
    "ui_default_config",
    "versions",
    "ws_ping_interval",
    "project_widgets",
    "graphql",
    "theme",
];

/// Reads `www`; without a port there is no web server, as in stock.
pub fn parse(fields: &mut Fields<'_>) -> Option<Www> {
    let raw = fields.take("www")?;
    let (path, problems) = fields.nested("www");
    let mut www = Fields::of(&raw, path, problems);
    let listen = www.optional_checked("port", |listen: &Listen| {
        let message = "the web server itself speaks no TLS; put a reverse proxy in front of it";
        listen.tls.as_ref().map(|_| message.to_owned())
    });
    let allowed_origins = www.optional_checked("allowed_origins", shell_patterns);
    // Views are built in; the key is accepted because nearly every configuration has it.
    if let Some(plugins) = www.take("plugins")
        && !matches!(plugins.value, RawValue::Table(_) | RawValue::Null)
    {
        let message = format!("must be a table, not {}", plugins.kind());
        www.problem_at("plugins", &plugins.place, message);
    }
    www.unsupported(&LATER);
    www.finish();
    Some(Www { listen: listen?, allowed_origins: allowed_origins.unwrap_or_default() })
}
