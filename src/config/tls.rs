//! Certificates and keys of TLS ports.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, version};

use super::checked::TlsFiles;

impl TlsFiles {
    /// Makes the paths absolute.
    pub fn resolve(&mut self, basedir: &Path) {
        self.certificate = basedir.join(&self.certificate);
        self.key = basedir.join(&self.key);
        self.chain = self.chain.take().map(|chain| basedir.join(chain));
    }
}

/// What a TLS port needs; reads the files.
///
/// # Errors
/// A text that names the file and says what is wrong with it.
pub fn server(files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
    let mut certificates = certificates(&files.certificate)?;
    if let Some(chain) = &files.chain {
        certificates.extend(self::certificates(chain)?);
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| format!("the private key '{}': {error}", files.key.display()))?;
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| {
            let (certificate, key) = (files.certificate.display(), files.key.display());
            format!("the certificate '{certificate}' with the key '{key}': {error}")
        })?;
    Ok(Arc::new(config))
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |error: String| format!("the certificate '{}': {error}", path.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(error.to_string()))?;
    match certificates.is_empty() {
        true => Err(failed("the file holds no PEM certificate".to_owned())),
        false => Ok(certificates),
    }
}
