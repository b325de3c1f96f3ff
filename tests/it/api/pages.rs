//! Pages: each is shown, escaped and without anything from elsewhere.

use super::{text, with_web};

#[test]
fn every_page_is_shown() {
    with_web(|web| async move {
        for (path, says) in [
            ("/", "What is red"),
            ("/waterfall", "b-tests"),
            ("/waterfall?before=20", "newest"),
            ("/builders", "b-tests"),
            ("/builders?tag=nosuch", "no builders"),
            ("/builders/b-tests", "Builds, newest first"),
            ("/builders/2", "b-tests"),
            ("/builders/2/builds/1", "worker_preparation"),
            ("/logs/14", "class=\"log\""),
            ("/logs/1", "were deleted"),
            ("/changes", "commit 2 ä"),
            ("/changes/9", "290079eb3aa7b83bb6e4b63be0372b2eb82fb944"),
            (
                "/changes/9",
                "only-lib</th><td>no</td><td class=\"wide\">the codebase &#x27;&#x27; is not",
            ),
            ("/workers", "maint ü"),
            ("/workers/local2", "maint ü"),
            ("/pending", "wait"),
            ("/projects", "Projects"),
            ("/requests/1", "Request 1"),
            ("/schedulers", "Force a build"),
            ("/schedulers/force/force", "<form class=\"force\""),
            ("/locks", "&lt;db&gt;"),
            ("/locks", "step &lt;load&gt;"),
            ("/locks", "/builders/2/builds/7"),
            ("/locks", "request 3"),
            ("/targets", "the server says: &lt;banned&gt;"),
            ("/targets", "#dev"),
            ("/tree", "it &lt;broke&gt;"),
            ("/about", "host:/srv/master"),
            ("/static/site.css", ":root"),
            ("/static/live.js", "EventSource"),
        ] {
            let response = web.get(path).send().await.unwrap();
            let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
            let (status, page) = text(response).await;
            assert_eq!(status, 200, "{path}: {page}");
            assert!(page.contains(says), "{path} does not say {says}: {page}");
            assert!(!page.contains("{{"), "{path}");
        }
    });
}

#[test]
fn nothing_of_outside_becomes_markup() {
    with_web(|web| async move {
        let page = web.get("/changes").send().await.unwrap().text().await.unwrap();
        assert!(page.contains("cannot reach &lt;it&gt;") && page.contains("Vectors &lt;&amp;&gt;"));
        let page = web.get("/nowhere/%3Cscript%3E").send().await.unwrap();
        let (status, page) = text(page).await;
        assert!(status == 404 && !page.contains("<script>"), "{page}");
        for path in ["/", "/waterfall", "/builders/2/builds/1", "/logs/14"] {
            let page = web.get(path).send().await.unwrap().text().await.unwrap();
            assert!(!page.contains(" style=") && !page.contains(" onclick="), "{path}");
            assert_eq!(page.matches("<script").count(), 1, "{path}: only our own script");
        }
    });
}

#[test]
fn a_force_form_asks_everything_without_a_script() {
    with_web(|web| async move {
        let path = "/schedulers/everything/force";
        let (status, page) = text(web.get(path).send().await.unwrap()).await;
        assert_eq!(status, 200, "{page}");
        for part in [
            "enctype=\"multipart/form-data\"",
            "Why &lt;so&gt;? <span class=\"dim\">(required)</span>",
            "<legend>Codebase: lib</legend>",
            "name=\"lib_branch\"",
            "<input type=\"file\" id=\"f-lib_patch_body\" name=\"lib_patch_body\">",
            "name=\"lib_patch_level\" value=\"1\"",
            "rows=\"20\">a\nb</textarea>",
            "name=\"on\" value=\"true\" checked>",
            "<select id=\"f-many\" name=\"many\" multiple>",
            "data-autopopulate=\"{&quot;a&quot;:{&quot;text&quot;:&quot;&lt;A&gt;&quot;}}\"",
            "<datalist id=\"l-free\">",
            "<option value=\"-any-\">-any-</option><option value=\"local1\">local1</option>",
            "a build whose values are taken over",
            "<datalist id=\"l-from\"><option value=\"b-tests/",
            "<fieldset class=\"nest columns-2\"><legend>Nest</legend>",
            "name=\"nest_n\"",
            "name=\"any_value\"",
        ] {
            assert!(page.contains(part), "no {part} in {page}");
        }
        for hidden in ["lib_project", "lib_repository", "f-fixed", "f-secret"] {
            assert!(!page.contains(hidden), "{hidden} is shown");
        }
        assert_eq!(page.matches("<fieldset").count(), page.matches("</fieldset>").count());

        let boundary = "----formboundary";
        let field = |name: &str, more: &str, value: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n"
            )
        };
        let file = "; filename=\"a.diff\"\r\nContent-Type: text/x-diff";
        let body = [
            field("builderNames", "", "b-tests"),
            field("reason", "", "why"),
            field("text", "", "c\r\nd"),
            field("many", "", "x"),
            field("many", "", "y"),
            field("lib_patch_body", file, "--- a\r\n+++ b\r\n"),
            field("nest_n", "", "7"),
            field("fixed", "", "hacked"),
            format!("--{boundary}--\r\n"),
        ]
        .concat();
        let post = web.post(path).header("Sec-Fetch-Site", "same-origin");
        let post = post.header("Content-Type", format!("multipart/form-data; boundary={boundary}"));
        let response = post.body(body).send().await.unwrap();
        assert_eq!(response.status(), 303);
        let [note] = &web.stage.notes()[..] else { panic!("one note") };
        let expected = concat!(
            r#"force ["b-tests"] {"reason":"why","lib_patch_body":"--- a\r\n+++ b\r\n","#,
            r#""text":"c\nd","on":false,"many":["x","y"],"nest_n":"7"} by "#
        );
        assert!(note.starts_with(expected), "{note}");
    });
}

#[test]
fn controls_are_offered_to_local_clients_only() {
    with_web(|web| async move {
        let path = "/builders/2/builds/1";
        let local = web.get(path).send().await.unwrap().text().await.unwrap();
        let proxied = web.get(path).header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
        assert!(local.contains("/builds/1/rebuild"));
        assert!(!proxied.text().await.unwrap().contains("/rebuild"));
    });
}

#[test]
fn a_build_id_leads_to_its_page_and_unknown_ones_nowhere() {
    with_web(|web| async move {
        let response = web.get("/builds/1").send().await.unwrap();
        assert_eq!(response.headers()["location"], "/builders/2/builds/1");
        for path in [
            "/builds/9999",
            "/builders/nope",
            "/builders/2/builds/999",
            "/changes/99",
            "/workers/nope",
            "/logs/9999",
            "/schedulers/nope/force",
            "/static/nope",
        ] {
            let response = web.get(path).send().await.unwrap();
            assert_eq!(response.status(), 404, "{path}");
        }
    });
}

#[test]
fn a_port_in_use_is_named() {
    use buildbot::config::checked::Listen;
    use buildbot::status::web::server::Door;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error =
        Door::bind(&Listen { interface: Some("127.0.0.1".into()), port, tls: None }).err().unwrap();
    assert!(error.to_string().contains(&format!("port {port}")), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
}
