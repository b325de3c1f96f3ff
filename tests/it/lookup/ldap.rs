//! Addresses from slapd.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::answer;
use super::slapd::Slapd;

/// The option for this server, with further keys.
fn option(url: String, more: &Value) -> Value {
    let mut option = json!({ "type": "LDAP", "url": url, "base": "dc=example,dc=org" });
    for (key, value) in more.as_object().unwrap() {
        option[key] = value.clone();
    }
    option
}

/// Logs in as somebody who sees everything.
fn admin(more: Value) -> Value {
    let mut options = more;
    options["bind_dn"] = json!("cn=admin,dc=example,dc=org");
    options["password"] = json!("sesame");
    options
}

#[tokio::test]
async fn people_are_found_in_a_directory() {
    let slapd = Slapd::start().await;
    let name = json!({ "filter": "(cn=%(name)s)" });
    let whole = json!({ "filter": "(cn=%s)", "base": "ou=open,dc=example,dc=org" });
    let wrong = json!({ "bind_dn": "cn=admin,dc=example,dc=org", "password": "hunter2" });
    let open = "ou=open,dc=example,dc=org";
    for (options, who, expected) in [
        (admin(json!({})), "anna", "anna@example.org"),
        (admin(json!({})), "Anna Somebody <anna@elsewhere.org>", "anna@example.org"),
        (admin(name), "Anna Berg <a@x.org>", "anna@example.org"),
        (
            admin(json!({ "filter": "(mail=%(address)s)", "attribute": "UID" })),
            "other@example.org",
            "!LDAP: \"anna\" is no mail address",
        ),
        (
            admin(json!({ "filter": "(mail=%(address)s)", "attribute": "MAIL" })),
            "other@example.org",
            "anna@example.org",
        ),
        // Nothing in a name means anything to the filter.
        (admin(json!({})), "*", "!unknown to LDAP"),
        (admin(json!({})), "anna)(uid=*", "!unknown to LDAP"),
        (whole.clone(), "Carl (Charly) *", "carl@example.org"),
        (whole.clone(), "Twin", "!LDAP: more than one entry matches (cn=Twin)"),
        (json!({ "base": open }), "emil", "!LDAP: \"no address\" is no mail address"),
        (admin(json!({})), "bob", "!unknown to LDAP"),
        (admin(json!({})), "nobody", "!unknown to LDAP"),
        (json!({ "base": open }), "carl", "carl@example.org"),
        (
            json!({ "base": "ou=people,dc=example,dc=org" }),
            "anna",
            "!LDAP: the server does not let us search 'ou=people,dc=example,dc=org'",
        ),
        (admin(json!({ "base": "dc=nowhere" })), "anna", "!LDAP: there is no base 'dc=nowhere'"),
        (wrong, "anna", "!LDAP: the server does not accept 'bind_dn' and 'password'"),
    ] {
        let option = option(format!("ldap://127.0.0.1:{}", slapd.port), &options);
        assert_eq!(answer(&option, who).await, expected, "{options} {who}");
    }
}

#[tokio::test]
async fn directories_are_asked_over_tls() {
    let slapd = Slapd::start().await;
    let trusted = slapd.ca_file();
    let urls = [
        (format!("ldaps://localhost:{}", slapd.tls_port), false),
        (format!("ldap://localhost:{}", slapd.port), true),
    ];
    for (url, start_tls) in urls {
        let trusting = admin(json!({ "ca_file": trusted, "start_tls": start_tls }));
        assert_eq!(answer(&option(url.clone(), &trusting), "anna").await, "anna@example.org");
        let wary = option(url.clone(), &admin(json!({ "start_tls": start_tls })));
        let wary = answer(&wary, "anna").await;
        assert!(wary.contains("certificate"), "{url}: {wary}");
    }
}

#[tokio::test]
async fn servers_that_are_away_or_strange_are_passed_over() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = closed.local_addr().unwrap();
    drop(closed);
    let refused = answer(&option(format!("ldap://{at}"), &json!({})), "anna").await;
    assert!(refused.contains("Connection refused"), "{refused}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", silent.local_addr().unwrap());
    let slow = option(url, &json!({ "timeout": 0.3 }));
    assert_eq!(answer(&slow, "anna").await, "!LDAP: no answer within 0.3 s");
    let chain = json!([slow, "example.org"]);
    assert_eq!(answer(&chain, "anna").await, "anna@example.org");

    for said in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x30\x03\x02\x01\x01", b""] {
        let strange = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ldap://{}", strange.local_addr().unwrap());
        let talk = tokio::spawn(async move {
            let (mut stream, _) = strange.accept().await.unwrap();
            stream.write_all(said).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let told = answer(&option(url, &json!({ "timeout": 20 })), "anna").await;
        assert!(told.starts_with("!LDAP: ") && !told.contains("no answer within"), "{told}");
        talk.await.unwrap();
    }
}
