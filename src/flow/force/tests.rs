//! Forms with everything in them.

use serde_json::json;

use super::value::is_true;
use super::*;

fn asked(name: &str, kind: FieldKind, default: Value) -> ForceField {
    ForceField {
        name: name.into(),
        full_name: name.into(),
        label: name.into(),
        tablabel: name.into(),
        kind,
        default,
        ..ForceField::default()
    }
}

fn choice(multiple: bool, strict: bool) -> FieldKind {
    FieldKind::Choice { choices: vec!["a".into(), "it's".into()], multiple, strict }
}

/// A group, with its name before those of its fields.
fn group(name: &str, role: NestedRole, mut fields: Vec<ForceField>) -> ForceField {
    for field in fields.iter_mut().filter(|_| !name.is_empty()) {
        field.full_name = format!("{name}_{}", field.full_name);
    }
    let nested = Nested { role, layout: "vertical".into(), columns: 1, fields };
    asked(name, FieldKind::Nested(nested), json!(""))
}

fn line(name: &str, default: &str) -> ForceField {
    asked(name, FieldKind::default(), json!(default))
}

fn int(name: &str, default: i64) -> ForceField {
    asked(name, FieldKind::Int { size: 10 }, json!(default))
}

fn patch_fields() -> Vec<ForceField> {
    let body = ForceField { maxsize: Some(20), ..asked("body", FieldKind::File, json!("")) };
    vec![body, int("level", 1), line("author", ""), line("comment", ""), line("subdir", ".")]
}

fn form() -> ForceScheduler {
    let codebase = vec![line("branch", "main"), line("revision", "")];
    let username = FieldKind::Username { need_email: true, size: 30 };
    ForceScheduler {
        label: "force".into(),
        button_name: "Force".into(),
        username: asked("username", username, json!("")),
        reason: ForceField { required: true, label: "reason:".into(), ..line("reason", "because") },
        priority: int("priority", 3),
        fields: vec![
            group("", NestedRole::Codebase(String::new()), codebase),
            ForceField { regex: Some("[a-z]*$".into()), maxsize: Some(4), ..line("str", "dflt") },
            int("n", 0),
            asked("on", FieldKind::Bool, json!(false)),
            asked("one", choice(false, true), json!("a")),
            asked("many", choice(true, false), json!(["a"])),
            asked("fixed", FieldKind::Fixed, json!("F")),
        ],
        reason_string: "A build was forced by '%(owner)s': %(reason)s".into(),
    }
}

fn scheduler() -> SchedulerOptions {
    SchedulerOptions {
        name: "f".into(),
        builder_names: vec!["b".into()],
        codebases: [(String::new(), Default::default())].into(),
        ..SchedulerOptions::default()
    }
}

fn read_form(sent: &Map<String, Value>, owner: &str) -> Result<Forced, Refusals> {
    let (inherited, validation) = (Inherited::new(), Validation::default());
    let sent = Sent { values: sent, owner, inherited: &inherited, validation: &validation };
    read(&scheduler(), &form(), &sent)
}

/// Reads a form with these fields only.
fn read_fields(fields: Vec<ForceField>, sent: Value) -> Result<Forced, Vec<(String, String)>> {
    let form = ForceScheduler { fields, ..form() };
    let properties: Properties = [
        ("owner", json!("ann"), SOURCE),
        ("flag", json!(1), SOURCE),
        ("scheduler", json!("f"), "Scheduler"),
    ]
    .into_iter()
    .collect();
    let known = BuildName { builder: "b".into(), number: 7 };
    let mut sent = values(sent);
    sent.insert("reason".into(), "r".into());
    let inherited = match asked_builds(&form, &sent).contains(&known) {
        true => [(known, properties)].into(),
        false => Inherited::new(),
    };
    let validation = Validation::default();
    let sent = Sent { values: &sent, owner: "me", inherited: &inherited, validation: &validation };
    let forced = read(&scheduler(), &form, &sent);
    forced.map_err(|refusals| refusals.into_iter().collect())
}

fn values(json: Value) -> Map<String, Value> {
    json.as_object().cloned().unwrap()
}

fn set(forced: &Forced) -> Value {
    let own = forced.properties.iter().filter(|(name, _)| !["reason", "owner"].contains(name));
    Value::Object(own.map(|(name, property)| (name.to_owned(), property.value.clone())).collect())
}

#[test]
fn defaults_and_values_become_properties() {
    let sent = values(json!({
        "reason": " why ", "username": "Bob <bob@example.org>", "branch": ["dev"], "n": "42",
        "on": true, "many": ["x", " ", "y"], "fixed": "hacked", "unknown": 1, "str": "  "
    }));
    let forced = read_form(&sent, "anonymous").unwrap();
    assert_eq!(forced.reason, "A build was forced by 'Bob <bob@example.org>':  why ");
    assert_eq!(forced.priority, 3);
    assert_eq!(forced.stamps[0].branch.as_deref(), Some("dev"));
    assert_eq!(forced.stamps[0].revision.as_deref(), Some(""));
    let expected: Properties = [
        ("str", json!("dflt"), SOURCE),
        ("n", json!(42), SOURCE),
        ("on", json!(true), SOURCE),
        ("one", json!("a"), SOURCE),
        ("many", json!(["x", "y"]), SOURCE),
        ("fixed", json!("F"), SOURCE),
        ("reason", json!(" why "), SOURCE),
        ("owner", json!("Bob <bob@example.org>"), SOURCE),
    ]
    .into_iter()
    .collect();
    assert_eq!(forced.properties, expected);
}

#[test]
fn every_refusal_is_told_in_stocks_words() {
    let sent = values(json!({
        "reason": "", "username": "me", "str": "ABC", "n": "abc", "one": "zz"
    }));
    let told = read_form(&sent, "").unwrap_err();
    let expected = [
        ("reason", "'reason:' needs to be specified"),
        ("username", "username: please fill in email address in the form 'User <email@email.com>'"),
        ("str", "str:'ABC' does not match pattern '[a-z]*$'"),
        ("n", "invalid literal for int() with base 10: 'abc'"),
        ("one", "'zz' does not belong to list of available choices '['a', \"it's\"]'"),
    ];
    let told: Vec<(&str, &str)> = told.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(told, expected);

    let long = read_form(&values(json!({"reason": "r", "str": "abcde"})), "me").unwrap_err();
    assert_eq!(long["str"], "str: is too large 5 > 4");
}

#[test]
fn a_known_owner_needs_no_username() {
    let forced = read_form(&values(json!({"reason": "r", "username": "x"})), "ann").unwrap();
    assert_eq!(forced.properties.get_str("owner"), Some("ann"));
    let nobody = read_form(&values(json!({"reason": "r"})), "anonymous").unwrap();
    assert_eq!(nobody.reason, "A build was forced by '': r");
}

#[test]
fn each_codebase_has_its_own_stamp() {
    let codebase = |name: &str, fields| group(name, NestedRole::Codebase(name.into()), fields);
    let fields = vec![
        codebase("lib", vec![line("branch", "main")]),
        codebase("app", vec![line("revision", "")]),
        line("branch", "a property"),
    ];
    let forced = read_fields(fields, json!({"app_revision": "abc"})).unwrap();
    let stamp = |codebase: &str, branch: &str, revision: &str| NewSourceStamp {
        codebase: codebase.into(),
        branch: Some(branch.into()),
        revision: Some(revision.into()),
        ..Default::default()
    };
    assert_eq!(forced.stamps, [stamp("lib", "main", ""), stamp("app", "", "abc")]);
    assert_eq!(set(&forced), json!({"branch": "a property"}));
}

#[test]
fn groups_become_dictionaries_unless_they_have_no_name() {
    let inner = || vec![line("s", "x"), int("n", 7)];
    let deep = || group("deep", NestedRole::Group, inner());
    let mut nest = group("nest", NestedRole::Group, vec![deep(), line("s", "y")]);
    let FieldKind::Nested(nested) = &mut nest.kind else { panic!("a group") };
    let FieldKind::Nested(deepest) = &mut nested.fields[0].kind else { panic!("a group") };
    deepest.fields[1].full_name = "nest_deep_n".into();
    for (fields, sent, expected) in [
        (vec![group("", NestedRole::Group, inner())], json!({"n": 1}), json!({"s": "x", "n": 1})),
        (
            vec![group("g", NestedRole::Group, inner())],
            json!({"n": 1, "g_n": "2"}),
            json!({"g": {"s": "x", "n": 2}}),
        ),
        (
            vec![nest],
            json!({"nest_deep_n": 3}),
            json!({"nest": {"deep": {"s": "x", "n": 3}, "s": "y"}}),
        ),
    ] {
        assert_eq!(set(&read_fields(fields, sent).unwrap()), expected);
    }
    let told = read_fields(vec![deep()], json!({"deep_n": "x"})).unwrap_err();
    assert_eq!(told[0].0, "deep_n", "refusals name the field in full");
}

#[test]
fn patches_go_into_the_source_stamp() {
    let patched = || {
        let mut patch = group("patch", NestedRole::Group, patch_fields());
        patch.full_name = "cb_patch".into();
        let FieldKind::Nested(nested) = &mut patch.kind else { panic!("a group") };
        for field in &mut nested.fields {
            field.full_name = format!("cb_{}", field.full_name);
        }
        let nested = Nested {
            role: NestedRole::Codebase("cb".into()),
            layout: "vertical".into(),
            columns: 1,
            fields: vec![line("branch", ""), patch],
        };
        vec![asked("cb", FieldKind::Nested(nested), json!(""))]
    };
    let sent = json!({"cb_patch_body": "+x\n", "cb_patch_author": "me", "cb_patch_level": "0"});
    let forced = read_fields(patched(), sent).unwrap();
    let expected = NewPatch {
        level: 0,
        body: b"+x\n".to_vec(),
        author: "me".into(),
        comment: String::new(),
        subdir: ".".into(),
    };
    assert_eq!(forced.stamps[0].patch, Some(expected));
    assert_eq!(read_fields(patched(), json!({})).unwrap().stamps[0].patch, None);
    let told = read_fields(patched(), json!({"cb_patch_body": "x".repeat(21)})).unwrap_err();
    assert_eq!(told, [("cb_patch_body".into(), "body: is too large 21 > 20".into())]);
    let property = vec![group("patch", NestedRole::Group, patch_fields())];
    let forced = read_fields(property, json!({"patch_body": "+x"})).unwrap();
    assert_eq!(set(&forced)["patch"]["body"], "+x");
}

#[test]
fn properties_of_any_name() {
    let fields =
        || vec![group("any", NestedRole::AnyProperty, vec![line("name", ""), line("value", "")])];
    for (name, value, expected) in [
        ("", "x", Ok(json!({}))),
        ("p.q", "a/b", Ok(json!({"p.q": "a/b"}))),
        ("p", "", Ok(json!({"p": ""}))),
        ("p q", "x", Err("bad property name='p q', value='x'")),
        ("p", "x;y", Err("bad property name='p', value='x;y'")),
    ] {
        let forced = read_fields(fields(), json!({"any_name": name, "any_value": value}));
        match expected {
            Ok(properties) => assert_eq!(set(&forced.unwrap()), properties),
            Err(why) => assert_eq!(forced.unwrap_err(), [("any".into(), why.into())]),
        }
    }
}

#[test]
fn a_worker_is_chosen_or_any() {
    let fields = || vec![asked("workername", FieldKind::Worker { any: "-any-".into() }, json!(""))];
    for (sent, expected) in [
        (json!({"workername": "w1"}), json!({"workername": "w1"})),
        (json!({"workername": "-any-"}), json!({})),
        (json!({}), json!({})),
    ] {
        assert_eq!(set(&read_fields(fields(), sent).unwrap()), expected);
    }
}

#[test]
fn builds_hand_down_what_they_were_forced_with() {
    let fields = |required| {
        let kind = FieldKind::Inherit { builders: vec![] };
        vec![ForceField { required, ..asked("from", kind, json!("")) }]
    };
    let found = json!({"from": "b/7", "orig_owner": "ann", "flag": 1});
    for (sent, expected) in [
        ("b/7", Ok(found.clone())),
        ("b/7 the last good one", Ok(found)),
        ("", Ok(json!({}))),
        ("b", Err("bad build: b")),
        ("b/x", Err("bad build: b/x")),
        ("c/7", Err("unknown builder: c in c/7")),
        ("b/8", Err("unknown build: b in b/8")),
    ] {
        let forced = read_fields(fields(false), json!({"from": [sent]}));
        match expected {
            Ok(properties) => assert_eq!(set(&forced.unwrap()), properties, "{sent}"),
            Err(why) => assert_eq!(forced.unwrap_err(), [("from".into(), why.into())]),
        }
    }
    let told = read_fields(fields(true), json!({})).unwrap_err();
    assert_eq!(told, [("from".into(), "'from' needs to be specified".into())]);
}

#[test]
fn only_true_switches_on() {
    for (value, expected) in [
        (json!(true), true),
        (json!([true]), true),
        (json!(1), true),
        (json!("true"), false),
        (json!("on"), false),
        (json!(false), false),
    ] {
        assert_eq!(is_true(&value), expected, "{value}");
    }
}

/// The keys of a recorded answer of stock Buildbot 4.3.
#[test]
fn the_description_has_the_shape_of_the_interface() {
    const ALL: &str = "autopopulate default fullName hide label maxsize multiple name regex required \
                       tablabel tooltip type";
    let mut form = form();
    form.fields.extend([
        asked("file", FieldKind::File, json!("")),
        asked("workername", FieldKind::Worker { any: "-any-".into() }, json!("")),
        asked("from", FieldKind::Inherit { builders: vec!["b".into()] }, json!("")),
        asked("area", FieldKind::TextArea { cols: 40, rows: 4, size: 10 }, json!("")),
        group("nest", NestedRole::Group, vec![int("n", 7)]),
    ]);
    let offers = Offers {
        workers: vec!["w2".into(), "w1".into()],
        builds: ["b/9", "c/4", "b/8"].map(str::to_owned).into(),
    };
    let told = describe(&scheduler(), &form, &offers, true);
    assert_eq!(told["button_name"], "Force");
    let fields = told["all_fields"].as_array().unwrap();
    let names = |group: &Value| -> Vec<String> {
        let fields = group["fields"].as_array().unwrap();
        fields.iter().map(|f| f["fullName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&fields[0]), ["username", "reason", "priority"]);
    assert_eq!(names(&fields[1]), ["branch", "revision"]);
    assert_eq!(fields[0]["fullName"], Value::Null);
    for (name, kind, more) in [
        ("str", "text", "size"),
        ("area", "textarea", "cols rows size"),
        ("n", "int", "size"),
        ("on", "bool", ""),
        ("one", "list", "choices strict"),
        ("workername", "list", "choices strict"),
        ("from", "list", "choices strict"),
        ("fixed", "fixed", ""),
        ("file", "file", ""),
        ("nest", "nested", "columns fields layout"),
    ] {
        let field = fields.iter().find(|field| field["name"] == name).unwrap();
        assert_eq!(field["type"], kind);
        let mut keys: Vec<&str> = field.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let mut expected: Vec<&str> = ALL.split(' ').chain(more.split_whitespace()).collect();
        expected.sort_unstable();
        assert_eq!(keys, expected, "{name}");
    }
    let workers = fields.iter().find(|field| field["name"] == "workername").unwrap();
    assert_eq!(workers["choices"], json!(["-any-", "w1", "w2"]));
}
