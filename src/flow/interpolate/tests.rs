//! Expected values are what Buildbot 4.3's `Interpolate` gives.

use serde_json::{Value, json};

use super::*;
use crate::model::SourceStampId;

fn stamp(codebase: &str, branch: Option<&str>) -> SourceStamp {
    SourceStamp {
        id: SourceStampId(1),
        branch: branch.map(str::to_owned),
        revision: Some("abc".into()),
        repository: "https://example.org/r.git".into(),
        project: String::new(),
        codebase: codebase.into(),
        created_at: 0,
        patch: None,
    }
}

fn rendered(value: &Value) -> Result<Rendered, InterpolateError> {
    let properties = Properties::from_iter([
        ("a", json!("A"), "t"),
        ("empty", json!(""), "t"),
        ("none", Value::Null, "t"),
        ("n", json!(7), "t"),
        ("f", json!(1.0), "t"),
        ("yes", json!(true), "t"),
        ("no", json!(false), "t"),
        ("list", json!(["x", 1, null, "it's"]), "t"),
        ("dict", json!({"k": [true]}), "t"),
    ]);
    let worker = Properties::from_iter([("numcpus", json!(8), "t")]);
    let sources = [stamp("", Some("main")), stamp("lib", None)];
    let secret = |name: &str| (name == "token").then(|| "s3cret".to_owned());
    let context = RenderContext {
        properties: &properties,
        sources: &sources,
        worker: &worker,
        secret: &secret,
    };
    Renderable::parse(value)?.render_secret_aware(&context)
}

#[test]
fn what_is_not_set_is_told() {
    let value =
        json!(["%(prop:gone)s %(prop:none)s %(prop:lost:-x)s", "%(prop:a:-%(prop:lost)s)s"]);
    assert_eq!(rendered(&value).unwrap().unset, ["gone"]);
}

#[test]
fn substitutions_follow_stock() {
    let cases = [
        ("plain 100%", "plain 100%"),
        ("%% kept, %Y too", "%% kept, %Y too"),
        ("%(prop:a)s", "A"),
        ("%(prop:a)s 100%%", "A 100%"),
        ("<%(prop:missing)s>", "<>"),
        ("<%(prop:none)s>", "<>"),
        ("%(prop:missing:-d)s", "d"),
        ("%(prop:empty:-d)s", ""),
        ("%(prop:none:-d)s", ""),
        ("%(prop:empty:~d)s", "d"),
        ("%(prop:no:~d)s", "d"),
        ("%(prop:a:~d)s", "A"),
        ("%(prop:a:+there)s", "there"),
        ("%(prop:empty:+there)s", "there"),
        ("%(prop:missing:+there)s", ""),
        ("%(prop:a:?|yes|no)s", "yes"),
        ("%(prop:missing:?|yes|no)s", "no"),
        ("%(prop:empty:?:yes:no)s", "yes"),
        ("%(prop:empty:#?|yes|no)s", "no"),
        ("%(prop:n:#?|yes|no)s", "yes"),
        ("%(prop:missing:-%(prop:a)s)s", "A"),
        ("%(prop:missing:-%(prop:gone:-%(prop:n)s)s!)s", "7!"),
        ("%(prop:a:?|%(prop:n)s|(x|y))s", "7"),
        ("%(prop:missing:?|%(prop:n)s|(x|y))s", "(x|y)"),
        ("%(prop:missing:-a:b)s", "a:b"),
        ("%(prop:n)s %(prop:f)s %(prop:yes)s", "7 1.0 True"),
        ("%(prop:n)r|%(prop:a)r|%(prop:a)3s|%(prop:a)-3s|", "7|'A'|  A|A  |"),
        ("%(prop:list)s", "['x', 1, None, \"it's\"]"),
        ("%(prop:dict)s", "{'k': [True]}"),
        ("%(src::branch)s@%(src::revision)s", "main@abc"),
        ("%(src:lib:branch:-d)s", ""),
        ("%(src:lib:branch:~d)s", "d"),
        ("%(src:none:branch:-d)s", "d"),
        ("%(src:lib:codebase)s", "lib"),
        ("-j%(worker:numcpus)s", "-j8"),
        ("%(worker:gone:-2)s", "2"),
        ("%(kw:none)s.", "."),
        ("x%(secret:token)s", "xs3cret"),
    ];
    for (format, expected) in cases {
        assert_eq!(rendered(&json!(format)).unwrap().value, json!(expected), "{format}");
    }
}

#[test]
fn whole_values_are_rendered() {
    let value = json!({"%(prop:a)s": ["%(prop:n)s", 3, {"x": "%(src::branch)s"}], "y": null});
    let expected = json!({"A": ["7", 3, {"x": "main"}], "y": null});
    assert_eq!(rendered(&value).unwrap().value, expected);
    let typed = |value: Value| rendered(&value).unwrap().value;
    assert_eq!(typed(json!({"type": "Property", "key": "list"}))[1], 1);
    assert_eq!(typed(json!({"type": "Property", "key": "no", "default": "d"})), "d");
    let kept = json!({"type": "Property", "key": "no", "default": 1, "defaultWhenFalse": false});
    assert_eq!(typed(kept), false);
    let with_kw = json!({
        "type": "Interpolate",
        "fmtstring": "%(kw:x)s/%(kw:y:-%(kw:x)s)s",
        "kw": {"x": "%(prop:a)s"},
    });
    assert_eq!(typed(with_kw), "A/A");
    assert_eq!(typed(json!({"type": "GitPoller"})), json!({"type": "GitPoller"}));
}

#[test]
fn mistakes_are_found_when_parsing() {
    let cases = [
        ("%(prop:a)s 100%", "'%%'"),
        ("%(prop:a", "without its ')'"),
        ("%(prop:a)", "conversion"),
        ("%(prop:a)q", "conversion"),
        ("%(prop:n)d", "conversion"),
        ("%(prop:a b)s", "property 'a b'"),
        ("%(src:branch)s", "codebase and attribute"),
        ("%(prop:a:=d)s", "':-'"),
        ("%(prop:a:?|only)s", "two alternatives"),
        ("%(prop:a:?(x(y)s", "without its ')'"),
        ("%(prop:a:-%(nonsense:b)s)s", "unknown selector 'nonsense'"),
        ("%(prop:a)s %(b)s", "needs a selector"),
    ];
    for (format, part) in cases {
        let message = Renderable::parse(&json!([format])).unwrap_err().to_string();
        assert!(message.contains(part), "{format}: {message}");
    }
    assert!(rendered(&json!("%(secret:x)s")).unwrap_err().0.contains("'x'"));
}

#[test]
fn secrets_are_reported_and_masked() {
    let result =
        rendered(&json!(["curl", "-H%(secret:token)s", {"type": "Secret", "name": "token"}]));
    let result = result.unwrap();
    assert_eq!(result.value[1], "-Hs3cret");
    assert_eq!(result.secrets.len(), 1);
    assert!(!format!("{:?}", result.secrets).contains("s3cret"));
    assert_eq!(mask("a s3cret b", &result.secrets), "a <token> b");
    let long = UsedSecret { name: "key".into(), value: "BEGIN\nabcdef\n}\n".into() };
    assert_eq!(mask("x abcdef y }", &[long]), "x <key> y }");
    assert!(matches!(mask("clean", &result.secrets), Cow::Borrowed("clean")));
}

proptest::proptest! {
    /// No text makes the parser panic, and what it accepts renders.
    #[test]
    fn any_text_is_judged(text in "(%|\\(|\\)|prop|src|kw|:|-|~|\\+|\\?|#|\\||s|a|\u{e9}){0,30}") {
        if Renderable::parse(&json!(text)).is_ok() {
            proptest::prop_assert!(rendered(&json!(text)).is_ok());
        }
    }
}

#[test]
fn spans_tell_what_the_configuration_says_itself() {
    let properties = Properties::from_iter([("a", json!("A"), "t"), ("none", Value::Null, "t")]);
    let context = RenderContext {
        properties: &properties,
        sources: &[],
        worker: &Properties::new(),
        secret: &|_| None,
    };
    let kw =
        |value: Value| json!({"type": "Interpolate", "fmtstring": "%(kw:d)s", "kw": {"d": value}});
    let cases = [
        (json!("plain"), "plain"),
        (json!("x/%(prop:a)s/y"), "x/<A>/y"),
        (json!("%(prop:missing)s/y"), "<>/y"),
        (json!("%(prop:missing:-d)s/y"), "d/y"),
        (json!("%(prop:missing:-d%(prop:a)s)s"), "d<A>"),
        (json!("%(prop:a:?|yes|%(prop:a)s)s"), "yes"),
        (json!("%(prop:a)r"), "<'A'>"),
        (json!("%(prop:missing:-d)2s"), "< d>"),
        (kw(json!("/srv")), "/srv"),
        (kw(json!("/srv/%(prop:a)s")), "/srv/<A>"),
        (json!({"type": "Property", "key": "a", "default": "d"}), "<A>"),
        (json!({"type": "Property", "key": "b", "default": "d"}), "d"),
        (json!({"type": "Property", "key": "none", "defaultWhenFalse": false}), "<>"),
    ];
    for (value, expected) in cases {
        let spans = Renderable::parse(&value).unwrap().render_spans(&context).unwrap();
        let shown: String = spans
            .iter()
            .map(|span| match span.substituted {
                true => format!("<{}>", span.text),
                false => span.text.clone(),
            })
            .collect();
        assert_eq!(shown, expected, "{value}");
    }
}
