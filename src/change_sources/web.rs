//! Asks a web server for JSON or text, and tells what its refusals mean for a poller.

use std::fmt;
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::Trouble;
use crate::flow::branches::masked;
use crate::http::{self, Answer, HttpError};

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
        let client = self.client.get_or_try_init(http::client).await;
        let mut request = client.map_err(failed)?.get(format!("{}{path}", self.base)).query(query);
        request = request.header("User-Agent", "Buildbot");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        let answer = Answer::of(request, MOST).await.map_err(failed)?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let why = format!("the server answers {}", answer.words());
        Err(match answer.pause {
            Some(pause) => {
                let message = format!("{}{path}: {why}", masked(&self.base));
                Trouble::Busy { message, pause: pause.min(LONGEST_PAUSE) }
            }
            None => self.trouble(path, why),
        })
    }

    fn trouble(&self, path: &str, why: String) -> Trouble {
        Trouble::Remote(format!("{}{path}: {why}", masked(&self.base)))
    }
}
