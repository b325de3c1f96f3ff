//! From a commit that breaks something to the thanks for its repair, through a real IRC server and
//! a real mail server: whoever is there is told on IRC, whoever is not by mail.

use std::sync::Arc;

use buildbot::db::{Conn, outbox, users};
use buildbot::model::Results;
use buildbot::status::irc::{IrcBots, IrcFront};
use buildbot::status::problem::Problems;

use crate::flow::commit::first_poll;
use crate::flow::config;
use crate::irc::{Person, Server};
use crate::mail::SmtpServer;
use crate::world::{Place, Repository, TestMaster, TestWorker, eventually, run};

/// Fails while a file `broken` is in the checkout.
const CHECK: &str = "[[builders.steps]]\ntype = \"Git\"\nrepourl = \"REPO\"\n\
    [[builders.steps]]\ntype = \"ShellCommand\"\nname = \"check\"\ncommand = \"! test -e broken\"\n";

struct Farm {
    repository: Repository,
    master: TestMaster,
    worker: TestWorker,
    _place: Place,
}

impl Farm {
    /// A farm whose first build is good, with a bot that is in `#dev`.
    async fn start(irc: &Server, smtp: &SmtpServer) -> Farm {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("README", "hello", "begin");
        let steps = CHECK.replace("REPO", &repository.url());
        let told = format!(
            r##"
[[services]]
type = "IRC"
host = "127.0.0.1"
port = {}
nick = "bot"
channels = ["#dev"]
floodInterval = 0
useColors = false
lookup = {{ "Ann Author <ann@example.org>" = "ann" }}
[[services]]
type = "MailNotifier"
fromaddr = "bot@example.org"
relayhost = "127.0.0.1"
smtpPort = {}
mode = []
[[services]]
type = "ProblemHassler"
"##,
            irc.port, smtp.port
        );
        let mut setup = place.setup(&format!("{}\n{told}", config(&repository, &steps)));
        let bots = IrcBots::default();
        setup.status.push(Box::new(IrcFront::new(bots.clone())));
        setup.status.push(Box::new(Problems::new(Arc::new(bots.clone()))));
        let master = place.start(setup).await;
        let worker = place.worker(&master, "w1").await;
        first_poll(&master).await;
        eventually("the bot joins", || {
            bots.get("IRC")
                .is_some_and(|bot| bot.channels().iter().any(|(_, trouble)| trouble.is_none()))
        })
        .await;
        let mut farm = Farm { repository, master, worker, _place: place };
        farm.commit("fine", Results::Success).await;
        farm
    }

    /// A commit of Ann Author's, and the end of its build.
    async fn commit(&mut self, file: &str, results: Results) {
        self.repository.commit(file, "x", &format!("add {file}"));
        self.built(results).await;
    }

    async fn mend(&mut self) {
        self.repository.git(&["rm", "-q", "broken"]);
        self.repository.git(&["commit", "-q", "-m", "mend it"]);
        self.built(Results::Success).await;
    }

    async fn built(&mut self, results: Results) {
        assert!(self.master.handles.control.poll_now("poller"));
        assert_eq!(self.master.build_finished().await.1, results);
    }

    async fn stop(self) {
        self.worker.stop().await;
        self.master.stop().await;
    }
}

#[test]
fn whoever_is_there_is_told_on_irc() {
    run(async {
        let (irc, smtp) = (Server::start().await, SmtpServer::start(&[]).await);
        let mut farm = Farm::start(&irc, &smtp).await;
        let mut ann = Person::enter(&irc, "ann", "#dev").await;
        ann.sees_the_bot().await;
        farm.commit("broken", Results::Failure).await;
        let told = ann.hears("PRIVMSG ann :").await;
        assert!(told.contains("runtests"), "{told}");
        ann.asks("problems", "runtests").await;
        ann.asks("ack 1 looking", "thank you, ann").await;
        farm.mend().await;
        let thanks = ann.hears("PRIVMSG ann :").await;
        assert!(thanks.contains("thank"), "{thanks}");
        farm.stop().await;
        assert_eq!(smtp.rest().await.len(), 0, "nobody needs a mail");
    });
}

#[test]
fn whoever_is_away_is_told_by_mail_in_one_thread() {
    run(async {
        let (irc, mut smtp) = (Server::start().await, SmtpServer::start(&[]).await);
        let mut farm = Farm::start(&irc, &smtp).await;
        let mut olga = Person::enter(&irc, "olga", "#dev").await;
        olga.sees_the_bot().await;
        farm.commit("broken", Results::Failure).await;
        let bad = smtp.mail().await;
        assert_eq!(bad.to, ["ann@example.org"]);
        assert!(bad.text.contains("runtests"), "{bad:?}");
        olga.asks("ack 1 I help ann", "thank you, olga").await;
        farm.mend().await;
        let good = smtp.mail().await;
        assert_eq!(good.to, ["ann@example.org"]);
        let thread = bad.header("References").expect("a thread");
        assert_eq!(good.header("References"), Some(thread));
        farm.stop().await;
        assert_eq!(smtp.rest().await.len(), 0, "one mail at the beginning, one at the end");
    });
}

#[test]
fn a_code_by_mail_proves_who_somebody_is() {
    run(async {
        let (irc, mut smtp) = (Server::start().await, SmtpServer::start(&[]).await);
        let farm = Farm::start(&irc, &smtp).await;
        let warner = |conn: &mut Conn| {
            let uid = users::find_or_create(conn, "warner", "git", "W <w@work.example.org>")?;
            users::set_attribute(conn, uid, "email", "warner@example.org")
        };
        farm.master.handles.db.write(warner).await.expect("a user");
        let mut brian = Person::enter(&irc, "bw", "#dev").await;
        brian.sees_the_bot().await;
        brian.asks("i am user warner", "mailed a code").await;
        let mail = smtp.mail().await;
        assert_eq!(mail.to, ["warner@example.org"]);
        let (_, rest) = mail.text.split_once("i have code ").expect("a code");
        let code = rest.lines().next().unwrap_or_default().trim();
        brian.say("bot", &format!("i have code {code}")).await;
        brian.hears("you are warner now").await;
        let stored = farm.master.read(outbox::tallies).await;
        assert!(stored.is_empty(), "a code is stored nowhere: {stored:?}");
        farm.stop().await;
    });
}
