//! A request as a build makes it.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use reqwest::{Client, Method, Proxy, Request, Url};
use serde_json::Value;

use super::tls;
use crate::flow::interpolate::UsedSecret;

/// What is asked of whom, and how.
pub struct Ask {
    pub method: Method,
    pub url: String,
    /// In the order of their names.
    pub params: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub cookies: Vec<(String, String)>,
    pub body: Body,
    pub auth: Option<(String, String)>,
    /// For the whole of it.
    pub timeout: Duration,
    /// Follow redirections.
    pub follows: bool,
    pub verify: Verify,
    /// Files with our certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// By scheme; `None` leaves it to the environment.
    pub proxies: Option<Vec<(String, String)>>,
    /// What must not be shown.
    pub secrets: Vec<UsedSecret>,
}

pub enum Body {
    None,
    Text(String),
    Form(Vec<(String, String)>),
    Json(Value),
}

/// Whose certificates are trusted.
#[derive(Debug, Clone)]
pub enum Verify {
    System,
    Nothing,
    Authorities(PathBuf),
}

impl Ask {
    /// # Errors
    /// A message for people when a file cannot be read, or a proxy is none.
    pub async fn client(&self) -> Result<Client, String> {
        let config = tls::config(&self.verify, self.certificate.as_ref()).await?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(config)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.timeout);
        if let Some(proxies) = &self.proxies {
            builder = builder.no_proxy();
            for (scheme, address) in proxies {
                let proxy = match scheme.as_str() {
                    "http" => Proxy::http(address),
                    "https" => Proxy::https(address),
                    "all" => Proxy::all(address),
                    _ => return Err(format!("'proxies' has no scheme '{scheme}'")),
                };
                builder = builder.proxy(proxy.map_err(|error| plain(&error.without_url()))?);
            }
        }
        builder.build().map_err(|error| plain(&error))
    }

    /// # Errors
    /// A message for people when the address or a header is none.
    pub fn request(&self) -> Result<Request, String> {
        let mut url: Url = self.url.parse().map_err(|error| format!("its address: {error}"))?;
        if !self.params.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.params);
        }
        let mut request = Request::new(self.method.clone(), url);
        let agent = concat!("buildbot/", env!("CARGO_PKG_VERSION"));
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let (kind, body) = self.body.encoded();
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            put(headers, COOKIE, &cookies.join("; "))?;
        }
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("'{name}' is no name of a header"))?;
            put(headers, name, value)?;
        }
        if let Some((user, password)) = &self.auth {
            use base64::Engine;
            let pair =
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            put(headers, reqwest::header::AUTHORIZATION, &format!("Basic {pair}"))?;
        }
        *request.body_mut() = body.map(reqwest::Body::from);
        Ok(request)
    }
}

impl Body {
    /// Its type, unless the headers say another, and its bytes.
    fn encoded(&self) -> (Option<&'static str>, Option<String>) {
        match self {
            Body::None => (None, None),
            Body::Text(text) => (None, Some(text.clone())),
            Body::Form(pairs) => {
                (Some("application/x-www-form-urlencoded"), Some(form_encoded(pairs)))
            }
            Body::Json(value) => (Some("application/json"), Some(value.to_string())),
        }
    }
}

/// As a form sends it.
pub fn form_encoded(pairs: &[(String, String)]) -> String {
    // The address only lends its way of writing.
    let mut url = Url::parse("x:").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    url.as_ref().and_then(Url::query).unwrap_or_default().to_owned()
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), String> {
    let wrong = || format!("the value of the header '{name}' cannot be sent");
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?;
    headers.insert(name, value);
    Ok(())
}

/// An error with its causes.
pub fn plain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = inner.source();
    }
    text
}
