//! Whom a request trusts, and which certificate it shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::ask::Verify;

/// Reads the files anew for each request.
///
/// # Errors
/// A message for people.
pub async fn config(
    verify: &Verify,
    certificate: Option<&(PathBuf, PathBuf)>,
) -> Result<ClientConfig, String> {
    let verify = verify.clone();
    let certificate = certificate.cloned();
    let read = tokio::task::spawn_blocking(move || build(&verify, certificate.as_ref())).await;
    read.map_err(|error| error.to_string())?
}

fn build(
    verify: &Verify,
    certificate: Option<&(PathBuf, PathBuf)>,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let roots = match verify {
        Verify::System => rustls_native_certs::load_native_certs().certs,
        Verify::Nothing => Vec::new(),
        Verify::Authorities(path) => certificates(path)?,
    };
    let verifier: Arc<dyn ServerCertVerifier> = if roots.is_empty() {
        Arc::new(Blind {
            provider: Arc::clone(&provider),
            trusting: matches!(verify, Verify::Nothing),
        })
    } else {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(|error| format!("'verify': {error}"))?
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((chain, key)) = certificate else { return Ok(builder.with_no_client_auth()) };
    let key_read = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("'cert': no key in '{}': {error}", key.display()))?;
    let own = builder.with_client_auth_cert(certificates(chain)?, key_read);
    own.map_err(|error| format!("'cert': {error}"))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong =
        |error: &dyn std::fmt::Display| format!("no certificates in '{}': {error}", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
    if found.is_empty() { Err(wrong(&"there are none")) } else { Ok(found) }
}

/// Trusts everybody (`verify = false`), or, on a system without authorities, nobody.
#[derive(Debug)]
struct Blind {
    provider: Arc<CryptoProvider>,
    trusting: bool,
}

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.trusting {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::General("this system trusts no authority; see 'verify'".into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
