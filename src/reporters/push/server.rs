//! A server that is told something: how it is asked, and what its refusals mean for a message.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::super::Failure;
use crate::http::{self, Answer, HttpError, Trust};

/// The most that an answer may have.
const MOST: usize = 1 << 20;
/// The longest time for one request with its answer.
const WHOLE: Duration = Duration::from_secs(60);
/// The longest that a server can make us wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// How often a request is sent elsewhere on the same server.
const MOVES: usize = 5;

/// One server, with what it must be told each time.
pub(super) struct Server {
    /// Without a slash at its end. May hold secrets.
    pub base: String,
    /// What messages may show of it.
    pub shown: String,
    pub headers: HeaderMap,
    /// User name and password.
    pub login: Option<(String, String)>,
    /// What must not be shown, whoever says it.
    pub secrets: Vec<String>,
    pub trust: Trust,
    /// Each request is logged.
    pub debug: bool,
    pub client: OnceCell<Client>,
    /// Until then the server wants to be left alone.
    pub silent_until: Mutex<Option<Instant>>,
}

/// Without what logs in.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    Nothing,
    Json(&'a Value),
    /// With its media type.
    Text(&'static str, &'a str),
}

impl Server {
    /// Sends a request to `path` below the base.
    ///
    /// # Errors
    /// What may pass: no connection, a server in trouble, a limit. Every other answer is one.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        content: Content<'_>,
    ) -> Result<Answer, Failure> {
        let place = format!("{method} {}{path}", self.shown);
        let passing = |error: String, after| Failure::Passing {
            error: self.hide(&format!("{place}: {error}")),
            after,
        };
        if let Some(left) = self.silence(Instant::now()) {
            return Err(passing("the server wants to be left alone".to_owned(), Some(left)));
        }
        let failed = |error: HttpError| passing(error.to_string(), None);
        let client = self.client.get_or_try_init(|| self.make()).await.map_err(failed)?;
        let request = self.request(client, method.clone(), path, content);
        let answer = Answer::of(request, MOST).await.map_err(failed)?;
        if self.debug {
            tracing::info!("{place}: {}", answer.status);
        }
        let pause = answer.pause.map(|pause| pause.min(LONGEST_PAUSE));
        if let Some(pause) = pause {
            self.keep_silence(pause, Instant::now());
        }
        if pause.is_some() || may_pass(answer.status) {
            return Err(passing(format!("the server answers {}", answer.words()), pause));
        }
        Ok(answer)
    }

    /// As [`ask`](Self::ask), and the answer must be a success; `hint` says for each other status
    /// what to look at.
    ///
    /// # Errors
    /// Also what will not pass by itself.
    pub async fn tell(
        &self,
        path: &str,
        content: Content<'_>,
        hint: fn(StatusCode) -> &'static str,
    ) -> Result<Answer, Failure> {
        let answer = self.ask(Method::POST, path, content).await?;
        self.accepted(&Method::POST, path, answer, hint)
    }

    /// # Errors
    /// When the answer is no success.
    pub fn accepted(
        &self,
        method: &Method,
        path: &str,
        answer: Answer,
        hint: fn(StatusCode) -> &'static str,
    ) -> Result<Answer, Failure> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let place = format!("{method} {}{path}", self.shown);
        let hint = if answer.status.is_redirection() {
            "it is elsewhere now: change the address"
        } else {
            hint(answer.status)
        };
        let why = format!("{place}: the server answers {}; {hint}", answer.words());
        Err(Failure::Lasting(self.hide(&why)))
    }

    fn request(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        content: Content<'_>,
    ) -> RequestBuilder {
        let mut request = client.request(method, format!("{}{path}", self.base));
        request = match content {
            Content::Nothing => request,
            Content::Json(value) => request.json(value),
            Content::Text(kind, text) => request.header("Content-Type", kind).body(text.to_owned()),
        };
        request = request.headers(self.headers.clone());
        match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    async fn make(&self) -> Result<Client, HttpError> {
        let trust = self.trust.clone();
        http::unblocked(move || {
            let builder = http::builder_for(&trust)?.timeout(WHOLE).user_agent("Buildbot");
            Ok(builder.redirect(Policy::custom(redirect)).build()?)
        })
        .await
    }

    /// How long the server still wants to be left alone.
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        let until = *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner);
        until?.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    pub fn keep_silence(&self, pause: Duration, now: Instant) {
        let mut until = self.silent_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(now + pause);
    }

    /// `text` without secrets, which a server may repeat.
    pub fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// A request goes on unchanged to another place of the same server, and nowhere else: what logs in
/// is not for others.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let keeps = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT]
        .contains(&attempt.status());
    let origin = attempt.previous().first().map(reqwest::Url::origin);
    if keeps && origin == Some(attempt.url().origin()) && attempt.previous().len() <= MOVES {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// May the same request succeed later, without anybody doing anything?
fn may_pass(status: StatusCode) -> bool {
    let never = [StatusCode::NOT_IMPLEMENTED, StatusCode::HTTP_VERSION_NOT_SUPPORTED];
    let passing =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    (status.is_server_error() && !never.contains(&status)) || passing.contains(&status)
}
