//! The mails of a stock master and of ours about the same builds, under the same options.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde_json::{Value, json};

use super::peer::plain;
use super::stock;
use crate::mail::SmtpServer;
use crate::programs::Site;

/// Notifiers by the name before the `@` of their sender: options as Python and as TOML write them.
const NOTIFIERS: &[(&str, &str, &str)] = &[
    ("all", "mode='all', message_formatter=F()", "mode = \"all\""),
    ("change", "mode=('change',), message_formatter=F()", "mode = [\"change\"]"),
    ("problem", "mode=('problem',), message_formatter=F()", "mode = [\"problem\"]"),
    (
        "failing",
        "mode=('failing',), builders=['bad'], message_formatter=F()",
        "mode = [\"failing\"]\nbuilders = [\"bad\"]",
    ),
    ("tagged", "mode='all', tags=['t'], message_formatter=F()", "mode = \"all\"\ntags = [\"t\"]"),
    (
        "logs",
        "mode=('failing',), add_logs=['stdio'], message_formatter=F()",
        "mode = [\"failing\"]\nadd_logs = [\"stdio\"]",
    ),
    (
        "jinja",
        "mode='all', message_formatter=util_F(template='{{ summary }} {{ status_detected }} {{ build[\"properties\"].get(\"owner\", [\"?\"])[0] }} {{ \", \".join(blamelist) }}', subject='{{ buildername }} {{ result_names[results] }}')",
        "mode = \"all\"\nmessage_formatter = { template = \"{{ summary }} {{ status_detected }} {{ build['properties'].get('owner', ['?'])[0] }} {{ ', '.join(blamelist) }}\", subject = \"{{ buildername }} {{ result_names[results] }}\" }",
    ),
];

/// What every notifier has besides.
const STOCK_COMMON: &str = "relayhost='127.0.0.1', smtpPort=SMTP, lookup='example.org', \
    extraRecipients=['all@example.org'], extraHeaders={'X-Builder': util.Interpolate('%(prop:buildername)s')}";
const OUR_COMMON: &str = "relayhost = \"127.0.0.1\"\nsmtpPort = SMTP\nlookup = \"example.org\"\n\
    extraRecipients = [\"all@example.org\"]\nextraHeaders = { X-Builder = \"%(prop:buildername)s\" }\n";

const BUILDERS: [(&str, &str); 3] = [("good", "true"), ("bad", "echo oh; false"), ("turn", "TURN")];

fn stock_config(site: &Site, smtp: u16, turn: &str) -> String {
    let mut text = format!(
        "from buildbot.plugins import *\nF = lambda: reporters.MessageFormatter(template_type='plain')\n\
         util_F = reporters.MessageFormatter\n\
         c = BuildmasterConfig = {{'title': 'Site', 'buildbotNetUsageData': None,\n\
         'buildbotURL': 'http://localhost:{www}/', 'protocols': {{'pb': {{'port': 'tcp:{pb}:interface=127.0.0.1'}}}},\n\
         'www': {{'port': 'tcp:{www}:interface=127.0.0.1'}},\n\
         'workers': [worker.LocalWorker('w')],\n\
         'schedulers': [schedulers.ForceScheduler('force', ['good', 'bad', 'turn'])],\n\
         'builders': [], 'services': []}}\n",
        www = site.www,
        pb = site.port
    );
    for (name, command) in BUILDERS {
        let command = command.replace("TURN", turn);
        let tags = if name == "turn" { "['t']" } else { "[]" };
        text += &format!(
            "c['builders'].append(util.BuilderConfig('{name}', workernames=['w'], tags={tags}, \
             factory=util.BuildFactory([steps.ShellCommand(name='check', command={command:?})])))\n"
        );
    }
    for (name, options, _) in NOTIFIERS {
        text += &format!(
            "c['services'].append(reporters.MailNotifier(fromaddr='{name}@bb.example.org', \
             name='{name}', {STOCK_COMMON}, generators=[reporters.BuildStatusGenerator({options})]))\n"
        );
    }
    text.replace("SMTP", &smtp.to_string())
}

fn our_config(smtp: u16, turn: &str) -> String {
    let mut text = "title = \"Site\"\nbuildbotURL = \"http://localhost:WWW/\"\n[db]\n\
        db_url = \"sqlite:///state.sqlite\"\n[www]\nport = \"tcp:WWW:interface=127.0.0.1\"\n\
        [[workers]]\ntype = \"LocalWorker\"\nname = \"w\"\n[[schedulers]]\n\
        type = \"ForceScheduler\"\nname = \"force\"\nbuilderNames = [\"good\", \"bad\", \"turn\"]\n"
        .to_owned();
    for (name, command) in BUILDERS {
        let command = command.replace("TURN", turn);
        let tags = if name == "turn" { "[\"t\"]" } else { "[]" };
        text += &format!(
            "[[builders]]\nname = \"{name}\"\nworkernames = [\"w\"]\ntags = {tags}\n\
             [[builders.steps]]\ntype = \"ShellCommand\"\nname = \"check\"\ncommand = {command:?}\n"
        );
    }
    for (name, _, options) in NOTIFIERS {
        let formatter = match options.contains("message_formatter") {
            true => "",
            false => "message_formatter = { template_type = \"plain\" }\n",
        };
        text += &format!(
            "[[services]]\ntype = \"MailNotifier\"\nname = \"{name}\"\n\
             fromaddr = \"{name}@bb.example.org\"\n{OUR_COMMON}{options}\n{formatter}"
        );
    }
    text.replace("SMTP", &smtp.to_string())
}

/// Builders in the order in which they are forced, and the state that `turn` finds.
const DAY: [(&str, bool); 7] = [
    ("good", true),
    ("bad", true),
    ("turn", true),
    ("turn", false),
    ("turn", false),
    ("turn", true),
    ("bad", true),
];

/// Mails that the day is worth: by the rules of each notifier.
const MAILS: usize = 7 + 2 + 1 + 2 + 4 + 4 + 7;

/// Lives the day; answers the mails, as a reader sees them.
async fn live(site: &mut Site, mut smtp: SmtpServer, turn: &Path) -> BTreeSet<String> {
    let builders = site.get("builders").await;
    let id = |name: &str| {
        let all = builders["builders"].as_array().expect("builders");
        let found = all.iter().find(|builder| builder["name"] == name);
        found.expect("a builder")["builderid"].to_string()
    };
    let mut numbers = std::collections::HashMap::new();
    for (builder, good) in DAY {
        match good {
            true => std::fs::write(turn, "").expect("a file"),
            false => drop(std::fs::remove_file(turn)),
        }
        let params = json!({
            "builderid": id(builder), "reason": "look", "username": "Ann <ann@example.org>",
        });
        site.call("forceschedulers/force", "force", params).await;
        let number = numbers.entry(builder).or_insert(0);
        *number += 1;
        site.finished_of(builder, *number).await;
    }
    let mut mails = BTreeSet::new();
    for _ in 0..MAILS {
        mails.insert(seen(&smtp.mail().await.read));
    }
    site.master().end("TERM");
    mails.extend(smtp.rest().await.iter().map(|mail| seen(&mail.read)));
    mails
}

fn seen(mail: &Value) -> String {
    let header = |name: &str| mail["headers"][name].as_str().unwrap_or("-").to_owned();
    let body = mail["body"].as_str().unwrap_or_default();
    // Pages have other addresses, by name instead of by number.
    let url = Regex::new(r"http://localhost:\S+").expect("a regex");
    let attached = mail["attachments"].to_string();
    format!(
        "{} -> {} cc {} [{}] {} {}\n{}",
        header("from"),
        header("to"),
        header("cc"),
        header("x-builder"),
        header("subject"),
        attached,
        url.replace_all(body, "URL").replace("\r\n", "\n").trim_end()
    )
}

#[tokio::test]
async fn mails_are_stocks() {
    let Some(program) = stock("buildbot") else { return };
    let (smtp, ours_smtp) = (SmtpServer::start(&[]).await, SmtpServer::start(&[]).await);
    let shell = |site: &Site| format!("test -e {}", site.dir().join("turn").display());

    let mut theirs = Site::new("steps = []\n");
    let dir = theirs.master_dir();
    std::fs::remove_file(dir.join("buildbot.tac")).expect("our tac");
    let created = Command::new(&program).args(["create-master", "-q", "-r"]).arg(&dir).status();
    assert!(created.expect("stock runs").success());
    let config = stock_config(&theirs, smtp.port, &shell(&theirs));
    std::fs::write(dir.join("master.cfg"), config).expect("a file");
    let mut command = plain(&program, theirs.dir());
    command.args(["start", "--nodaemon"]).arg(&dir);
    theirs.start_instead(&mut command).await;
    let turn = theirs.dir().join("turn");
    let expected = live(&mut theirs, smtp, &turn).await;

    let mut ours = Site::new("steps = []\n");
    ours.configure(&our_config(ours_smtp.port, &shell(&ours)));
    ours.start_master().await;
    let turn = ours.dir().join("turn");
    let found = live(&mut ours, ours_smtp, &turn).await;

    let hidden = |mail: &String| {
        Regex::new(r"test -e \S+").expect("a regex").replace_all(mail, "test").into_owned()
    };
    let expected: BTreeSet<String> = expected.iter().map(hidden).collect();
    let found: BTreeSet<String> = found.iter().map(hidden).collect();
    let missing: Vec<&String> = expected.difference(&found).collect();
    let more: Vec<&String> = found.difference(&expected).collect();
    assert!(missing.is_empty() && more.is_empty(), "- {missing:#?}\n+ {more:#?}");
}
