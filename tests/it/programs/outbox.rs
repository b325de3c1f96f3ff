//! A master that is killed between the queueing of a mail and its sending, a hundred times.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use buildbot::db::facts::{self, FactKind};
use buildbot::db::{Db, outbox};
use buildbot::model::{BuildId, now};
use serde_json::json;

use super::{Site, eventually};
use crate::mail::{SmtpServer, notifier};

const ROUNDS: i64 = 100;

const STEP: &str = "[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = \"true\"\n";

fn open(site: &Site) -> Db {
    let path = site.master_dir().join("state.sqlite");
    Db::open(path.to_str().expect("a path in UTF-8")).expect("the master's database")
}

/// How many messages were ever queued.
async fn queued(db: &Db) -> usize {
    db.read(|conn| outbox::recent(conn, "mail", ROUNDS * 2)).await.expect("rows").len()
}

#[tokio::test]
async fn no_mail_is_lost_when_the_master_is_killed() {
    let mut smtp = SmtpServer::start(&["--slow", "0.01"]).await;
    let more = "mode = \"all\"\nextraRecipients = [\"all@example.org\"]";
    let mut site = Site::new(&format!("{STEP}\n{}", notifier(smtp.port, more)));
    site.start_master().await;
    site.start_worker("w1", "sesame").await;
    site.until_connected("w1").await;
    site.call("forceschedulers/force", "force", json!({ "builderid": "1" })).await;
    site.finished(1).await;
    smtp.mail().await;
    let db = open(&site);
    eventually("the first mail", || async { (queued(&db).await == 1).then_some(()) }).await;

    for round in 1..=ROUNDS {
        site.master().end("KILL");
        // As if the build had ended once more in the moment before.
        let fact = FactKind::BuildFinished(BuildId(1));
        db.write(move |conn| facts::add(conn, [fact], now())).await.expect("a fact");
        site.start_master().await;
        let wanted = usize::try_from(round).unwrap() + 1;
        eventually("a queued mail", || async { (queued(&db).await == wanted).then_some(()) }).await;
        // The server takes 10 ms for a mail: some are killed before, some within, some after it.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..25))).await;
    }

    eventually("everything to be sent", || async {
        let all = db.read(|conn| outbox::recent(conn, "mail", ROUNDS * 2)).await.ok()?;
        all.iter().all(|line| line.state == "sent").then_some(())
    })
    .await;
    let mut copies: HashMap<String, usize> = HashMap::new();
    for mail in smtp.rest().await {
        *copies.entry(mail.header("Message-ID").expect("an identifier")).or_default() += 1;
    }
    assert_eq!(copies.len(), usize::try_from(ROUNDS).unwrap(), "each mail arrives");
    // One that was killed before it could note the server's last word is sent again; once.
    assert!(copies.values().all(|copies| *copies <= 2), "{copies:?}");
}

#[tokio::test]
async fn mail_goes_through_tls_to_a_server_that_is_trusted() {
    for (tls, option) in [("smtps", "useSmtps = true"), ("starttls", "useTls = true")] {
        let place = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let file = |name: &str, text: String| {
            let path = place.path().join(name).to_str().unwrap().to_owned();
            std::fs::write(&path, text).unwrap();
            path
        };
        let cert = file("cert.pem", made.cert.pem());
        let key = file("key.pem", made.signing_key.serialize_pem());
        let arguments =
            ["--tls", tls, "--certificate", &cert, "--key", &key, "--login", "bot:sesame"];
        let mut smtp = SmtpServer::start(&arguments).await;
        let more = format!(
            "mode = \"all\"\nextraRecipients = [\"all@example.org\"]\n{option}\n\
             smtpUser = \"bot\"\nsmtpPassword = \"sesame\""
        );
        let mut site = Site::new(&format!("{STEP}\n{}", notifier(smtp.port, &more)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot"));
        command.args(["start", "--nodaemon"]).arg(site.master_dir());
        site.start_instead(command.env("SSL_CERT_FILE", &cert)).await;
        site.start_worker("w1", "sesame").await;
        site.until_connected("w1").await;
        site.call("forceschedulers/force", "force", json!({ "builderid": "1" })).await;
        let mail = smtp.mail().await;
        assert_eq!(mail.to, ["all@example.org"], "{tls}");
    }
}
