//! Which servers are believed to be who they say, and what we say of ourselves.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::{HttpError, certificates, in_file, roots};

/// What a client checks and shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    pub verify: Verify,
    /// Files in PEM: our certificate and its key, which may be one file.
    pub cert: Option<(PathBuf, PathBuf)>,
}

/// Whose certificates are good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verify {
    /// Those that this system trusts.
    #[default]
    System,
    /// Also those of the authorities in this PEM file.
    Also(PathBuf),
    /// Anybody's.
    Nobody,
}

impl Trust {
    /// Blocks on files.
    pub(super) fn config(&self) -> Result<ClientConfig, HttpError> {
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| HttpError::NoTls)?;
        let config = match &self.verify {
            Verify::Nobody => {
                config.dangerous().with_custom_certificate_verifier(Arc::new(Believer(algorithms)))
            }
            Verify::System => config.with_root_certificates(roots(None)?),
            Verify::Also(path) => config.with_root_certificates(roots(Some(path))?),
        };
        let Some((cert, key)) = &self.cert else { return Ok(config.with_no_client_auth()) };
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, error))?;
        config
            .with_client_auth_cert(certificates(cert)?, private)
            .map_err(|error| in_file(cert, error))
    }
}

/// Believes every certificate; signatures must be right even so.
#[derive(Debug)]
struct Believer(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, cert, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, cert, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
