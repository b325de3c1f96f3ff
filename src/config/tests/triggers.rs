//! Trigger steps and the schedulers that they name.

use super::check;

fn problems(schedulers: &str, child: &str) -> String {
    let text = format!(
        r#"
protocols.pb.port = 9989
[[workers]]
name = "w"
password = "p"
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["parent", "child"]
{schedulers}
[[builders]]
name = "parent"
workernames = ["w"]
[[builders.steps]]
type = "Trigger"
schedulerNames = ["kids"]
[[builders]]
name = "child"
workernames = ["w"]
{child}
"#
    );
    check(&text).err().unwrap_or_default()
}

#[test]
fn schedulers_must_exist_and_be_triggerable() {
    let kids = |class: &str| {
        format!(
            "[[schedulers]]\ntype = '{class}'\nname = 'kids'\nbuilderNames = ['child']\n\
             periodicBuildTimer = 60"
        )
    };
    let triggerable =
        "[[schedulers]]\ntype = 'Triggerable'\nname = 'kids'\nbuilderNames = ['child']";
    let none = "steps = []";
    assert_eq!(problems(triggerable, none), "");
    let unknown = problems(&triggerable.replace("'kids'", "'kid'"), none);
    assert!(unknown.contains("unknown scheduler 'kids'; did you mean 'kid'?"), "{unknown}");
    let wrong = problems(&kids("Periodic"), none);
    assert!(wrong.contains("'kids' is a Periodic, which cannot be triggered"), "{wrong}");
}

#[test]
fn circles_without_a_condition_are_told_once() {
    let both = "[[schedulers]]\ntype = 'Triggerable'\nname = 'kids'\nbuilderNames = ['child']\n\
                [[schedulers]]\ntype = 'Triggerable'\nname = 'back'\nbuilderNames = ['parent']";
    let back = "[[builders.steps]]\ntype = 'Trigger'\nschedulerNames = ['back']";
    let circle = problems(both, back);
    assert_eq!(circle.lines().count(), 1, "{circle}");
    assert!(circle.contains("child \u{2192} parent \u{2192} child"), "{circle}");
    assert_eq!(problems(both, &format!("{back}\ndoStepIf = \"branch == 'main'\"")), "");
}

#[test]
fn a_lock_that_the_waiting_parent_holds_is_told() {
    let text = |waits: bool, parent: &str, child: &str| {
        format!(
            "protocols.pb.port = 9989\n[[locks]]\ntype = 'MasterLock'\nname = 'db'\nmaxCount = 2\n\
             [[locks]]\ntype = 'MasterLock'\nname = 'net'\n\
             [[workers]]\nname = 'w'\npassword = 'p'\n\
             [[schedulers]]\ntype = 'ForceScheduler'\nname = 'force'\nbuilderNames = ['a']\n\
             [[schedulers]]\ntype = 'Triggerable'\nname = 'b'\nbuilderNames = ['b']\n\
             [[schedulers]]\ntype = 'Triggerable'\nname = 'c'\nbuilderNames = ['c']\n\
             [[builders]]\nname = 'a'\nworkernames = ['w']\nlocks = {parent}\n\
             [[builders.steps]]\ntype = 'Trigger'\nschedulerNames = ['b']\nwaitForFinish = {waits}\n\
             [[builders]]\nname = 'b'\nworkernames = ['w']\n\
             [[builders.steps]]\ntype = 'Trigger'\nschedulerNames = ['c']\nwaitForFinish = true\n\
             [[builders]]\nname = 'c'\nworkernames = ['w']\nlocks = {child}\nsteps = []\n"
        )
    };
    let whole = "[{ name = 'db', access = 'exclusive' }]";
    let two = "[{ name = 'db', count = 2 }]";
    for (waits, parent, child, told) in [
        (true, "['db']", "['db']", false),
        (true, "['db']", whole, true),
        (true, "['db']", two, true),
        (true, "['net']", "['net']", true),
        (true, "['net']", "['db']", false),
        (false, "['net']", "['net']", false),
    ] {
        let report = check(&text(waits, parent, child)).err().unwrap_or_default();
        assert_eq!(report.contains("wait for triggered builds of 'c'"), told, "{report}");
        assert_eq!(report.is_empty(), !told, "{report}");
    }
}
