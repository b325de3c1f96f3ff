//! An answer, and how requests and answers are shown in the logs.

use std::borrow::Cow;

use reqwest::header::HeaderMap;
use reqwest::{Request, Response, StatusCode};

use super::ask::{Ask, Body, form_encoded, plain};
use crate::flow::interpolate::{UsedSecret, mask};
use crate::model::LogType;
use crate::steps::{StepError, Stream, Workbench};

/// Bytes of an answer that are kept.
const CONTENT: usize = 1 << 20;

/// Headers of requests whose values nobody needs to see.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// One answer with the headers of its request.
pub struct Answer {
    asked: HeaderMap,
    url: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    content: String,
    /// There was more than [`CONTENT`].
    cut: bool,
}

impl Answer {
    /// Reads the answer to `request`.
    ///
    /// # Errors
    /// A message for people.
    pub async fn of(
        response: reqwest::Result<Response>,
        request: &Request,
    ) -> Result<Answer, String> {
        let failed = |error: reqwest::Error| plain(&error.without_url());
        let mut response = response.map_err(failed)?;
        let mut bytes = Vec::new();
        let mut cut = false;
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            let room = CONTENT - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                cut = true;
                break;
            }
        }
        Ok(Answer {
            asked: request.headers().clone(),
            url: request.url().to_string(),
            status: response.status(),
            headers: response.headers().clone(),
            content: String::from_utf8_lossy(&bytes).into_owned(),
            cut,
        })
    }
}

/// Writes what people may see of a request and its answers.
pub struct Shown<'a> {
    ask: &'a Ask,
    hidden_request: &'a [String],
    hidden_response: &'a [String],
    /// The secrets in every way of writing that they may occur in.
    secrets: Vec<UsedSecret>,
}

impl<'a> Shown<'a> {
    pub fn new(
        ask: &'a Ask,
        hidden_request: &'a [String],
        hidden_response: &'a [String],
    ) -> Shown<'a> {
        let mut secrets = ask.secrets.clone();
        for secret in &ask.secrets {
            let form = form_encoded(&[(secret.value.clone(), String::new())]);
            let form = form.trim_end_matches('=').to_owned();
            let spaced = form.replace('+', "%20");
            let json = serde_json::Value::from(secret.value.as_str()).to_string();
            let json = json.trim_matches('"').to_owned();
            secrets.extend([form, spaced, json].map(|value| {
                let name = secret.name.clone();
                UsedSecret { name, value }
            }));
        }
        Shown { ask, hidden_request, hidden_response, secrets }
    }

    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        mask(text, &self.secrets)
    }

    /// What is about to be asked.
    pub async fn request(&self, bench: &mut dyn Workbench) -> Result<(), StepError> {
        let mut text = format!("Performing {} request to {}\n", self.ask.method, self.ask.url);
        let pairs = |text: &mut String, pairs: &[(String, String)]| {
            for (name, value) in pairs {
                text.push_str(&format!("\t{name}: {value}\n"));
            }
        };
        if !self.ask.params.is_empty() {
            text.push_str("Parameters:\n");
            pairs(&mut text, &self.ask.params);
        }
        match &self.ask.body {
            Body::Form(form) => {
                text.push_str("Data:\n");
                pairs(&mut text, form);
            }
            Body::Text(data) => text.push_str(&format!("Data:\n\t{data}\n")),
            Body::None | Body::Json(_) => {}
        }
        self.log(bench, Stream::Header, &text).await
    }

    /// All answers; the content of the last one has a log of its own, too.
    pub async fn answers(
        &self,
        bench: &mut dyn Workbench,
        answers: &[Answer],
    ) -> Result<(), StepError> {
        let Some((last, others)) = answers.split_last() else { return Ok(()) };
        if !others.is_empty() {
            let text = format!("\nRedirected {} times:\n\n", others.len());
            self.log(bench, Stream::Stdout, &text).await?;
        }
        for answer in others {
            self.answer(bench, answer).await?;
            self.log(bench, Stream::Stdout, &format!("\n{}\n", "=".repeat(60))).await?;
        }
        self.answer(bench, last).await?;
        let content = self.mask(&last.content);
        bench.log("content", LogType::Stdio, Stream::Stdout, &content).await
    }

    async fn answer(&self, bench: &mut dyn Workbench, answer: &Answer) -> Result<(), StepError> {
        let asked = headers(&answer.asked, |name| {
            CREDENTIALS.contains(&name) || self.hidden_request.iter().any(|hidden| hidden == name)
        });
        self.log(bench, Stream::Header, &format!("Request Headers:\n{asked}")).await?;
        self.log(bench, Stream::Stdout, &format!("URL: {}\n", answer.url)).await?;
        let status = answer.status.as_u16();
        let stream = if status == 200 { Stream::Stdout } else { Stream::Stderr };
        self.log(bench, stream, &format!("Status: {status}\n")).await?;
        let told = headers(&answer.headers, |name| {
            self.hidden_response.iter().any(|hidden| hidden == name)
        });
        self.log(bench, Stream::Header, &format!("Response Headers:\n{told}")).await?;
        let text = format!(" ------ Content ------\n{}", answer.content);
        self.log(bench, Stream::Stdout, &text).await?;
        if answer.cut {
            let text = format!("Only the first {CONTENT} bytes are kept\n");
            self.log(bench, Stream::Header, &text).await?;
        }
        Ok(())
    }

    async fn log(
        &self,
        bench: &mut dyn Workbench,
        stream: Stream,
        text: &str,
    ) -> Result<(), StepError> {
        bench.log("log", LogType::Stdio, stream, &self.mask(text)).await
    }
}

/// A header a line; names are in lower case.
fn headers(headers: &HeaderMap, hidden: impl Fn(&str) -> bool) -> String {
    let line = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        let value = match hidden(name.as_str()) {
            true => Cow::Borrowed("<HIDDEN>"),
            false => String::from_utf8_lossy(value.as_bytes()),
        };
        format!("\t{name}: {value}\n")
    };
    headers.iter().map(line).collect()
}
