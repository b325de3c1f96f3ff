//! The client for everything that the master asks of other servers over HTTP.
//!
//! TLS trusts what this system trusts. Answers are read up to a limit, and no request waits for
//! ever.

mod answer;
mod trust;

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use indexmap::IndexMap;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub use answer::Answer;
pub use trust::{Trust, Verify};

/// The longest time to connect, and the longest silence in an answer.
const CONNECT: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(60);
/// The longest time for a whole request.
const WHOLE: Duration = Duration::from_secs(300);

/// Reading the certificates of the system takes time; they are read once.
static ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
});

static TLS: LazyLock<Option<ClientConfig>> = LazyLock::new(|| config(ROOTS.clone()));

fn config(roots: RootCertStore) -> Option<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?;
    Some(config.with_root_certificates(roots).with_no_client_auth())
}

/// TLS for clients of other protocols: trusts what this system trusts, and the authorities in the
/// PEM file `also`. Blocks on files.
///
/// # Errors
/// When that file holds no certificates.
pub fn tls(also: Option<&Path>) -> Result<Arc<ClientConfig>, HttpError> {
    config(roots(also)?).map(Arc::new).ok_or(HttpError::NoTls)
}

/// Whom this system trusts, and the authorities in the PEM file `also`.
fn roots(also: Option<&Path>) -> Result<RootCertStore, HttpError> {
    let mut roots = ROOTS.clone();
    if let Some(path) = also {
        let read = certificates(path)?;
        if roots.add_parsable_certificates(read).0 == 0 {
            return Err(in_file(path, "the file holds no certificate of an authority"));
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<_, _>>);
    read.map_err(|error| in_file(path, error))
}

fn in_file(path: &Path, why: impl std::fmt::Display) -> HttpError {
    HttpError::Failed(format!("{}: {why}", path.display()))
}

/// A client to be configured further, with our TLS and deadlines. Blocks on files the first time.
///
/// # Errors
/// When this build of the program has no working TLS.
pub fn builder() -> Result<reqwest::ClientBuilder, HttpError> {
    Ok(with(TLS.clone().ok_or(HttpError::NoTls)?))
}

/// As [`builder`], with other opinions about whom to trust. Blocks on files.
///
/// # Errors
/// As [`builder`], and when one of its files cannot be used.
pub fn builder_for(trust: &Trust) -> Result<reqwest::ClientBuilder, HttpError> {
    if *trust == Trust::default() { builder() } else { Ok(with(trust.config()?)) }
}

fn with(tls: ClientConfig) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls);
    builder.connect_timeout(CONNECT).read_timeout(SILENCE).timeout(WHOLE)
}

/// A client with our defaults, made without blocking.
///
/// # Errors
/// As [`builder`].
pub async fn client() -> Result<reqwest::Client, HttpError> {
    unblocked(|| Ok(builder()?.build()?)).await
}

/// Makes a client where files may be read.
///
/// # Errors
/// What `make` says.
pub async fn unblocked(
    make: impl FnOnce() -> Result<reqwest::Client, HttpError> + Send + 'static,
) -> Result<reqwest::Client, HttpError> {
    let made = tokio::task::spawn_blocking(make).await;
    made.map_err(|error| HttpError::Failed(error.to_string()))?
}

/// Headers as configured. Their values may log in and are not shown.
///
/// # Errors
/// The first that cannot be sent, for people.
pub fn headers(written: &IndexMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("'{name}' is no name of a header"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of '{name}' cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// What went wrong below the answer. The messages hold no URLs, which may hold passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("TLS does not work in this program")]
    NoTls,
    #[error("{0}")]
    Failed(String),
    #[error("the answer has more than {} MiB", .0 >> 20)]
    TooMuch(usize),
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> HttpError {
        let error = error.without_url();
        let mut text = error.to_string();
        // The first words are "error sending request"; the last source says why.
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            source = cause.source();
            if source.is_none() {
                text = format!("{text}: {cause}");
            }
        }
        HttpError::Failed(text)
    }
}

/// Reads an answer's body, of at most `most` bytes.
///
/// # Errors
/// When the connection breaks or more comes.
pub async fn body(mut answer: reqwest::Response, most: usize) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > most {
            return Err(HttpError::TooMuch(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
