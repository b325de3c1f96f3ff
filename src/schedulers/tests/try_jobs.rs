//! Try jobs, from the configuration to the buildset.

use serde_json::{Value, json};

use super::{NOW, World, problem_of, scheduler};
use crate::flow::try_job::TryJob;
use crate::model::NewPatch;
use crate::schedulers::{Order, Refused, TryEntry, TryRequest, try_jobs};

fn userpass() -> Value {
    json!({
        "type": "Try_Userpass", "name": "try", "port": 8031, "userpass": [["alice", "wonder"]],
        "properties": { "kind": "try" }, "priority": 5,
    })
}

fn job() -> TryJob {
    let patch = NewPatch { level: 1, body: b"+x\n".to_vec(), ..NewPatch::default() };
    TryJob {
        id: "17.5-42".into(),
        branch: Some("main".into()),
        revision: Some("abc".into()),
        patch: Some(patch),
        repository: "r.git".into(),
        project: "p".into(),
        who: "alice".into(),
        comment: "fix é".into(),
        builder_names: vec!["quick".into()],
        properties: [("n".into(), json!("1")), ("kind".into(), json!("mine"))]
            .into_iter()
            .collect(),
    }
}

fn sent(job: TryJob) -> Order {
    Order::Try(Box::new(TryRequest { job, file: None }))
}

#[tokio::test]
async fn a_job_becomes_a_buildset_with_its_patch() {
    let world = World::new().await;
    let config = scheduler(userpass());
    let submitted = world.order(&config, sent(job()), NOW).await.unwrap().unwrap();
    assert_eq!(submitted.requests.len(), 1);
    let (set, properties) = world.buildset(&submitted).await;
    assert_eq!(set.reason, "'try' job by user alice (fix é)");
    assert_eq!(set.external_idstring.as_deref(), Some("17.5-42"));
    let [stamp] = &set.sourcestamps[..] else { panic!("one stamp") };
    assert_eq!((stamp.branch.as_deref(), stamp.revision.as_deref()), (Some("main"), Some("abc")));
    assert_eq!((stamp.repository.as_str(), stamp.project.as_str()), ("r.git", "p"));
    let patch = stamp.patch.as_ref().unwrap();
    assert_eq!((patch.level, patch.body.as_slice()), (1, &b"+x\n"[..]));
    assert_eq!((patch.author.as_str(), patch.comment.as_str()), ("alice", "fix é"));
    assert_eq!(patch.subdir, "");
    let source = |name: &str| properties.property(name).unwrap().source.clone();
    assert_eq!((source("n"), source("kind")), ("try build".into(), "Scheduler".into()));
    assert_eq!(properties.get_str("kind"), Some("try"));
    assert_eq!(properties.get_str("scheduler"), Some("try"));

    let again = world.order(&config, sent(job()), NOW).await.unwrap().unwrap();
    let (again, _) = world.buildset(&again).await;
    assert_ne!(again.sourcestamps[0].id, stamp.id, "a patch makes a stamp of its own");

    let all = TryJob { builder_names: vec![], patch: None, ..job() };
    let submitted = world.order(&config, sent(all), NOW).await.unwrap().unwrap();
    assert_eq!(submitted.requests.len(), 2);
    assert_eq!(world.buildset(&submitted).await.0.sourcestamps[0].patch, None);
}

#[tokio::test]
async fn a_file_is_done_once() {
    let world = World::new().await;
    let config = scheduler(json!({ "type": "Try_Jobdir", "name": "jobs", "jobdir": "jobs" }));
    let from =
        |file: &str| Order::Try(Box::new(TryRequest { job: job(), file: Some(file.into()) }));
    let first = world.order(&config, from("a 1"), NOW).await.unwrap().unwrap();
    let (set, _) = world.buildset(&first).await;
    assert_eq!(set.reason, "'try' job by user alice", "the comment stays with the patch");
    assert_eq!(world.order(&config, from("a 1"), NOW).await.unwrap(), None);
    assert!(world.order(&config, from("a 2"), NOW).await.unwrap().is_some());
    let done = vec!["a 1".to_owned()];
    world.db.write(move |conn| try_jobs::forget(conn, "jobs", &done)).await.unwrap();
    assert!(world.order(&config, from("a 1"), NOW).await.unwrap().is_some());
    assert_eq!(world.order(&config, from("a 2"), NOW).await.unwrap(), None);
}

#[tokio::test]
async fn jobs_that_are_refused_leave_nothing_behind() {
    let world = World::new().await;
    let config = scheduler(userpass());
    let other = TryJob { builder_names: vec!["quick".into(), "secret".into()], ..job() };
    let refused = world.order(&config, sent(other), NOW).await.unwrap_err();
    assert!(matches!(refused, Refused::NoBuilder(name) if name == "secret"));
    world.switch("try", false).await;
    let refused = world.order(&config, sent(job()), NOW).await.unwrap_err();
    assert!(matches!(refused, Refused::Idle(_)), "{refused}");
    let forced = world.order(&config, Order::Force(Default::default()), NOW).await.unwrap_err();
    assert_eq!(forced.to_string(), "there is no force scheduler 'try'");
}

#[test]
fn entries_are_read_and_hide_their_passwords() {
    let config = scheduler(userpass());
    let Some(TryEntry::Clients(logins)) = config.plan.tries() else { panic!("clients") };
    assert_eq!(logins.userpass, [("alice".to_owned(), "wonder".to_owned())]);
    assert!(!format!("{:?}", config.plan).contains("wonder"));
    let mut table = userpass();
    table["userpass"] = json!({ "alice": "wonder" });
    let config = scheduler(table);
    let Some(TryEntry::Clients(again)) = config.plan.tries() else { panic!("clients") };
    assert_eq!(again, logins);
}

#[test]
fn mistakes_are_told() {
    let with = |key: &str, value: Value| {
        let mut table = userpass();
        table["builderNames"] = json!(["quick"]);
        table[key] = value;
        problem_of(&table)
    };
    for (key, value, why) in [
        ("port", Value::Null, "needs a 'port'"),
        ("port", json!("ssl:8031:privateKey=k.pem"), "must be a plain port"),
        ("userpass", Value::Null, "needs 'userpass'"),
        ("userpass", json!([]), "must not be empty"),
        ("userpass", json!(["alice", "wonder"]), "must be a list of pairs"),
        ("userpass", json!([["alice", ""]]), "must not be empty"),
        ("codebases", json!(["lib"]), "leave 'codebases' out"),
        ("jobdir", json!("x"), "unknown key 'jobdir'"),
    ] {
        let told = with(key, value);
        assert!(told.contains(why), "{key}: {told}");
    }
    let jobdir = json!({ "type": "Try_Jobdir", "name": "j", "builderNames": ["quick"] });
    assert!(problem_of(&jobdir).contains("needs a value for 'jobdir'"));
}
