//! Encrypted connections, and what is wrong with certificates in plain words.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};

use super::trust::Trust;
use super::wire::AnyStream;
use crate::endpoint::Tls;

/// Why there is no encrypted connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("cannot read '{}': {error}", .path.display())]
    File { path: PathBuf, error: String },
    #[error("there is no certificate in '{}' (files must end in .pem)", .0.display())]
    NoRoots(PathBuf),
    #[error(
        "this system has no certificates of authorities; install ca-certificates, or name a directory: trustRoots=DIR"
    )]
    NoSystemRoots,
    #[error("'{0}' is not a name that a certificate can have")]
    BadName(String),
    #[error("the certificate and key in '{}' cannot be used: {error}", .path.display())]
    Own { path: PathBuf, error: Error },
    #[error("the other end's certificate is not trusted: {0}")]
    Certificate(String),
    #[error("the other end refused us: {0}; does it want a certificate of ours?")]
    Alert(String),
    #[error("what answers there does not speak TLS; is this the port without encryption?")]
    NotTls,
    #[error("no encryption could be agreed on: {0}")]
    Other(String),
}

/// Encrypts `stream`. `host` is the name that the certificate must be for, unless `tls` names another.
pub(super) async fn encrypt(
    stream: AnyStream,
    tls: Tls,
    host: &str,
) -> Result<AnyStream, TlsError> {
    let host = tls.name.clone().unwrap_or_else(|| host.to_owned());
    let name = ServerName::try_from(host.clone()).map_err(|_| TlsError::BadName(host))?;
    // Files are read anew each time: an authority that was added counts at the next attempt.
    let config = tokio::task::spawn_blocking(move || client(&tls)).await;
    let config = config.map_err(|error| TlsError::Other(error.to_string()))??;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(plain(&error)),
    }
}

fn client(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let trust: Arc<dyn ServerCertVerifier> = Arc::new(Trust::new(
        match &tls.roots {
            Some(path) => roots_of(path)?,
            None => system_roots()?,
        },
        Arc::<CryptoProvider>::clone(&provider),
    )?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Other(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(trust);
    let Some(path) = &tls.certificate else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(path)?;
    let key_path = tls.key.as_ref().unwrap_or(path);
    let key = PrivateKeyDer::from_pem_file(key_path)
        .map_err(|error| TlsError::File { path: key_path.clone(), error: error.to_string() })?;
    let own = builder.with_client_auth_cert(chain, key);
    own.map_err(|error| TlsError::Own { path: path.clone(), error })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |error: &dyn std::fmt::Display| TlsError::File {
        path: path.to_owned(),
        error: error.to_string(),
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| file(&error))?;
    found.collect::<Result<_, _>>().map_err(|error| file(&error))
}

/// A file, or all files of a directory that end in `.pem`. What is broken among them is passed over.
fn roots_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = match path.is_dir() {
        false => certificates(path)?,
        true => {
            let entries = std::fs::read_dir(path).map_err(|error| TlsError::File {
                path: path.to_owned(),
                error: error.to_string(),
            })?;
            let is_pem = |path: &PathBuf| {
                path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pem"))
            };
            let files = entries.flatten().map(|entry| entry.path()).filter(is_pem);
            files.filter_map(|file| certificates(&file).ok()).flatten().collect()
        }
    };
    match found.is_empty() {
        true => Err(TlsError::NoRoots(path.to_owned())),
        false => Ok(found),
    }
}

fn system_roots() -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs().certs;
    match found.is_empty() {
        true => Err(TlsError::NoSystemRoots),
        false => Ok(found),
    }
}

/// The store of those certificates that can be roots.
pub(super) fn store(roots: &[CertificateDer<'static>]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    store
}

fn plain(error: &io::Error) -> TlsError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(why)) => TlsError::Certificate(certificate(why)),
        Some(Error::AlertReceived(alert)) => TlsError::Alert(format!("{alert:?}")),
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => TlsError::NotTls,
        Some(error) => TlsError::Other(error.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => TlsError::NotTls,
        None => TlsError::Other(error.to_string()),
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        // The signature is bad when an authority of the same name was made anew.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody whom this worker trusts has signed it; put the certificate of its authority as a \
             .pem file into a directory and name that: connection_string = \
             'tls:HOST:PORT:trustRoots=DIR'"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired, or the clock of this machine is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet, or the clock of this machine is wrong".to_owned()
        }
        CertificateError::NotValidForName => "it is for another host name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = match presented.is_empty() {
                true => "no host name at all".to_owned(),
                false => presented.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", "),
            };
            format!("it is for {names}, not for {}", expected.to_str())
        }
        CertificateError::Revoked => "it was revoked".to_owned(),
        other => other.to_string(),
    }
}

/// `master.example` of `DnsName("master.example")`.
fn bare(name: &str) -> &str {
    let quoted = name.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
    quoted.map_or(name, |(name, _)| name)
}
