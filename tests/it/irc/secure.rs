//! TLS with a real server: a certificate that is trusted, and those that are not.

use std::path::Path;

use rcgen::{CertificateParams, Issuer, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::server::Certificate;
use super::{Chat, Person, Server};
use crate::world::{eventually, run};

/// A certificate for `names`, signed by the authority whose certificate is the second file.
fn certificate(dir: &Path, names: &[&str]) -> (Certificate, std::path::PathBuf) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_cert = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(names).expect("parameters");
    let own = own.signed_by(&key, &issuer).expect("a certificate");
    let path = |name: &str| dir.join(name);
    std::fs::write(path("ca.pem"), authority_cert.pem()).expect("a file");
    std::fs::write(path("cert.pem"), own.pem()).expect("a file");
    std::fs::write(path("key.pem"), key.serialize_pem()).expect("a file");
    (Certificate { certificate: path("cert.pem"), key: path("key.pem") }, path("ca.pem"))
}

#[test]
fn a_trusted_server_is_talked_to_in_secret() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, ca) = certificate(dir.path(), &["127.0.0.1"]);
        let server = Server::with(Some(&files)).await;
        let mut olga = Person::enter(&server, "olga", "#dev").await;
        let options = format!("useTLS = true\ncaFile = \"{}\"", ca.display());
        let chat = Chat::start(server.tls_port, "true", &options).await;
        chat.bot_is_in("#dev").await;
        olga.asks("version", "This is buildbot").await;
        olga.send("WHOIS bot").await;
        olga.hears("(secure link)").await;
        chat.stop().await;
    });
}

#[test]
fn a_stranger_or_a_wrong_name_is_refused_and_explained() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, ca) = certificate(dir.path(), &["irc.elsewhere.example"]);
        let server = Server::with(Some(&files)).await;
        let trusted = format!("useTLS = true\ncaFile = \"{}\"", ca.display());
        for options in ["useSSL = true", trusted.as_str()] {
            let chat = Chat::start(server.tls_port, "true", options).await;
            eventually("the certificate is refused", || {
                let trouble = chat.bot().status().trouble.unwrap_or_default();
                trouble.starts_with("the certificate of 127.0.0.1 is refused: ")
                    && trouble.contains("caFile")
            })
            .await;
            chat.stop().await;
        }
    });
}

#[test]
fn a_plain_port_is_no_place_for_tls() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let server = tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b":s NOTICE * :*** Looking up your hostname\r\n").await;
            }
        });
        let chat = Chat::start(port, "true", "useTLS = true").await;
        eventually("the mistake is noted", || {
            let trouble = chat.bot().status().trouble.unwrap_or_default();
            trouble.contains("is this a port for TLS?")
        })
        .await;
        chat.stop().await;
        server.abort();
    });
}
