//! Encrypted connections and proxies.

use std::path::Path;
use std::sync::Arc;

use buildbot_worker::endpoint::Endpoint;
use buildbot_worker::{Config, Protocol};
use protocol::msgpack::MasterRequest;
use protocol::order::Order;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rmpv::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::pb_master::Knocking;
use crate::support::{FakeMaster, soon};

/// A certificate and its key, with the certificate that is to be trusted for it.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    root: String,
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names")
}

/// Signed by an authority of its own.
fn signed(mut leaf: CertificateParams) -> Identity {
    let mut authority = params(&[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let own = key();
    leaf.use_authority_key_identifier_extension = true;
    let certificate = leaf.signed_by(&own, &authority).expect("signed");
    Identity {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(own.serialize_der()).expect("a key"),
        root: authority.pem(),
    }
}

/// Signed by itself, as `openssl req -x509` does it: an authority at the same time.
fn self_signed(mut leaf: CertificateParams) -> Identity {
    leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = key();
    let certificate = leaf.self_signed(&own).expect("signed");
    Identity {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(own.serialize_der()).expect("a key"),
        root: certificate.pem(),
    }
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .expect("an identity");
    TlsAcceptor::from(Arc::new(config))
}

/// Trusts what is written into a directory for it.
fn config(master: &FakeMaster, dir: &Path, root: &str, host: &str) -> Config {
    let roots = dir.join("roots");
    std::fs::create_dir_all(&roots).expect("made");
    std::fs::write(roots.join("ca.PEM"), root).expect("written");
    std::fs::write(roots.join("notes.txt"), "not a certificate").expect("written");
    let mut config = master.config(dir);
    let endpoint = format!("tls:host={host}:port={}:trustRoots={}", master.port, roots.display());
    config.master = Endpoint::parse(&endpoint).expect("sound");
    config.max_retries = Some(0);
    config
}

#[tokio::test]
async fn a_trusted_certificate_lets_the_worker_work() {
    for identity in [signed(params(&["localhost"])), self_signed(params(&["localhost"]))] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let master = FakeMaster::new().await;
        let config = config(&master, dir.path(), &identity.root, "localhost");
        let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
        let stream = master.accept_tcp().await;
        let stream = soon(acceptor(&identity).accept(stream)).await.expect("encrypted");
        let mut connection = master.accept_over(Box::new(stream)).await;
        assert_eq!(connection.ask(MasterRequest::Keepalive).await, Ok(Value::Nil));
        assert_eq!(connection.ask(MasterRequest::Shutdown).await, Ok(Value::Nil));
        soon(worker).await.expect("no panic").expect("a good end");
    }
}

#[tokio::test]
async fn perspective_broker_is_encrypted_as_well() {
    let identity = signed(params(&["localhost"]));
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let mut config = config(&master, dir.path(), &identity.root, "localhost");
    config.protocol = Protocol::Pb;
    let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
    let stream = master.accept_tcp().await;
    let stream = soon(acceptor(&identity).accept(stream)).await.expect("encrypted");
    let mut peer = Knocking::over(Box::new(stream)).await.welcome();
    peer.print("attached").await;
    peer.admit().await;
    peer.ask(Order::Shutdown).await.expect("answered");
    soon(worker).await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn bad_certificates_are_explained() {
    let mut expired = params(&["localhost"]);
    expired.not_before = rcgen::date_time_ymd(2000, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let other_root = signed(params(&["localhost"])).root;
    let good = signed(params(&["localhost"]));
    let for_other = signed(params(&["master.example"]));
    let self_signed_for_other = self_signed(params(&["master.example"]));
    let expired = signed(expired);
    for (identity, root, wanted) in [
        (&good, &other_root, "nobody whom this worker trusts has signed it"),
        (&for_other, &for_other.root, "it is for master.example, not for localhost"),
        (&self_signed_for_other, &self_signed_for_other.root, "not for localhost"),
        (&expired, &expired.root, "it has expired, or the clock"),
    ] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let master = FakeMaster::new().await;
        let config = config(&master, dir.path(), root, "localhost");
        let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
        let stream = master.accept_tcp().await;
        let _ = soon(acceptor(identity).accept(stream)).await;
        let error = soon(worker).await.expect("no panic").expect_err("refused").to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
}

#[tokio::test]
async fn a_port_without_encryption_and_missing_roots_are_explained() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let identity = signed(params(&["localhost"]));
    let mut config = config(&master, dir.path(), &identity.root, "localhost");
    let worker = tokio::spawn(buildbot_worker::run(config.clone(), std::future::pending()));
    let mut stream = master.accept_tcp().await;
    stream.write_all(b"\x02\x80\x02\x82pb\x04\x82none").await.expect("a PB greeting");
    let error = soon(worker).await.expect("no panic").expect_err("refused").to_string();
    assert!(error.contains("does not speak TLS"), "{error}");

    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).expect("made");
    if let Some(tls) = &mut config.master.tls {
        tls.roots = Some(empty);
    }
    let error = buildbot_worker::run(config, std::future::pending()).await;
    let error = error.expect_err("no roots").to_string();
    assert!(error.contains("no certificate in") && error.contains("/empty'"), "{error}");
}

/// A proxy for one connection: what it was asked for.
async fn proxy(listener: TcpListener, answer: &'static str) -> String {
    let (mut worker, _) = soon(listener.accept()).await.expect("a connection");
    let mut request = String::new();
    let mut reader = BufReader::new(&mut worker);
    while !request.ends_with("\r\n\r\n") {
        soon(reader.read_line(&mut request)).await.expect("a request");
    }
    worker.write_all(answer.as_bytes()).await.expect("answered");
    let target = request.split(' ').nth(1).expect("a target").to_owned();
    if let Ok(mut master) = TcpStream::connect(&target).await {
        let _ = tokio::io::copy_bidirectional(&mut worker, &mut master).await;
    }
    request
}

#[tokio::test]
async fn a_proxy_makes_the_connection() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut config = master.config(dir.path());
    config.proxy = Some(Endpoint::new("127.0.0.1", listener.local_addr().expect("bound").port()));
    let proxy = tokio::spawn(proxy(listener, "HTTP/1.1 200 Connection established\r\n\r\n"));
    let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
    let mut connection = master.accept().await;
    assert_eq!(connection.ask(MasterRequest::Shutdown).await, Ok(Value::Nil));
    soon(worker).await.expect("no panic").expect("a good end");
    drop(connection);
    let request = soon(proxy).await.expect("no panic");
    assert!(request.starts_with(&format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n", master.port)));
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_gone_is_named() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let mut config = master.config(dir.path());
    config.max_retries = Some(0);
    config.proxy = Some(Endpoint::new("127.0.0.1", port));
    let worker = tokio::spawn(buildbot_worker::run(config.clone(), std::future::pending()));
    let proxy = tokio::spawn(proxy(listener, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
    let error = soon(worker).await.expect("no panic").expect_err("refused").to_string();
    assert!(error.contains(&format!("proxy 127.0.0.1:{port}: it refused")), "{error}");
    assert!(error.contains("it wants a login"), "{error}");
    proxy.abort();
    let _ = proxy.await;

    let error = buildbot_worker::run(config, std::future::pending()).await;
    let error = error.expect_err("nobody there").to_string();
    assert!(error.contains(&format!("proxy 127.0.0.1:{port}: connection refused")), "{error}");
}
