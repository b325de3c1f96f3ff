//! Asks a directory by LDAP, in the clear or over TLS.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use ldap3::{LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions};
use reqwest::Url;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ClientConfig;

use super::template::Template;
use super::{EmailLookup, LookupError};
use crate::config::fields::Fields;
use crate::http;
use crate::model::Person;

/// The filter of a directory of accounts.
const FILTER: &str = "(uid=%(login)s)";
/// A server's answer that more entries match than were asked for.
const TOO_MANY: u32 = 4;
/// A server's answers that there is no such base, and that it is not for us.
const NO_BASE: u32 = 32;
const NO_ACCESS: u32 = 50;
/// A server's answer to a wrong password.
const WRONG_LOGIN: u32 = 49;

#[derive(Debug)]
pub(super) struct Ldap {
    /// `None` after a mistake in the configuration.
    filter: Option<Template>,
    query: Query,
    /// A file of further authorities to trust.
    ca_file: Option<PathBuf>,
    tls: OnceCell<Arc<ClientConfig>>,
}

/// What stays the same from one search to the next.
#[derive(Clone)]
struct Query {
    url: String,
    base: String,
    attribute: String,
    /// Distinguished name and password; `None` asks as nobody in particular.
    login: Option<(String, String)>,
    start_tls: bool,
}

/// Without the password.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("url", &self.url).field("base", &self.base).finish()
    }
}

impl Ldap {
    /// Reads `url`, `base`, `filter`, `attribute`, `bind_dn`, `password`, `start_tls` and
    /// `ca_file`.
    pub(super) fn parse(fields: &mut Fields<'_>) -> Box<dyn EmailLookup> {
        let url: String = fields.required_checked("url", wrong_url);
        let filter = fields.optional_checked("filter", wrong_filter);
        let filter = filter.unwrap_or_else(|| FILTER.to_owned());
        let bind_dn: Option<String> = fields.optional("bind_dn");
        let password: Option<String> = fields.optional("password");
        if bind_dn.is_some() != password.is_some() {
            fields.problem("'bind_dn' and 'password' belong together");
        }
        let start_tls = fields.or_default("start_tls");
        if start_tls && url.starts_with("ldaps:") {
            fields.problem("'start_tls' is for ldap://, and ldaps:// is TLS already");
        }
        let query = Query {
            url,
            base: fields.required("base"),
            attribute: fields.or("attribute", "mail".to_owned()),
            login: bind_dn.zip(password),
            start_tls,
        };
        let ca_file: Option<String> = fields.optional("ca_file");
        Box::new(Ldap {
            filter: Template::parse(&filter).ok(),
            query,
            ca_file: ca_file.map(PathBuf::from),
            tls: OnceCell::new(),
        })
    }

    /// Settings of a connection; TLS reads certificates, which takes time.
    async fn settings(&self) -> Result<LdapConnSettings, LookupError> {
        let settings = LdapConnSettings::new().set_starttls(self.query.start_tls);
        if !self.query.start_tls && !self.query.url.starts_with("ldaps:") {
            return Ok(settings);
        }
        let read = || async {
            let also = self.ca_file.clone();
            let read = tokio::task::spawn_blocking(move || http::tls(also.as_deref())).await;
            let read = read.map_err(|error| LookupError::Failed(error.to_string()))?;
            read.map_err(|error| LookupError::Failed(error.to_string()))
        };
        Ok(settings.set_config(self.tls.get_or_try_init(read).await?.clone()))
    }
}

#[async_trait]
impl EmailLookup for Ldap {
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError> {
        let escape = |text: &str| ldap3::ldap_escape(text).into_owned();
        let filter = self.filter.as_ref().and_then(|filter| filter.fill(person, escape));
        let Some(filter) = filter else { return Ok(None) };
        let (settings, query) = (self.settings().await?, self.query.clone());
        // In a task of its own, because the library panics on answers that are no LDAP. The set
        // ends the task when this future is dropped.
        let mut task = JoinSet::new();
        task.spawn(async move { query.search(settings, &filter).await });
        match task.join_next().await {
            Some(Ok(found)) => found,
            _ => Err(LookupError::Failed("the server's answer cannot be read".to_owned())),
        }
    }
}

impl Query {
    async fn search(
        &self,
        settings: LdapConnSettings,
        filter: &str,
    ) -> Result<Option<String>, LookupError> {
        let (connection, mut ldap) =
            LdapConnAsync::with_settings(settings, &self.url).await.map_err(failed)?;
        // Ends with its last handle, which is ours.
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What went wrong is told to whoever waits for an answer.
            let _ = connection.drive().await;
        });
        if let Some((name, password)) = &self.login {
            let bound = ldap.simple_bind(name, password).await.map_err(failed)?;
            bound.success().map_err(failed)?;
        }
        let options = SearchOptions::new().sizelimit(2);
        let found = ldap
            .with_search_options(options)
            .search(&self.base, Scope::Subtree, filter, vec![self.attribute.as_str()])
            .await
            .map_err(failed)?;
        // Politeness; the answer is there.
        let _ = ldap.unbind().await;
        match found.1.rc {
            0 | TOO_MANY => {}
            NO_BASE => {
                return Err(LookupError::Failed(format!("there is no base '{}'", self.base)));
            }
            NO_ACCESS => {
                let base = &self.base;
                return Err(LookupError::Failed(format!(
                    "the server does not let us search '{base}'"
                )));
            }
            _ => {
                found.1.success().map_err(failed)?;
            }
        }
        if found.0.len() > 1 {
            return Err(LookupError::Failed(format!("more than one entry matches {filter}")));
        }
        let entry = found.0.into_iter().next().map(SearchEntry::construct);
        Ok(entry.and_then(|entry| self.value(entry)))
    }

    /// The first value of the attribute, whose name a server may spell in another case.
    fn value(&self, entry: SearchEntry) -> Option<String> {
        let wanted = |name: &String| name.eq_ignore_ascii_case(&self.attribute);
        let mut attributes = entry.attrs.into_iter();
        let (_, values) = attributes.find(|(name, _)| wanted(name))?;
        values.into_iter().next()
    }
}

fn failed(error: LdapError) -> LookupError {
    LookupError::Failed(match error {
        LdapError::LdapResult { result } if result.rc == WRONG_LOGIN => {
            "the server does not accept 'bind_dn' and 'password'".to_owned()
        }
        other => other.to_string(),
    })
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn wrong_url(url: &String) -> Option<String> {
    let parsed = Url::parse(url).ok();
    let known = |parsed: &Url| {
        ["ldap", "ldaps"].contains(&parsed.scheme())
            && parsed.host_str().is_some_and(|h| !h.is_empty())
    };
    (!parsed.is_some_and(|parsed| known(&parsed)))
        .then(|| "must be the URL of a server, ldap://host or ldaps://host:port".to_owned())
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn wrong_filter(filter: &String) -> Option<String> {
    let template = match Template::parse(filter) {
        Ok(template) => template,
        Err(error) => return Some(error),
    };
    let example = template.fill(&Person::called("Anna <a@example.org>"), |text| text.to_owned());
    let valid = example.is_none_or(|example| ldap3::parse_filter(example).is_ok());
    (!valid).then(|| format!("'{filter}' is no LDAP filter"))
}
