//! A worker dies, and the master dies besides.

use buildbot::db::Db;

use super::Site;
use crate::mail::{SmtpServer, all_sent, notifier};

#[tokio::test]
async fn an_offline_worker_causes_exactly_one_mail_across_a_restart_of_the_master() {
    let mut smtp = SmtpServer::start(&[]).await;
    let mut site = Site::new("");
    let generators = "generators = [{ type = \"WorkerMissingGenerator\", gather = 0 }]";
    site.configure(&format!(
        "title = \"Site\"\nbuildbotURL = \"http://localhost:WWW/\"\n\
         [db]\ndb_url = \"sqlite:///state.sqlite\"\n\
         [protocols]\nmsgpack_experimental_v7 = {{ port = \"tcp:PORT:interface=127.0.0.1\" }}\n\
         [www]\nport = \"tcp:WWW:interface=127.0.0.1\"\n\
         [[workers]]\nname = \"w1\"\npassword = \"sesame\"\nmissing_timeout = 1\n\
         notify_on_missing = [\"ops@example.org\"]\n\
         [[schedulers]]\ntype = \"ForceScheduler\"\nname = \"force\"\nbuilderNames = [\"b\"]\n\
         [[builders]]\nname = \"b\"\nworkernames = [\"w1\"]\n\
         [[builders.steps]]\ntype = \"ShellCommand\"\ncommand = \"true\"\n{}",
        notifier(smtp.port, generators)
    ));
    site.start_master().await;
    site.start_worker("w1", "sesame").await;
    site.until_connected("w1").await;
    site.last_worker().end("KILL");
    let gone = smtp.mail().await;
    assert_eq!(gone.header("Subject").as_deref(), Some("Buildbot Site worker w1 missing"));

    let file = site.master_dir().join("state.sqlite");
    let db = Db::open(file.to_str().expect("a path in UTF-8")).expect("the master's database");
    all_sent(&db).await;
    drop(db);
    for signal in ["KILL", "TERM"] {
        site.master().end(signal);
        site.start_master().await;
    }
    site.start_worker("w1", "sesame").await;
    site.until_connected("w1").await;
    let back = smtp.mail().await;
    assert_eq!(back.header("Subject").as_deref(), Some("Buildbot Site worker w1 is back"));
    site.master().end("TERM");
    assert_eq!(smtp.rest().await.len(), 0);
}
