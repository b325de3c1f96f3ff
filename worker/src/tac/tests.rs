//! Settings in every spelling.

use super::*;

fn tac(text: &str) -> Tac {
    Tac::parse(text, Path::new("/srv/w"))
}

fn known(literal: Literal) -> Option<Setting> {
    Some(Setting::Known(literal))
}

fn text(text: &str) -> Option<Setting> {
    known(Literal::Text(text.into()))
}

#[test]
fn arguments_by_place_by_name_and_through_names() {
    let tac =
        tac("host = 'h'\nw = bot.Worker(host, 9989, passwd=('p' 'w'), umask=0o22, path=None)\n");
    assert!(tac.has_worker());
    assert_eq!(tac.argument("buildmaster_host"), text("h"));
    assert_eq!(tac.argument("port"), known(Literal::Integer(9989)));
    assert_eq!(tac.argument("passwd"), text("pw"));
    assert_eq!(tac.argument("umask"), known(Literal::Integer(18)));
    assert_eq!(tac.argument("path"), known(Literal::None));
    assert_eq!(tac.argument("name"), None);
}

#[test]
fn an_old_slave_has_one_argument_more() {
    let call =
        "s = BuildSlave('h', 1, 'n', 'p', '/b', 600, 1, None, 022, 60)\ns.setServiceParent(x)\n";
    let tac = tac(call);
    assert_eq!(tac.argument("umask"), known(Literal::Integer(18)));
    assert_eq!(tac.argument("maxdelay"), known(Literal::Integer(60)));
    assert_eq!(tac.argument("usePTY"), known(Literal::Integer(1)));
}

#[test]
fn literals_of_every_kind() {
    for (written, literal) in [
        ("0o22", Literal::Integer(18)),
        ("022", Literal::Integer(18)),
        ("0x1f", Literal::Integer(31)),
        ("10_000", Literal::Integer(10_000)),
        ("10L", Literal::Integer(10)),
        ("-5", Literal::Integer(-5)),
        ("1.5", Literal::Float(1.5)),
        ("1e3", Literal::Float(1000.0)),
        ("True", Literal::Bool(true)),
        ("None # 7", Literal::None),
        ("(3)", Literal::Integer(3)),
    ] {
        assert_eq!(
            tac(&format!("Worker({written}\n)")).argument("buildmaster_host"),
            known(literal),
            "{written}"
        );
    }
}

#[test]
fn paths_are_worked_out() {
    for (written, path) in [
        ("os.path.join('/a', 'b', 'c')", "/a/b/c"),
        ("os.path.abspath(os.path.dirname(__file__))", "/srv/w"),
        ("os.path.join(os.path.dirname(__file__), '..', 'x')", "/srv/w/../x"),
        ("os.path.normpath('../x/./y')", "/srv/x/y"),
        ("os.getcwd()", "/srv/w"),
        ("r'C:\\w'", "C:\\w"),
    ] {
        let tac = tac(&format!("b = {written}\nWorker(basedir=b)"));
        assert_eq!(tac.argument("basedir"), text(path), "{written}");
    }
}

#[test]
fn what_only_python_knows_is_said_with_its_line() {
    for (file, line) in [
        ("p = open('pw').read()\nWorker(passwd=p)", 1),
        ("\n\nWorker(passwd=\n  'a' + b)", 3),
        ("if x:\n    p = 'a'\nelse:\n    p = 'b'\nWorker(passwd=p)", 4),
        ("Worker(\n  passwd=nowhere)", 2),
        ("Worker(passwd=f'{x}')", 1),
        ("Worker(passwd=a['b'])", 1),
    ] {
        assert_eq!(tac(file).argument("passwd"), Some(Setting::Computed(line)), "{file}");
    }
}

#[test]
fn the_condition_of_relocatable_files_changes_nothing() {
    let file = "basedir = r'.'\nif basedir == '.':\n    import os.path\n    basedir = f()\nWorker(basedir=basedir)";
    assert_eq!(tac(file).argument("basedir"), text("."));
}

#[test]
fn applications_are_recognised() {
    let tac = tac("application = service.Application(\"buildslave\")\n# Application('other')");
    assert!(tac.is_application(&["buildbot-worker", "buildslave"]));
    assert!(!tac.is_application(&["other"]));
    assert!(!tac.has_worker());
}

#[test]
fn the_log_file_is_found_in_a_block() {
    let file = "n = 3\ntry:\n  from x import LogFile\n  f = LogFile.fromFullPath(p('a'), rotateLength=10,\n   maxRotatedFiles=n)\nexcept ImportError:\n  pass";
    assert_eq!(tac(file).log_argument("maxRotatedFiles"), known(Literal::Integer(3)));
    assert_eq!(tac(file).log_argument("rotateLength"), known(Literal::Integer(10)));
}

#[test]
fn what_is_quoted_is_read_back() {
    for value in ["plain", "it's", "a\\b", "tab\tnew\nline", "ü\u{1}", "\"", ""] {
        let tac = tac(&format!("Worker({})", quote(value)));
        assert_eq!(tac.argument("buildmaster_host"), text(value));
    }
}
