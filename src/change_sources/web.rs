//! Asks a web server for JSON or text, and tells what its refusals mean for a poller.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::Trouble;
use crate::config::fields::Fields;
use crate::flow::branches::masked;
use crate::http::{self, HttpError};

/// The most that one answer may have.
const MOST: usize = 64 << 20;
/// The longest that a server can make us wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// One server, with what it must be told each time.
#[derive(Default)]
pub struct Server {
    /// Without a slash at its end.
    pub base: String,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// User name and password.
    pub login: Option<(String, String)>,
    client: OnceCell<Client>,
}

/// Without what logs in.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("base", &masked(&self.base)).finish_non_exhaustive()
    }
}

impl Server {
    pub fn new(base: &str) -> Server {
        Server { base: base.trim_end_matches('/').to_owned(), ..Server::default() }
    }

    /// The JSON at `path`.
    pub async fn json(&self, path: &str) -> Result<Value, Trouble> {
        let body = self.get(path, &[]).await?;
        serde_json::from_slice(&body)
            .map_err(|error| self.trouble(path, format!("no JSON is answered: {error}")))
    }

    /// The body at `path` with these parameters; an answer that is no success is an error.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<u8>, Trouble> {
        let failed = |error: HttpError| self.trouble(path, error.to_string());
        let client = self.client.get_or_try_init(|| async { client().await }).await;
        let mut request = client.map_err(failed)?.get(format!("{}{path}", self.base)).query(query);
        request = request.header("User-Agent", "Buildbot");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.send().await.map_err(|error| failed(error.into()))?;
        let status = answer.status();
        let pause = asked_pause(&answer);
        let body = http::body(answer, MOST).await.map_err(failed)?;
        if status.is_success() {
            return Ok(body);
        }
        Err(self.refused(path, status, &body, pause))
    }

    fn trouble(&self, path: &str, why: String) -> Trouble {
        Trouble::Remote(format!("{}{path}: {why}", masked(&self.base)))
    }

    fn refused(
        &self,
        path: &str,
        status: StatusCode,
        body: &[u8],
        pause: Option<Duration>,
    ) -> Trouble {
        // GitHub and others say more in `message`.
        let told: Option<Value> = serde_json::from_slice(body).ok();
        let told = told.as_ref().and_then(|told| told.get("message")).and_then(Value::as_str);
        let told = told.map(|told| format!(": {told}")).unwrap_or_default();
        let message = format!("{}{path}: the server answers {status}{told}", masked(&self.base));
        match pause {
            Some(pause) => Trouble::Busy { message, pause },
            None => Trouble::Remote(message),
        }
    }
}

async fn client() -> Result<Client, HttpError> {
    let built = tokio::task::spawn_blocking(|| Ok(http::builder()?.build()?)).await;
    built.map_err(|error| HttpError::Failed(error.to_string()))?
}

/// How long the server wants to be left alone.
fn asked_pause(answer: &reqwest::Response) -> Option<Duration> {
    let number = |name: &str| -> Option<i64> {
        answer.headers().get(name)?.to_str().ok()?.trim().parse().ok()
    };
    let busy =
        [StatusCode::TOO_MANY_REQUESTS, StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE];
    if !busy.contains(&answer.status()) {
        return None;
    }
    // GitHub tells the moment at which its limit is lifted.
    let lifted =
        || number("x-ratelimit-reset").filter(|_| number("x-ratelimit-remaining") == Some(0));
    let seconds = number("retry-after").or_else(|| Some(lifted()? - crate::model::now()))?;
    Some(Duration::from_secs(seconds.max(1).unsigned_abs()).min(LONGEST_PAUSE))
}

/// Reads an `auth` of user name and password.
pub fn login(fields: &mut Fields<'_>, key: &'static str) -> Option<(String, String)> {
    let pair = fields.optional_checked(key, |pair: &Vec<String>| {
        (pair.len() != 2).then(|| "must be a user name and a password".to_owned())
    })?;
    let [user, password] = <[String; 2]>::try_from(pair).ok()?;
    Some((user, password))
}

/// Complains about what is no address of a web server.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn web_address(url: &String) -> Option<String> {
    let web = url.starts_with("http://") || url.starts_with("https://");
    (!web).then(|| "must begin with http:// or https://".to_owned())
}
