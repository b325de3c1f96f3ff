//! Options that several pushes have.

use std::path::PathBuf;
use std::sync::Mutex;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::OnceCell;

use super::server::Server;
use crate::config::fields::{Fields, FromRaw};
use crate::config::raw::{Raw, RawValue};
use crate::flow::interpolate::Renderable;
use crate::http::{Trust, Verify};

/// Reads `verify`, `cert` and `debug`, and makes the server at `base` with them. Messages show its
/// scheme, host and port; the path may log in, too, as that of a webhook does.
pub(super) fn server(fields: &mut Fields<'_>, base: &str) -> Server {
    let verify = fields.or("verify", VerifyOption(Verify::System));
    let cert = fields.optional("cert").map(|CertOption(cert, key)| (cert, key));
    let shown = Url::parse(base).map(|url| url.origin().ascii_serialization());
    Server {
        base: base.to_owned(),
        shown: shown.unwrap_or_default(),
        headers: HeaderMap::new(),
        login: None,
        secrets: Vec::new(),
        trust: Trust { verify: verify.0, cert },
        debug: fields.or_default("debug"),
        client: OnceCell::new(),
        silent_until: Mutex::new(None),
    }
}

/// Reads `baseURL` and `token`, and what [`server`] reads; the token goes into the header `header`
/// behind `prefix`.
pub(super) fn forge(
    fields: &mut Fields<'_>,
    hosted: &str,
    header: &'static str,
    prefix: &str,
) -> Server {
    let base = fields.optional_checked("baseURL", wrong_address);
    let base = base.as_deref().unwrap_or(hosted).trim_end_matches('/').to_owned();
    let token: String = fields.required_checked("token", |token: &String| {
        let wrong = token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic());
        wrong.then(|| "is no token".to_owned())
    });
    let mut server = server(fields, &base);
    if let Ok(url) = Url::parse(&base) {
        server.shown.push_str(url.path().trim_end_matches('/'));
    }
    if let Ok(mut value) = HeaderValue::from_str(&format!("{prefix}{token}")) {
        value.set_sensitive(true);
        server.headers.insert(HeaderName::from_static(header), value);
    }
    server.secrets.extend(Some(token).filter(|token| !token.is_empty()));
    server
}

/// Reads `context`: what a status is called, `buildbot/BUILDER` by default.
pub(super) fn context(fields: &mut Fields<'_>) -> Renderable {
    let written: Option<Renderable> = fields.optional("context");
    let written = written.filter(|context| context.literal_text() != Some(""));
    written.unwrap_or_else(|| {
        let text = "buildbot/%(prop:buildername)s".into();
        Renderable::parse(&text).unwrap_or_else(|_| Renderable::literal(text))
    })
}

/// Complains about what is no address of a web server, without repeating it.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub(super) fn wrong_address(address: &String) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let good = url.is_some_and(|url| url.host_str().is_some_and(|host| !host.is_empty()));
    (!good).then(|| "must be an address that begins with http:// or https://".to_owned())
}

/// `true`, `false`, or the path of a file with authorities.
struct VerifyOption(Verify);

impl FromRaw for VerifyOption {
    fn from_raw(raw: &Raw) -> Result<VerifyOption, String> {
        match (&raw.value, raw.as_text()) {
            (RawValue::Bool(true), _) => Ok(VerifyOption(Verify::System)),
            (RawValue::Bool(false), _) => Ok(VerifyOption(Verify::Nobody)),
            (_, Some(path)) if !path.is_empty() => Ok(VerifyOption(Verify::Also(path.into()))),
            _ => Err(format!("must be true, false or the path of a file, not {}", raw.kind())),
        }
    }
}

/// A file with certificate and key, or a file for each.
struct CertOption(PathBuf, PathBuf);

impl FromRaw for CertOption {
    fn from_raw(raw: &Raw) -> Result<CertOption, String> {
        if let Some(path) = raw.as_text() {
            return Ok(CertOption(path.into(), path.into()));
        }
        match Vec::<String>::from_raw(raw).as_deref() {
            Ok([cert, key]) => Ok(CertOption(cert.into(), key.into())),
            _ => Err("must be the path of a file, or those of certificate and key".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::problems::Problems;

    #[test]
    fn servers_are_shown_without_what_logs_in() {
        let plain = |base| (json!({}), base);
        let forged = |base| (json!({ "baseURL": base, "token": "hunter2" }), "");
        let table = [
            (
                plain("https://hooks.example.org:8443/services/XYZ?k=pw"),
                "https://hooks.example.org:8443",
            ),
            (plain("http://u:pw@127.0.0.1:80"), "http://127.0.0.1"),
            (forged("https://u:pw@h.example.org/api/v3/"), "https://h.example.org/api/v3"),
            (forged("https://h.example.org"), "https://h.example.org"),
        ];
        for ((written, base), expected) in table {
            let raw = Raw::from_json(written);
            let mut problems = Problems::new();
            let mut fields = Fields::of(&raw, "s", &mut problems);
            let server = match base {
                "" => forge(&mut fields, "", "authorization", "token "),
                base => server(&mut fields, base),
            };
            assert_eq!((server.shown.as_str(), problems.to_string().as_str()), (expected, ""));
            let shown = format!("{server:?}");
            assert!(["pw", "XYZ", "hunter2"].iter().all(|s| !shown.contains(s)), "{shown}");
        }
    }
}
