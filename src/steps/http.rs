//! HTTPStep and its short forms GET, POST, PUT, DELETE, HEAD and OPTIONS: the master sends a request.

mod answer;
mod ask;
mod options;
#[cfg(test)]
mod tests;
mod tls;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, COOKIE, LOCATION, PROXY_AUTHORIZATION};
use reqwest::{Client, Method, Request, StatusCode, Url};

use super::interruption::interrupted;
use super::plan::StepOptions;
use super::registry::StepType;
use super::transfer::run::cancelled;
use super::{Outcome, Step, StepError, Stream, Workbench};
use crate::model::{LogType, Results};
use answer::{Answer, Shown};
use ask::Ask;
use options::HttpStep;

/// Redirections that are followed, as with Python's `requests`.
const REDIRECTIONS: usize = 30;

/// What came of a request.
enum Ended {
    /// The answers in order: all but the last lead elsewhere.
    Answers(Vec<Answer>),
    Failed(String),
    Interrupted(String),
}

#[async_trait(?Send)]
impl Step for HttpStep {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let ask = self.render(bench)?;
        let shown = Shown::new(&ask, &self.hidden_request, &self.hidden_response);
        shown.request(bench).await?;
        let client = ask.client().await.map_err(StepError::Failed)?;
        let mut interruption = bench.interruption();
        let ended = tokio::select! {
            ended = send(&client, &ask) => ended,
            reason = interrupted(&mut interruption) => Ended::Interrupted(reason),
        };
        match ended {
            Ended::Interrupted(reason) => Ok(Outcome::plain(cancelled(bench, &reason).await?)),
            Ended::Failed(error) => {
                let text = format!("The request failed: {error}\n");
                let text = shown.mask(&text);
                bench.log("log", LogType::Stdio, Stream::Stderr, &text).await?;
                Ok(Outcome::plain(Results::Failure))
            }
            Ended::Answers(answers) => {
                shown.answers(bench, &answers).await?;
                let status = answers.last().map_or(StatusCode::OK, |answer| answer.status);
                let failed = status.as_u16() >= 400;
                let results = if failed { Results::Failure } else { Results::Success };
                self.line.outcome(bench, results, &format!("Status code: {}", status.as_u16()))
            }
        }
    }

    fn in_master(&self, bench: &dyn Workbench) -> Option<Result<String, StepError>> {
        Some(self.render(bench).map(|ask| {
            let shown = Shown::new(&ask, &self.hidden_request, &self.hidden_response);
            shown.mask(&format!("{} {}", ask.method, ask.url)).to_string()
        }))
    }
}

/// Sends the request and follows where it is led to.
async fn send(client: &Client, ask: &Ask) -> Ended {
    match tokio::time::timeout(ask.timeout, follow(client, ask)).await {
        Ok(Ok(answers)) => Ended::Answers(answers),
        Ok(Err(error)) => Ended::Failed(error),
        Err(_) => Ended::Failed(format!("no answer within {} s", ask.timeout.as_secs_f64())),
    }
}

async fn follow(client: &Client, ask: &Ask) -> Result<Vec<Answer>, String> {
    let mut request = ask.request()?;
    let mut answers = Vec::new();
    loop {
        // Kept for the log and for the next one: a request is gone when it is sent.
        let again = request.try_clone().ok_or("the request cannot be repeated")?;
        let answer = Answer::of(client.execute(request).await, &again).await?;
        let next = match answer.headers.get(LOCATION) {
            Some(place) if ask.follows && answer.status.is_redirection() => {
                redirected(again, answer.status, place.to_str().unwrap_or_default())?
            }
            _ => None,
        };
        answers.push(answer);
        match next {
            Some(_) if answers.len() > REDIRECTIONS => {
                return Err(format!("more than {REDIRECTIONS} redirections"));
            }
            Some(next) => request = next,
            None => return Ok(answers),
        }
    }
}

/// The request that an answer leads to. Credentials go to no other host.
fn redirected(
    mut request: Request,
    status: StatusCode,
    place: &str,
) -> Result<Option<Request>, String> {
    let from = request.url().clone();
    let to = from.join(place).map_err(|error| format!("redirected to '{place}': {error}"))?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(format!("redirected to '{place}', which is no address of the web"));
    }
    let to_get = match (status.as_u16(), request.method()) {
        (_, &Method::HEAD) => false,
        (302 | 303, _) | (301, &Method::POST) => true,
        (301 | 307 | 308, _) => false,
        _ => return Ok(None),
    };
    if to_get {
        *request.method_mut() = Method::GET;
        *request.body_mut() = None;
        for name in ["content-type", "content-length"] {
            request.headers_mut().remove(name);
        }
    }
    if origin(&from) != origin(&to) {
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            request.headers_mut().remove(name);
        }
    }
    *request.url_mut() = to;
    Ok(Some(request))
}

fn origin(url: &Url) -> (&str, Option<&str>, Option<u16>) {
    (url.scheme(), url.host_str(), url.port_or_known_default())
}

fn defaults() -> StepOptions {
    StepOptions { description: Some("Requesting".to_owned()), ..StepOptions::default() }
}

/// A class that has its method in its name.
macro_rules! short_form {
    ($class:literal, $method:expr) => {
        StepType {
            class: $class,
            name: "HTTPStep",
            defaults,
            parse: |fields, draft| options::parse(fields, draft, Some($method)),
        }
    };
}

pub(super) const TYPES: &[StepType] = &[
    StepType {
        class: "HTTPStep",
        name: "HTTPStep",
        defaults,
        parse: |fields, draft| options::parse(fields, draft, None),
    },
    short_form!("GET", Method::GET),
    short_form!("POST", Method::POST),
    short_form!("PUT", Method::PUT),
    short_form!("DELETE", Method::DELETE),
    short_form!("HEAD", Method::HEAD),
    short_form!("OPTIONS", Method::OPTIONS),
];
