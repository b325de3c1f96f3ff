//! Mail servers that are away, slow, grumpy or gone, and what becomes of the mails.

use super::{SmtpServer, line, notifier};
use crate::flow::commit::first_poll;
use crate::flow::{config, force, shell};
use crate::programs::free_port;
use crate::world::{Place, Repository, TestMaster, TestWorker, run};

/// A master that tells of every build, after its first one.
async fn told_by(place: &Place, port: u16, more: &str) -> (TestMaster, TestWorker) {
    let repository = Repository::new(place.path("repository"));
    repository.commit("README", "hello", "begin");
    let more = format!("mode = \"all\"\nextraRecipients = [\"all@example.org\"]\n{more}");
    let text = format!("{}\n{}", config(&repository, &shell("true")), notifier(port, &more));
    let mut master = place.master(&text).await;
    let worker = place.worker(&master, "w1").await;
    first_poll(&master).await;
    repository.commit("more", "hello", "go on");
    assert!(master.handles.control.poll_now("poller"));
    master.build_finished().await;
    (master, worker)
}

#[test]
fn a_server_that_is_away_delays_nothing_else() {
    run(async {
        let place = Place::new();
        let port = free_port();
        let (mut master, worker) = told_by(&place, port, "").await;
        let waiting = line(&master, "a failed attempt", |line| line.attempts > 0).await;
        assert_eq!(waiting.state, "queued");
        assert!(
            waiting.error.as_deref().is_some_and(|e| e.contains(&port.to_string())),
            "{waiting:?}"
        );
        force(&master).await;
        master.build_finished().await;
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_refused_recipient_does_not_keep_the_mail_from_the_others() {
    run(async {
        let place = Place::new();
        let mut smtp = SmtpServer::start(&["--refuse", "ann@example.org"]).await;
        let (master, worker) = told_by(&place, smtp.port, "").await;
        let mail = smtp.mail().await;
        assert_eq!(mail.to, ["all@example.org"]);
        let failed = line(&master, "a refusal", |line| line.state == "failed").await;
        assert!(failed.about.contains("ann@example.org"), "{failed:?}");
        assert!(
            failed.error.as_deref().is_some_and(|e| e.contains("no such mailbox")),
            "{failed:?}"
        );
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn who_puts_off_or_hangs_up_is_asked_again() {
    run(async {
        for (argument, part) in [("--grey", "greylisted"), ("--hang-up", "")] {
            let place = Place::new();
            let smtp = SmtpServer::start(&[argument, "1"]).await;
            let (master, worker) = told_by(&place, smtp.port, "").await;
            let waiting = line(&master, "a failed attempt", |line| line.attempts == 1).await;
            assert_eq!(waiting.state, "queued", "{waiting:?}");
            assert!(waiting.error.as_deref().is_some_and(|e| e.contains(part)), "{waiting:?}");
            assert!(waiting.due_at > waiting.created_at + 20, "{waiting:?}");
            worker.stop().await;
            master.stop().await;
        }
    });
}

#[test]
fn passwords_are_given_and_not_shown() {
    run(async {
        let place = Place::new();
        let mut smtp = SmtpServer::start(&["--login", "bot:sesame"]).await;
        let login = "smtpUser = \"bot\"\nsmtpPassword = \"sesame\"";
        let (master, worker) = told_by(&place, smtp.port, login).await;
        assert_eq!(smtp.mail().await.to, ["all@example.org", "ann@example.org"]);
        worker.stop().await;
        master.stop().await;

        let place = Place::new();
        let smtp = SmtpServer::start(&["--login", "bot:sesame"]).await;
        let login = "smtpUser = \"bot\"\nsmtpPassword = \"hunter2\"";
        let (master, worker) = told_by(&place, smtp.port, login).await;
        let waiting = line(&master, "a failed attempt", |line| line.attempts == 1).await;
        assert_eq!(waiting.state, "queued", "somebody may mend the password: {waiting:?}");
        assert!(!format!("{waiting:?}").contains("hunter2"));
        worker.stop().await;
        master.stop().await;
    });
}

/// A certificate for `127.0.0.1`, and its key.
fn certificate(place: &Place) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let path = |name: &str, text: String| {
        let path = place.path("tls").join(name);
        std::fs::write(&path, text).expect("a written file");
        path.to_str().expect("a path in UTF-8").to_owned()
    };
    (path("cert.pem", made.cert.pem()), path("key.pem", made.signing_key.serialize_pem()))
}

#[test]
fn a_certificate_that_nobody_trusts_gets_no_mail() {
    run(async {
        for (tls, option) in [("smtps", "useSmtps = true"), ("starttls", "useTls = true")] {
            let place = Place::new();
            let (cert, key) = certificate(&place);
            let arguments = ["--tls", tls, "--certificate", &cert, "--key", &key];
            let smtp = SmtpServer::start(&arguments).await;
            let (master, worker) = told_by(&place, smtp.port, option).await;
            let waiting = line(&master, "a failed attempt", |line| line.attempts == 1).await;
            assert_eq!(waiting.state, "queued", "{waiting:?}");
            let error = waiting.error.unwrap_or_default().to_lowercase();
            assert!(error.contains("certificate"), "{tls}: {error}");
            worker.stop().await;
            master.stop().await;
            assert_eq!(smtp.rest().await.len(), 0);
        }
    });
}
