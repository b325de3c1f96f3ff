//! Workers that connect by TLS: ours over both protocols, and stock's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use buildbot::config::checked::WorkerProtocol;
use buildbot::model::Results;
use buildbot_worker::endpoint::{Endpoint, Tls};
use buildbot_worker::{Config, Protocol};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::sync::watch;

use super::stock;
use crate::flow::{config, force, shell};
use crate::world::{Place, Repository, TestMaster, run};

/// Writes a server's certificate and key for `localhost` into the master's directory; answers the
/// directory of the authority that is to be trusted.
fn certificates(place: &Place) -> PathBuf {
    let key = || KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    // Of the same name as its authority it would count as signed by itself.
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    leaf.use_authority_key_identifier_extension = true;
    let own = key();
    let certificate = leaf.signed_by(&own, &authority).expect("a certificate");
    let (master, roots) = (place.path("master"), place.path("roots"));
    std::fs::write(master.join("server.crt"), certificate.pem()).expect("written");
    std::fs::write(master.join("server.key"), own.serialize_pem()).expect("written");
    std::fs::write(roots.join("ca.pem"), authority.pem()).expect("written");
    roots
}

/// A configuration whose ports speak TLS only.
fn encrypted(repository: &Repository) -> String {
    let port = "\"ssl:0:interface=127.0.0.1:privateKey=server.key:certKey=server.crt\"";
    let ports = format!("pb = {{ port = {port} }}\nmsgpack_experimental_v7 = {{ port = {port} }}");
    format!("{}\n[protocols]\n{ports}\n", config(repository, &shell("echo encrypted")))
}

async fn builds(master: &mut TestMaster) {
    master.worker_is_online("w1").await;
    force(master).await;
    let (build, results) = master.build_finished().await;
    let logs = master.all_logs(build).await;
    assert_eq!(results, Results::Success, "{logs}");
    assert!(logs.contains("oencrypted\n"), "{logs}");
}

fn ours(theirs: WorkerProtocol, protocol: Protocol) {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let roots = certificates(&place);
        let mut master = place.master(&encrypted(&repository)).await;
        let port = master.port(theirs);
        let fresh = Config::new(place.path("worker"), "localhost", port, "w1", "pass");
        let tls = Tls { roots: Some(roots), ..Tls::default() };
        let endpoint = Endpoint { tls: Some(tls), ..Endpoint::new("localhost", port) };
        let config = Config { protocol, master: endpoint, ..fresh };
        let (stop, mut stopping) = watch::channel(false);
        let worker = tokio::task::spawn_local(async move {
            let stopped = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            buildbot_worker::run(config, stopped).await
        });
        builds(&mut master).await;
        stop.send_replace(true);
        worker.await.expect("no panic").expect("an orderly end");
        master.stop().await;
    });
}

#[test]
fn our_worker_over_perspective_broker() {
    ours(WorkerProtocol::PerspectiveBroker, Protocol::Pb);
}

#[test]
fn our_worker_over_message_pack() {
    ours(WorkerProtocol::MessagePack, Protocol::Msgpack);
}

fn create(program: &Path, dir: &Path, port: u16, roots: &Path) {
    let endpoint = format!("ssl:host=localhost:port={port}:caCertsDir={}", roots.display());
    let output = Command::new(program)
        .args(["create-worker", &format!("--connection-string={endpoint}")])
        .arg(dir)
        .args([&format!("localhost:{port}"), "w1", "pass"])
        .output()
        .expect("stock's create-worker runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "create-worker: {errors}");
}

#[test]
fn a_stock_worker_over_perspective_broker() {
    let Some(program) = stock("buildbot-worker") else { return };
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let roots = certificates(&place);
        let mut master = place.master(&encrypted(&repository)).await;
        let dir = place.path("workers").join("w1");
        create(&program, &dir, master.port(WorkerProtocol::PerspectiveBroker), &roots);
        let mut child = tokio::process::Command::new(&program)
            .args(["start", "--nodaemon"])
            .arg(&dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("stock's worker starts");
        builds(&mut master).await;
        child.kill().await.expect("the worker ends");
        master.stop().await;
    });
}
