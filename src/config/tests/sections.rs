//! One mistake at a time, section by section, and the message it gets.

use super::{check, edited, problem_of};
use crate::config::checked::{ChangeSourceConfig, Listen};

const WORKER: &str = "max_builds = 2";
const POLLER: &str = "branches = [\"main\"]";
const SCHEDULER: &str = "treeStableTimer = 60";
const FORCE: &str = "name = \"force\"";
const BUILDER: &str = "workernames = [\"example-worker\"]";
const TITLE: &str = "title = \"Pyflakes\"";
const WWW: &str = "port = 8010";

fn all_report(cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        let report = problem_of(from, to);
        assert!(report.contains(expected), "{to}\nwants: {expected}\nhas: {report}");
        assert_eq!(report.lines().count(), 1, "{to}\nhas: {report}");
        assert!(report.starts_with("master.toml:"), "{report}");
    }
}

#[test]
fn master() {
    all_report(&[
        (TITLE, "titel = 'x'", "unknown key 'titel'; did you mean 'title'?"),
        (TITLE, "zyx = 1", "unknown key 'zyx'; known are: "),
        (TITLE, "title = 5", "1: title: must be a string, not a number"),
        (TITLE, "manhole = {}", "manhole: is not supported yet"),
        (TITLE, "multiMaster = true", "multiMaster: is not supported yet"),
        (TITLE, "collapseRequests = 5", "must be true or false, a rule (compatible"),
        (TITLE, "collapseRequests = 'compatable'", "did you mean 'compatible'?"),
        (TITLE, "prioritizeBuilders = 'oldst'", "did you mean 'oldest'?"),
        (TITLE, "select_next_worker = true", "must be a rule (random, least_busy, first)"),
        (TITLE, "maxRetries = -1", "maxRetries: must be 0 or more"),
        (TITLE, "projects = [{ name = 'a b' }]", "must be an identifier of at most 50"),
        (TITLE, "projects = [{ name = 'a' }, { name = 'a' }]", "a project named 'a' stands in"),
        (
            TITLE,
            "projects = [{ name = 'a', description_format = 'rst' }]",
            "is 'rst' and can only be 'markdown'",
        ),
        (TITLE, "services = [{ type = 'StatsService' }]", "'StatsService' is not supported yet"),
        (TITLE, "services = [{ type = 'MailNotifier' }]", "needs a value for 'fromaddr'"),
        (TITLE, "services = [{ type = 'OldBuildCancelar' }]", "did you mean 'OldBuildCanceller'?"),
        (
            TITLE,
            "services = [{ type = 'OldBuildCanceller', name = 's' }]",
            "needs 'filters', a list of tables",
        ),
        (
            TITLE,
            "services = [{ type = 'OldBuildCanceller', name = 's', filters = [{ builders = 'x' }] }]",
            "unknown builder 'x'",
        ),
        (TITLE, "logCompressionMethod = 'zip'", "is 'zip' and must be one of raw, gz"),
        (TITLE, "logMaxSize = -1", "logMaxSize: must not be negative"),
        (TITLE, "logEncoding = 'latin-1'", "other encodings than utf-8"),
        ("http://localhost:8010", "localhost:8010", "buildbotURL: must begin with http://"),
        ("sqlite:///", "mysql://", "db.db_url: 'mysql' is not supported yet"),
        ("db_url", "dburl", "did you mean 'db_url'"),
        ("site =", "'' =", "property names have 1 to 256 characters"),
    ]);
}

#[test]
fn listeners() {
    all_report(&[
        ("port = 9990", "port = 99900", "'99900' is not a port"),
        ("port = 9990", "port = 'unix:9990:x=y'", "kind 'unix' are not supported"),
        (
            "port = 9990",
            "port = 'ssl:9990:privateKey=gone.pem'",
            "the certificate '/srv/master/gone.pem'",
        ),
        ("port = 9990", "port = 8010", "www.port: port 8010 is used twice"),
        ("port = 9990", "port = [1, 2, 1]", "port 1 is used twice"),
        ("port = 9990", "", "needs a value for 'port'"),
        ("msgpack_experimental_v7 = { port = 9990 }", "", "nothing for them to connect to"),
        (WWW, "port = true", "www.port: must be a port number or an endpoint"),
        (WWW, "auth = 'x'", "auth: is not supported yet"),
        (WWW, "allowed_origins = ['[']", "is not a shell pattern"),
        (WWW, "plugins = 1", "must be a table"),
    ]);
    let config = check(&edited("port = 9990", "port = ['tcp:0:interface=127.0.0.1', 1, 0]"));
    let listeners = config.expect("a good configuration").protocols;
    let loopback = Listen { interface: Some("127.0.0.1".into()), port: 0, tls: None };
    assert_eq!((listeners.len(), &listeners[0].listen), (3, &loopback));
    let both = edited("protocols]", "protocols]\npb = { port = [9989, 'tcp:9988'] }");
    let both = check(&both).expect("a good configuration").protocols;
    let ports: Vec<_> = both.iter().map(|l| (l.protocol.key(), l.listen.port)).collect();
    assert_eq!(ports, [("pb", 9989), ("pb", 9988), ("msgpack_experimental_v7", 9990)]);
    let www = check(&edited(WWW, "plugins = { waterfall_view = {} }")).expect("good").www;
    assert_eq!(www, None, "no port is no web server");
}

#[test]
fn workers() {
    all_report(&[
        ("password = \"pass\"", "", "needs a value for 'password'"),
        ("password = \"pass\"", "password = 1234", "password: must be a string, not a number"),
        ("password = \"pass\"", "password = ''", "password: must not be empty"),
        (WORKER, "max_builds = 0", "must be at least 1"),
        (WORKER, "max_builds = 'two'", "max_builds: must be a whole number, not a string"),
        (WORKER, "max_build = 2", "did you mean 'max_builds'?"),
        (WORKER, "type = 'LocalWorker'", "unknown key 'password'"),
        (WORKER, "keepalive_interval = 0.1", "must be at least 1 second"),
        ("missing_timeout = 3600", "missing_timeout = -5", "must be 0 seconds or more"),
        ("missing_timeout = 3600", "missing_timeout = 1e12", "must be at most"),
        ("missing_timeout = 3600", "missing_timeout = nan", "must be 0 seconds or more"),
        ("[\"admin@example.org\"]", "[\"a\", 5]", "item 1 must be a string, not a number"),
    ]);
    let one = check(&edited("[\"admin@example.org\"]", "\"me@example.org\"")).expect("good");
    assert_eq!(one.workers[0].notify_on_missing, ["me@example.org"]);
}

#[test]
fn change_sources() {
    all_report(&[
        (POLLER, "branches = ['[']", "branches: '[' is not a shell pattern"),
        (POLLER, "branches = 5", "must be true for all branches"),
        (POLLER, "branches = ['a']\nbranch = 'a'", "given beside 'branch'"),
        (POLLER, "pollRandomDelayMin = 3", "must not be longer than 'pollRandomDelayMax'"),
        (POLLER, "pollRandomDelayMax = 300", "must be shorter than 'pollInterval'"),
        (POLLER, "sshHostKey = 'x'", "need an 'sshPrivateKey'"),
        (POLLER, "only_tags = true\nbranches = true", "given beside 'branch' or 'branches'"),
        (POLLER, "branches = { expression = 'a ==' }", "the expression 'a ==' is wrong"),
        (POLLER, "properties = 'x'", "must be a table of properties"),
        (POLLER, "workdir = ''", "workdir: must not be empty"),
        ("pollInterval = 300", "pollinterval = 300", "did you mean 'pollInterval'?"),
        ("pollInterval = 300", "pollInterval = '5m'", "must be a number of seconds, not a string"),
        ("pollInterval = 300", "pollInterval = 0", "never polls"),
        ("\"GitPoller\"", "\"P4Source\"", "'P4Source' is not supported yet"),
        ("\"GitPoller\"", "\"GitPolar\"", "did you mean 'GitPoller'?"),
        ("type = \"GitPoller\"", "", "needs a 'type': GitPoller"),
    ]);
    let single = check(&edited("[[change_source]]", "[change_source]")).expect("good");
    assert_eq!(single.change_sources.len(), 1);
}

const SOURCES: &str = "[[change_source]]";
const PB: &str = "[protocols]\npb = { port = 9989 }\n";

/// The example with a `PBChangeSource` in front.
fn with_pb(options: &str) -> String {
    edited(SOURCES, &format!("[[change_source]]\ntype = 'PBChangeSource'\n{options}\n{SOURCES}"))
        .replace("[protocols]\n", PB)
}

#[test]
fn clients_that_send_changes() {
    let cases = [
        ("user = ''", "user: must not be empty"),
        ("passwd = 5", "passwd: must be a string, not a number"),
        ("port = 99999", "port: '99999' is not a port"),
        ("port = 8010", "www.port: port 8010 is used twice"),
        ("port = 9990", "port: port 9990 is used twice"),
        ("port = 'ssl:1:privateKey=gone.pem'", "the certificate '/srv/master/gone.pem'"),
        ("user = 'example-worker'", "'example-worker' is already registered by the worker in"),
        ("prefixes = 'x'", "did you mean 'prefix'?"),
        (
            "[[change_source]]\ntype = 'PBChangeSource'\nport = 9989",
            "the username 'change' is already registered by the change source in master.toml:",
        ),
    ];
    for (options, expected) in cases {
        let report = check(&with_pb(options)).expect_err(options);
        assert!(report.contains(expected), "{options}\nwants: {expected}\nhas: {report}");
        assert_eq!(report.lines().count(), 1, "{options}\nhas: {report}");
    }
    let alone = with_pb("").replace("pb = { port = 9989 }\n", "");
    let report = check(&alone).expect_err("no port");
    assert!(report.contains("change_source[0]: has no port"), "{report}");
}

#[test]
fn clients_take_ports_and_names_as_stock_does() {
    let source = |options: &str| {
        let config = check(&with_pb(options)).unwrap_or_else(|report| panic!("{report}"));
        let ChangeSourceConfig::PbChangeSource(source) = &config.change_sources[0] else {
            panic!("another source");
        };
        let ports: Vec<u16> = config.listeners().iter().map(|l| l.listen.port).collect();
        (source.clone(), ports)
    };
    let (plain, ports) = source("");
    assert_eq!((plain.user.as_str(), plain.passwd.as_str()), ("change", "changepw"));
    assert_eq!((plain.prefix, plain.port, ports), (None, None, vec![9989, 9990]));
    for (options, name, ports) in [
        ("", "PBChangeSource:None", vec![9989, 9990]),
        ("port = 9999", "PBChangeSource:9999", vec![9989, 9990, 9999]),
        (
            "port = 'tcp:9989'\nprefix = 'trunk/'",
            "PBChangeSource:trunk/:tcp:9989",
            vec![9989, 9990],
        ),
        ("prefix = ''", "PBChangeSource:None", vec![9989, 9990]),
        ("name = 'hooks'\nport = 1", "hooks", vec![9989, 9990, 1]),
    ] {
        let (source, open) = source(options);
        assert_eq!((source.name.as_str(), open), (name, ports), "{options}");
        assert!(!format!("{source:?}").contains("changepw"));
    }
}

#[test]
fn schedulers() {
    all_report(&[
        (SCHEDULER, "treeStableTimer = 'soon'", "must be a number of seconds"),
        (SCHEDULER, "treeStabletimer = 60", "did you mean 'treeStableTimer'?"),
        (SCHEDULER, "branch = 'main'", "'change_filter' excludes 'branch'"),
        (SCHEDULER, "codebases = [1]", "codebases[0]: must be a string"),
        (SCHEDULER, "codebases = { a = { brnch = 'x' } }", "did you mean 'branch'?"),
        (SCHEDULER, "codebases = {}", "must name at least one codebase"),
        (SCHEDULER, "priority = 'high'", "priority: must be a whole number"),
        ("change_filter = { branch = \"main\" }", "", "needs a 'change_filter'"),
        ("\"SingleBranchScheduler\"", "\"Try_Jobdirs\"", "did you mean 'Try_Jobdir'?"),
        (
            "\"SingleBranchScheduler\"",
            "\"SingleBranchSchedular\"",
            "did you mean 'SingleBranchScheduler'?",
        ),
        (
            "builderNames = [\"runtests\"]",
            "builderNames = [\"runtest\"]",
            "unknown builder 'runtest'; did you mean 'runtests'?",
        ),
        ("name = \"all\"", "name = ''", "name: must not be empty"),
        ("name = \"all\"", "name = 'force'", "a scheduler named 'force' stands in master.toml:"),
    ]);
    let branch = edited("change_filter = { branch = \"main\" }", "branch = 'main'");
    let written = check(super::EXAMPLE).expect("good");
    let spelled = format!("{:?}", check(&branch).expect("good").schedulers[0].plan);
    assert_eq!(spelled, format!("{:?}", written.schedulers[0].plan), "two spellings");
    let twice = check(&edited("[\"runtests\"]", "['runtests', 'runtests']")).expect("good");
    assert_eq!(twice.schedulers[0].options.builder_names, ["runtests"], "named twice, meant once");
    let zero = check(&edited(SCHEDULER, "treeStableTimer = 0")).expect("good");
    let told = format!("{:?}", zero.schedulers[0].plan);
    assert!(told.contains("tree_stable_timer: None"), "{told}");
}

#[test]
fn schedulers_that_wait_for_others() {
    let dependent = |name: &str, upstream: &str| {
        format!(
            "\n[[schedulers]]\ntype = 'Dependent'\nname = '{name}'\nupstream = '{upstream}'\n\
             builderNames = ['runtests']\n"
        )
    };
    let problem = |more: String| check(&(super::EXAMPLE.to_owned() + &more)).err();
    assert_eq!(problem(dependent("a", "all") + &dependent("b", "a")), None);
    for (more, expected) in [
        (dependent("a", "al"), "upstream: unknown scheduler 'al'; did you mean 'all'?"),
        (dependent("a", ""), "upstream: must not be empty"),
        (dependent("a", "a"), "upstream: waits for itself: a waits for a"),
        (
            dependent("a", "b") + &dependent("b", "c") + &dependent("c", "b"),
            "upstream: waits for itself: b waits for c waits for b",
        ),
    ] {
        let problem = problem(more).unwrap_or_default();
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn force_forms() {
    let property = |text: &str| format!("name = 'force'\nproperties = [{{ {text} }}]");
    let cases: Vec<(String, &str)> = [
        ("name = 'x'", "needs a 'type': StringParameter"),
        ("type = 'StringParameter'", "needs a value for 'name'"),
        ("type = 'StringParameter', name = 'owner'", "'owner' is reserved"),
        ("type = 'StringParameter', name = 'branch'", "two fields are named 'branch'"),
        ("type = 'StringParameter', name = 'x', regex = '('", "is not a regular expression"),
        ("type = 'StringParameter', name = 'x', value = 'y'", "is named 'default' here"),
        ("type = 'StringParameter', name = 'x', size = -1", "must not be negative"),
        (
            "type = 'IntParameter', name = 'x', default = '3'",
            "must be a whole number, not a string",
        ),
        (
            "type = 'BooleanParameter', name = 'x', default = 1",
            "must be true or false, not a number",
        ),
        ("type = 'TextParameter', name = 'x', default = 1", "must be a string, not a number"),
        ("type = 'ChoiceStringParameter', name = 'x'", "needs a value for 'choices'"),
        (
            "type = 'ChoiceStringParameter', name = 'x', choices = ['a'], default = 'b'",
            "'b' is not among the choices",
        ),
        ("type = 'NestedParameter', name = 'x'", "needs 'fields'"),
        (
            "type = 'NestedParameter', name = 'x', columns = 5, fields = [{ type = 'FileParameter', name = 'y' }]",
            "columns: must be 1 to 4, and is 5",
        ),
        (
            "type = 'NestedParameter', name = 'x', layout = 'pile', fields = [{ type = 'FileParameter', name = 'y' }]",
            "layout: is 'pile' and must be one of",
        ),
        (
            "type = 'NestedParameter', name = '', fields = [{ type = 'FileParameter', name = 'reason' }]",
            "two fields are named 'reason'",
        ),
        ("type = 'PatchParameter', level = { default = 'x' }", "must be a whole number"),
        ("type = 'CodebaseParameter', codebase = 'x'", "belongs into 'codebases'"),
        ("type = 'StringParameter', name = 'x', autopopulate = 1", "must be a table of tables"),
        ("type = 'StringParamter', name = 'x'", "did you mean 'StringParameter'?"),
    ]
    .into_iter()
    .map(|(text, expected)| (property(text), expected))
    .chain(
        [
            ("name = 'f f'", "may hold letters, digits"),
            (
                "name = 'force'\nreason = { type = 'PatchParameter' }",
                "must be a single field",
            ),
            (
                "name = 'force'\ncodebases = [{ branch = { name = 'x' } }]",
                "always named 'branch'",
            ),
            ("name = 'force'\npriority = { type = 'StringParameter' }", "must be an IntParameter"),
            ("name = 'force'\ncodebases = []", "must not be empty"),
            ("name = 'force'\ncodebases = ['a', 'a']", "the codebase 'a' is given twice"),
            (
                "name = 'force'\ncodebases = [{ codebase = 'a', patch = { name = 'p' } }]",
                "always named 'patch'",
            ),
            ("name = 'force'\ncodebases = [{ branch = 1 }]", "must be a string, a table"),
            ("name = 'force'\nchange_filter = {}", "unknown key 'change_filter'"),
        ]
        .map(|(text, expected)| (text.to_owned(), expected)),
    )
    .collect();
    for (to, expected) in cases {
        let report = problem_of(FORCE, &to);
        assert!(report.contains(expected), "{to}\nwants: {expected}\nhas: {report}");
    }
}

#[test]
fn builders() {
    all_report(&[
        (BUILDER, "", "needs at least one worker"),
        (
            BUILDER,
            "workername = 'example-woker'",
            "unknown worker 'example-woker'; did you mean 'example-worker'?",
        ),
        (BUILDER, "workername = 'example-worker'\ntags = ['a', 'a']", "the tag 'a' is given twice"),
        (
            BUILDER,
            "workername = 'example-worker'\nenv = { A = true }",
            "'A' must be a string or a list of strings, not true or false",
        ),
        (BUILDER, "workername = 'example-worker'\nlocks = ['db']", "unknown lock 'db'; none is"),
        (
            BUILDER,
            "workername = 'example-worker'\nworkerbuildir = 'x'",
            "did you mean 'workerbuilddir'?",
        ),
        ("\"ShellCommand\"", "\"ShelCommand\"", "did you mean 'ShellCommand'?"),
        (BUILDER, "workername = 'example-worker'\nproject = 'p'", "unknown project 'p'"),
        (
            BUILDER,
            "workername = 'example-worker'\ncanStartBuild = 'enforceChosenWorkr'",
            "did you mean 'enforceChosenWorker'?",
        ),
        (
            BUILDER,
            "workername = 'example-worker'\nnextBuild = 'a =='",
            "nextBuild: the expression 'a ==' is wrong",
        ),
        (BUILDER, "workername = 'example-worker'\ndo_build_if = 5", "must be an expression"),
    ]);
    let report = problem_of("name = \"runtests\"", "name = '_runtests'");
    assert!(report.contains("must not begin with an underscore"), "{report}");
    let report = problem_of(BUILDER, "workername = 'example-worker'\nfactory = 'f'");
    assert!(report.contains("given beside 'steps'"), "{report}");

    let dir =
        check(&edited(BUILDER, "workername = 'example-worker'\nbuilddir = 'a b'")).expect("good");
    assert_eq!(dir.builders[0].workerbuilddir, "a b");
}

/// A step of the example, and what it is replaced by.
fn with_sources(steps: &[&str]) -> (&'static str, String) {
    let steps = steps.iter().map(|step| format!("[[builders.steps]]\nrepourl = 'r'\n{step}\n"));
    (STEP, steps.collect())
}

const STEP: &str = "[[builders.steps]]\ntype = \"ShellCommand\"\n\
                    command = [\"make\", \"test\"]\nenv = { PYTHONPATH = \".\" }\n";

#[test]
fn each_source_step_has_its_directory_and_its_codebase() {
    let app = "type = 'Git'\ncodebase = 'app'";
    let twice = "steps[1]: checks out into 'build' as steps[0] does; give it another workdir";
    let cases: [(&[&str], &str); 4] = [
        (&["type = 'Git'", "type = 'SVN'"], twice),
        (&["type = 'Git'\nworkdir = 'build/'", "type = 'Mercurial'"], twice),
        (
            &[app],
            "builders[0]: the step 'git-app' wants the codebase 'app', which no scheduler of the \
             builder gives; name the codebases in the scheduler's 'codebases'",
        ),
        (&["type = 'SVN'\ncodebase = 'lib'"], "the step 'svn-lib' wants the codebase 'lib'"),
    ];
    for (steps, expected) in cases {
        let (from, to) = with_sources(steps);
        let report = problem_of(from, &to);
        assert!(report.contains(expected), "{to}\nwants: {expected}\nhas: {report}");
        assert_eq!(report.lines().count(), 1, "{to}\nhas: {report}");
    }
    let fine: [&[&str]; 5] = [
        &["type = 'Git'", "type = 'SVN'\nworkdir = 'data'"],
        &["type = 'Git'", "type = 'Git'\nworkdir = '%(prop:where)s'"],
        &["type = 'Git'\ndoStepIf = \"a == 'b'\"", "type = 'SVN'"],
        &["type = 'Git'\ncodebase = 'app'\nalwaysUseLatest = true"],
        &["type = 'Git'\ncodebase = 'app'\ndoStepIf = \"a == 'b'\""],
    ];
    for steps in fine {
        let (from, to) = with_sources(steps);
        check(&edited(from, &to)).unwrap_or_else(|report| panic!("{to}\n{report}"));
    }
    // One of the builder's schedulers is enough.
    let (from, to) =
        with_sources(&["type = 'Git'", "type = 'Git'\ncodebase = 'app'\nworkdir = 'a'"]);
    let given = edited(from, &to).replace(SCHEDULER, "codebases = ['', 'app']");
    check(&given).unwrap_or_else(|report| panic!("{report}"));
    let wrong = given.replace("'app']", "'ap']");
    let report = check(&wrong).expect_err("a codebase that nobody gives");
    assert!(report.contains("they give '', 'ap'; mend the step's 'codebase'"), "{report}");
}

#[test]
fn factories_are_shared() {
    let head = super::EXAMPLE.replace("[\"runtests\"]", "[\"runtests\", \"it's b\"]");
    let text = head
        + "[[builders]]\nname = \"it's b\"\nworkername = 'example-worker'\nfactory = 'f'\n\
           [[factories.f.steps]]\ntype = 'ShellCommand'\ncommand = 'make'\n";
    let config = check(&text).expect("a good configuration");
    assert_eq!(config.builders[1].workerbuilddir, "it_s_b");
    assert_eq!(config.builders[1].steps.len(), 1);
    let report = check(&text.replace("factory = 'f'", "factory = 'ff'")).expect_err("unknown");
    assert!(report.contains("unknown factory 'ff'; did you mean 'f'?"), "{report}");
    let report = check(&text.replace("factory = 'f'", "")).expect_err("no steps");
    assert!(report.contains("needs 'steps', or a 'factory'"), "{report}");
}

#[test]
fn clients_have_names_of_their_own_at_each_port() {
    let manager = |name: &str, port: u16| {
        format!("[[user_managers]]\nusername = '{name}'\npasswd = 'hush'\nport = {port}\n")
    };
    let tries = |name: &str, port: u16| {
        format!(
            "[[schedulers]]\ntype = 'Try_Userpass'\nname = 'try'\nbuilderNames = ['runtests']\n\
             port = {port}\nuserpass = [['{name}', 'hush']]\n"
        )
    };
    let read = |more: &str| check(&(super::EXAMPLE.to_owned() + more));
    let good = read(&(manager("joe", 8001) + &tries("joe", 8002) + &tries("example-worker", 8001)));
    let told = good.expect_err("two schedulers of one name");
    assert!(!told.contains("already registered"), "{told}");
    let good = read(&(manager("joe", 8001) + &tries("example-worker", 8001))).expect("good");
    let ports = good.listeners().iter().filter(|port| port.listen.port == 8001).count();
    assert_eq!((ports, good.client_ports().len()), (1, 1));
    let shown = format!("{good:?}");
    assert!(!shown.contains("passwd") && !shown.contains("hush"), "{shown}");
    for (more, why) in [
        (manager("joe", 8001) + &manager("joe", 8001), "registered by the user manager in"),
        (manager("joe", 8001) + &tries("joe", 8001), "the username 'joe' is already registered"),
        (manager("joe", 8010), "port 8010 is used twice"),
        ("[[user_managers]]\nusername = 'a'\npasswd = 'b'\n".to_owned(), "needs a 'port'"),
        ("[[user_managers]]\nport = 1\n".to_owned(), "needs a value for 'username'"),
        (format!("{}\ntype = 'Other'\n", manager("a", 1)), "unknown type 'Other'"),
    ] {
        let told = read(&more).expect_err(why);
        assert!(told.contains(why), "{told}\nwants: {why}");
    }
}
