//! Whose mails and words a ProblemHassler uses.

use super::{check, edited};

fn problems(services: &str) -> String {
    check(&edited("title = \"Pyflakes\"", &format!("services = [{services}]")))
        .err()
        .unwrap_or_default()
}

#[test]
fn a_hassler_needs_one_notifier_and_known_names() {
    let mail =
        |name: &str| format!("{{ type = 'MailNotifier', name = '{name}', fromaddr = 'a@b.c' }}");
    let one = mail("one");
    let two = format!("{one}, {}", mail("two"));
    for (services, expected) in [
        ("{ type = 'ProblemHassler' }".to_owned(), "needs a MailNotifier for its mails"),
        (format!("{one}, {{ type = 'ProblemHassler' }}"), ""),
        (format!("{two}, {{ type = 'ProblemHassler' }}"), "needs a 'notifier': there are several"),
        (format!("{two}, {{ type = 'ProblemHassler', notifier = 'two' }}"), ""),
        (
            format!("{one}, {{ type = 'ProblemHassler', notifier = 'two' }}"),
            "services[1].notifier: there is no MailNotifier named 'two'",
        ),
        (
            format!("{one}, {{ type = 'ProblemHassler', irc = 'chat' }}"),
            "services[1].irc: there is no IRC named 'chat'",
        ),
        (
            format!("{one}, {{ type = 'ProblemHassler', builders = ['nosuch'] }}"),
            "unknown builder 'nosuch'",
        ),
    ] {
        let found = problems(&services);
        let fits = if expected.is_empty() { found.is_empty() } else { found.contains(expected) };
        assert!(fits, "{services}\nwants: {expected}\nhas: {found}");
    }
}
