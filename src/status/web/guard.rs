//! Who may control: clients of this machine only, and no page of another site on their behalf.
//!
//! There is no login yet. A client counts as local when its connection comes from a loopback
//! address and no proxy says that it speaks for somebody else. A browser's `Origin` must be one
//! that the configuration allows, or a loopback name of this very server: a foreign name that
//! resolves to this machine is refused.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use globset::Glob;

use crate::config::checked::MasterConfig;

/// Headers by which a proxy says for whom it speaks.
const FORWARDING: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "via",
];

/// Why a control request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error(
        "only clients of the master's own machine may control builds as long as no login is \
         configured; use 127.0.0.1, or an SSH tunnel to it"
    )]
    NotLocal,
    #[error("invalid origin")]
    Origin,
}

/// May this client control?
pub fn may_control(request: &HttpRequest) -> Result<(), Denied> {
    let peer = request.peer_addr().map(|address| address.ip());
    if is_local(peer, request.headers()) { Ok(()) } else { Err(Denied::NotLocal) }
}

fn is_local(peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
    peer.is_some_and(|ip| ip.to_canonical().is_loopback())
        && !FORWARDING.iter().any(|name| headers.contains_key(*name))
}

/// The request's `Origin`, lower-cased, when it is allowed; `None` when there is none.
///
/// # Errors
/// For an origin that is not allowed.
pub fn origin(headers: &HeaderMap, config: &MasterConfig) -> Result<Option<String>, Denied> {
    let Some(origin) = headers.get("origin") else { return Ok(None) };
    let origin = origin.to_str().map_err(|_| Denied::Origin)?.to_ascii_lowercase();
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_configured(&origin, config) || is_this_loopback_server(&origin, host) {
        Ok(Some(origin))
    } else {
        Err(Denied::Origin)
    }
}

/// The origin of a form that changes something: a browser that sends no `Origin` must say that
/// the request is its own site's.
///
/// # Errors
/// For a request that another site caused.
pub fn own_site(headers: &HeaderMap, config: &MasterConfig) -> Result<(), Denied> {
    if origin(headers, config)?.is_some() {
        return Ok(());
    }
    match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Denied::Origin),
    }
}

fn is_configured(origin: &str, config: &MasterConfig) -> bool {
    let patterns = config.www.as_ref().map_or(&[][..], |www| &www.allowed_origins);
    if patterns.is_empty() {
        return origin == origin_of(&config.buildbot_url);
    }
    patterns.iter().any(|pattern| {
        Glob::new(&pattern.to_ascii_lowercase())
            .is_ok_and(|glob| glob.compile_matcher().is_match(origin))
    })
}

/// `http://host:port` of a URL.
fn origin_of(url: &str) -> String {
    let url = url.to_ascii_lowercase();
    let end = url.find("://").map_or(0, |at| at + 3);
    let length = url[end..].find('/').unwrap_or(url.len() - end);
    url[..end + length].to_owned()
}

fn is_this_loopback_server(origin: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host.as_str(),
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    loopback && origin == format!("http://{host}")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            let value = HeaderValue::from_str(value).expect("a header value");
            map.insert(HeaderName::from_static(name), value);
        }
        map
    }

    #[test]
    fn only_unproxied_loopback_is_local() {
        type Case<'a> = (&'a str, &'a [(&'static str, &'a str)], bool);
        let table: [Case; 7] = [
            ("127.0.0.1", &[], true),
            ("::1", &[], true),
            ("::ffff:127.0.0.1", &[], true),
            ("192.0.2.7", &[], false),
            ("192.0.2.7", &[("x-forwarded-for", "127.0.0.1")], false),
            ("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")], false),
            ("127.0.0.1", &[("forwarded", "for=192.0.2.7")], false),
        ];
        for (peer, pairs, local) in table {
            let peer = peer.parse().expect("an address");
            assert_eq!(is_local(Some(peer), &headers(pairs)), local, "{peer} {pairs:?}");
        }
        assert!(!is_local(None, &headers(&[])));
    }

    #[test]
    fn a_loopback_name_of_this_server_is_its_own_origin() {
        let table = [
            ("http://localhost:8010", "localhost:8010", true),
            ("http://127.0.0.1:8010", "127.0.0.1:8010", true),
            ("http://[::1]:8010", "[::1]:8010", true),
            ("http://localhost:9000", "localhost:8010", false),
            ("https://localhost:8010", "localhost:8010", false),
            ("http://evil.example:8010", "evil.example:8010", false),
            ("http://localhost.evil.example", "localhost.evil.example", false),
            ("null", "localhost:8010", false),
        ];
        for (origin, host, own) in table {
            assert_eq!(is_this_loopback_server(origin, host), own, "{origin} {host}");
        }
    }

    #[test]
    fn the_origin_of_a_url() {
        assert_eq!(origin_of("http://CI.example:8010/bb/"), "http://ci.example:8010");
        assert_eq!(origin_of("https://ci.example"), "https://ci.example");
    }
}
