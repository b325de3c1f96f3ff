//! What people read, and who gets it.

use buildbot::db::outbox;

use super::{SmtpServer, line, notifier};
use crate::flow::commit::first_poll;
use crate::flow::{config, shell};
use crate::world::{Place, Repository, TestMaster, run};

/// Fails while a file `broken` is in the checkout.
const CHECK: &str = "[[builders.steps]]\ntype = \"Git\"\nrepourl = \"REPO\"\n\
    [[builders.steps]]\ntype = \"ShellCommand\"\nname = \"check\"\ncommand = \"echo checked; ! test -e broken\"\n";

/// A commit, and the end of its build.
async fn build(master: &mut TestMaster, repository: &Repository, file: &str, message: &str) {
    if message.starts_with("mend") {
        repository.git(&["rm", "-q", file]);
        repository.git(&["commit", "-q", "-m", message]);
    } else {
        repository.commit(file, message, message);
    }
    assert!(master.handles.control.poll_now("poller"));
    master.build_finished().await;
}

#[test]
fn an_author_is_told_of_trouble_and_of_its_end_in_one_thread() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("README", "hello", "begin");
        let mut smtp = SmtpServer::start(&[]).await;
        let steps = CHECK.replace("REPO", &repository.url());
        let mail = notifier(
            smtp.port,
            "mode = [\"change\"]\nextraRecipients = [\"all@example.org\"]\nmessage_formatter = { template_type = \"plain\" }",
        );
        let mut master = place.master(&format!("{}\n{mail}", config(&repository, &steps))).await;
        let worker = place.worker(&master, "w1").await;
        first_poll(&master).await;
        build(&mut master, &repository, "fine", "go on").await;
        build(&mut master, &repository, "broken", "break it").await;
        let bad = smtp.mail().await;
        build(&mut master, &repository, "broken", "mend it").await;
        let good = smtp.mail().await;

        assert_eq!(bad.from, "bot@example.org");
        assert_eq!(bad.to, ["all@example.org", "ann@example.org"]);
        let to = bad.header("To").expect("a recipient");
        assert!(to.contains("Ann Author") && to.ends_with("<ann@example.org>"), "{to}");
        assert_eq!(bad.header("Cc").as_deref(), Some("all@example.org"));
        assert!(
            bad.text.contains("A new failure has been detected on builder runtests"),
            "{bad:?}"
        );
        assert!(bad.text.contains("http://localhost:8010/builders/runtests/builds/2"), "{bad:?}");
        assert!(good.text.contains("A restored build has been detected"), "{good:?}");
        let root = bad.header("References").expect("a thread");
        assert_eq!(good.header("References"), Some(root));
        assert_ne!(bad.header("Message-ID"), good.header("Message-ID"));
        let sent = |line: &outbox::Line| line.state == "sent" && line.about.contains("successful");
        line(&master, "the note of it", sent).await;
        worker.stop().await;
        master.stop().await;
        assert_eq!(smtp.rest().await.len(), 0);
    });
}

#[test]
fn logs_are_attached_and_names_are_harmless() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("README", "hello", "begin");
        let mut smtp = SmtpServer::start(&[]).await;
        let more = "mode = \"all\"\nadd_logs = [\"stdio\"]\nlookup = \"example.org\"\n\
            subject = \"%(result)s on %(builder)s\"\n\
            extraHeaders = { X-Builder = \"%(prop:buildername)s\", X-Reason = \"%(prop:reason:-none)s\" }";
        let steps = shell("printf 'one\\ntwo\\n'; seq 60000");
        let text = format!("{}\n{}", config(&repository, &steps), notifier(smtp.port, more));
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        first_poll(&master).await;
        build(&mut master, &repository, "fine", "Grüße").await;
        let mail = smtp.mail().await;
        assert_eq!(mail.to, ["ann@example.org"]);
        assert_eq!(mail.header("X-Builder").as_deref(), Some("runtests"));
        assert!(mail.text.contains("shell.stdio.gz"), "{}", &mail.text[..2000]);
        assert!(mail.text.contains("application/gzip"));
        worker.stop().await;
        master.stop().await;
    });
}
