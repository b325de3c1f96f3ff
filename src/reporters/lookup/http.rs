//! Asks a web server: a URL with the name in it, answered by JSON or text.

use std::fmt;

use async_trait::async_trait;
use indexmap::IndexMap;
use reqwest::header::HeaderMap;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::template::Template;
use super::{EmailLookup, LookupError};
use crate::config::fields::Fields;
use crate::config::values::json_kind;
use crate::http::{self, HttpError};
use crate::model::Person;

/// The most that an answer may have.
const MOST: usize = 1 << 20;

pub(super) struct Http {
    /// `None` after a mistake in the configuration.
    url: Option<Template>,
    /// Where in JSON the address is; `None` for an answer in text.
    pointer: Option<String>,
    headers: HeaderMap,
    login: Option<(String, String)>,
    client: OnceCell<Client>,
}

/// Without what logs in, which may stand in the URL, too.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("pointer", &self.pointer).finish_non_exhaustive()
    }
}

impl Http {
    /// Reads `url`, `pointer`, `headers` and `auth`.
    pub(super) fn parse(fields: &mut Fields<'_>) -> Box<dyn EmailLookup> {
        let url: String = fields.required_checked("url", wrong_url);
        let pointer = fields.optional_checked("pointer", |pointer: &String| {
            let wrong = !pointer.is_empty() && !pointer.starts_with('/');
            wrong.then(|| "must be a JSON pointer such as '/mail/0'".to_owned())
        });
        let headers = fields.optional_checked("headers", |written: &IndexMap<String, String>| {
            http::headers(written).err()
        });
        let auth = fields.optional_checked("auth", |pair: &Vec<String>| {
            (pair.len() != 2).then(|| "must be a user name and a password".to_owned())
        });
        Box::new(Http {
            url: Template::parse(&url).ok(),
            pointer,
            headers: headers.and_then(|written| http::headers(&written).ok()).unwrap_or_default(),
            login: auth.and_then(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone()))),
            client: OnceCell::new(),
        })
    }

    async fn get(&self, url: &str) -> Result<Option<Vec<u8>>, HttpError> {
        let client = self.client.get_or_try_init(http::client).await?;
        let mut request = client.get(url).headers(self.headers.clone());
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.send().await?;
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NO_CONTENT => Ok(None),
            status if status.is_success() => http::body(answer, MOST).await.map(Some),
            status => Err(HttpError::Failed(format!("the server answers {status}"))),
        }
    }
}

#[async_trait]
impl EmailLookup for Http {
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError> {
        let url = self.url.as_ref().and_then(|url| url.fill(person, percent));
        let Some(url) = url else { return Ok(None) };
        let failed = |error: String| LookupError::Failed(error);
        let body = self.get(&url).await.map_err(|error| failed(error.to_string()))?;
        let Some(body) = body else { return Ok(None) };
        address_in(&body, self.pointer.as_deref()).map_err(failed)
    }
}

/// What the answer says.
fn address_in(body: &[u8], pointer: Option<&str>) -> Result<Option<String>, String> {
    let Some(pointer) = pointer else {
        let text = String::from_utf8_lossy(body);
        return Ok(text.lines().next().map(str::to_owned));
    };
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("no JSON is answered: {error}"))?;
    match value.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("at '{pointer}' is {}, not a string", json_kind(other))),
    }
}

/// The text with everything encoded that means something in a URL.
fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn wrong_url(url: &String) -> Option<String> {
    let web = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = web else { return Some("must begin with http:// or https://".to_owned()) };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains('%') {
        return Some("must name a server; the name belongs into the path or the query".to_owned());
    }
    Template::parse(url).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded() {
        assert_eq!(
            percent("Änne <a@x.org>/../?&#"),
            "%C3%84nne%20%3Ca%40x.org%3E%2F..%2F%3F%26%23"
        );
    }

    #[test]
    fn answers_are_read() {
        for (body, pointer, expected) in [
            ("a@x.org\r\nmore", None, Ok(Some("a@x.org"))),
            ("", None, Ok(None)),
            (r#"{"mail": ["a@x.org"]}"#, Some("/mail/0"), Ok(Some("a@x.org"))),
            (r#""a@x.org""#, Some(""), Ok(Some("a@x.org"))),
            (r#"{"mail": null}"#, Some("/mail"), Ok(None)),
            ("{}", Some("/mail"), Ok(None)),
            (r#"{"mail": 7}"#, Some("/mail"), Err("at '/mail' is a number, not a string")),
        ] {
            let expected = expected.map(|found| found.map(str::to_owned)).map_err(str::to_owned);
            assert_eq!(address_in(body.as_bytes(), pointer), expected, "{body}");
        }
        assert!(address_in(b"<html>", Some("/mail")).unwrap_err().contains("no JSON is answered"));
    }
}
