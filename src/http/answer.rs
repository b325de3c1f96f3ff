//! What a server answers, and how long it wants to be left alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::{HttpError, body};

/// The pause after a refusal that speaks of a limit and names no time: GitHub asks for a minute.
const UNNAMED: Duration = Duration::from_secs(60);
/// Characters of a reason that are repeated.
const REASON: usize = 200;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
    /// The server is busy or we asked too much: how long it wants to be left alone.
    pub pause: Option<Duration>,
}

impl Answer {
    /// Sends the request and reads what is answered, at most `most` bytes.
    ///
    /// # Errors
    /// When the connection fails or more comes. An answer that is no success is none.
    pub async fn of(request: RequestBuilder, most: usize) -> Result<Answer, HttpError> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = body(answer, most).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let pause = asked_pause(status, &headers, &body, now);
        Ok(Answer { status, body, pause })
    }

    /// The body as JSON; `None` when it is none.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The status and the server's own words about it.
    pub fn words(&self) -> String {
        match self.reason() {
            Some(reason) => format!("{}: {reason}", self.status),
            None => self.status.to_string(),
        }
    }

    /// Why the server refuses: `message` or `error` of JSON, or one line of text.
    fn reason(&self) -> Option<String> {
        let text = match self.json() {
            Some(told) => {
                let known = ["message", "error_description", "error"];
                let told = known.iter().find_map(|key| told.get(key).filter(|v| !v.is_null()))?;
                told.as_str().map_or_else(|| told.to_string(), str::to_owned)
            }
            None => {
                let text = String::from_utf8_lossy(&self.body).trim().to_owned();
                let is_line = !text.starts_with('<') && !text.contains('\n');
                text.chars().next().filter(|_| is_line)?;
                text
            }
        };
        Some(text.chars().filter(|c| !c.is_control()).take(REASON).collect())
    }
}

/// How long the server wants to be left alone; `now` since the epoch.
fn asked_pause(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Duration,
) -> Option<Duration> {
    let busy =
        [StatusCode::TOO_MANY_REQUESTS, StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE];
    if !busy.contains(&status) {
        return None;
    }
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| header(name)?.parse::<u64>().ok();
    let until = |moment: u64| Duration::from_secs(moment.saturating_sub(now.as_secs()));
    let retry_after = || {
        let date = || moment(header("retry-after")?).map(until);
        number("retry-after").map(Duration::from_secs).or_else(date)
    };
    // GitHub and GitLab tell the moment at which their limit is lifted.
    let lifted = || {
        let spent = |name: &str| number(&format!("{name}-remaining")) == Some(0);
        let of = |name: &str| number(&format!("{name}-reset")).filter(|_| spent(name)).map(until);
        of("x-ratelimit").or_else(|| of("ratelimit"))
    };
    let unnamed = || {
        let limited = status == StatusCode::FORBIDDEN && speaks_of_limit(body);
        limited.then_some(UNNAMED)
    };
    let pause = retry_after().or_else(lifted).or_else(unnamed)?;
    Some(pause.max(Duration::from_secs(1)))
}

/// Seconds since the epoch of a date such as `Fri, 27 Nov 2026 16:35:00 GMT`.
fn moment(date: &str) -> Option<u64> {
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    u64::try_from(moment.as_second()).ok()
}

fn speaks_of_limit(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).to_lowercase().contains("rate limit")
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn pause(status: u16, headers: &[(&str, &str)], body: &str) -> Option<u64> {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        // 2026-11-27 16:35:00
        let now = Duration::from_secs(1_795_797_300);
        let status = StatusCode::from_u16(status).unwrap();
        asked_pause(status, &headers.collect(), body.as_bytes(), now).map(|pause| pause.as_secs())
    }

    #[test]
    fn servers_say_how_long_they_want_to_be_left_alone() {
        let limit = r#"{"message": "You have exceeded a secondary rate limit."}"#;
        type Case<'a> = (u16, &'a [(&'a str, &'a str)], &'a str, Option<u64>);
        let table: [Case<'_>; 14] = [
            (429, &[("Retry-After", "17")], "", Some(17)),
            (429, &[("retry-after", "0")], "", Some(1)),
            (429, &[("Retry-After", "Fri, 27 Nov 2026 16:36:30 GMT")], "", Some(90)),
            (429, &[("Retry-After", "Fri, 27 Nov 2026 16:00:00 GMT")], "", Some(1)),
            (429, &[("Retry-After", "soon")], "", None),
            (429, &[("Retry-After", "-5")], "", None),
            (503, &[("Retry-After", "120")], "", Some(120)),
            (500, &[("Retry-After", "120")], "", None),
            (
                403,
                &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1795797420")],
                "",
                Some(120),
            ),
            (403, &[("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", "1795797420")], "", None),
            (429, &[("RateLimit-Remaining", "0"), ("RateLimit-Reset", "1795797330")], "", Some(30)),
            (403, &[], limit, Some(60)),
            (403, &[("Retry-After", "300")], limit, Some(300)),
            (403, &[], r#"{"message": "Resource not accessible"}"#, None),
        ];
        for (status, headers, body, expected) in table {
            assert_eq!(pause(status, headers, body), expected, "{status} {headers:?}");
        }
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        let table = [
            (r#"{"message": "Bad credentials"}"#, "401 Unauthorized: Bad credentials"),
            (r#"{"message": {"name": ["is long"]}}"#, r#"401 Unauthorized: {"name":["is long"]}"#),
            (r#"{"error": "invalid_token"}"#, "401 Unauthorized: invalid_token"),
            (r#"{"message": null, "error": "no"}"#, "401 Unauthorized: no"),
            ("[]", "401 Unauthorized"),
            ("invalid_payload", "401 Unauthorized: invalid_payload"),
            ("<html>\n", "401 Unauthorized"),
            ("one\ntwo", "401 Unauthorized"),
            ("", "401 Unauthorized"),
        ];
        for (body, expected) in table {
            let body = body.as_bytes().to_vec();
            let answer = Answer { status: StatusCode::UNAUTHORIZED, body, pause: None };
            assert_eq!(answer.words(), expected);
        }
    }
}
