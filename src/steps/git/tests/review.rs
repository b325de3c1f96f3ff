//! Changes under review on GitHub, GitLab and Gerrit.

use serde_json::json;

use super::{World, commit, git};
use crate::model::Results;
use crate::steps::fake::{FakeBench, stamp};

#[tokio::test]
async fn github_builds_the_merge_as_it_is_now() {
    let world = World::new();
    let old = git(&world.origin, &["rev-parse", "HEAD"]);
    git(&world.origin, &["checkout", "-q", "--detach"]);
    let merge = commit(&world.origin, "file", "merged");
    git(&world.origin, &["update-ref", "refs/pull/7/merge", &merge]);
    git(&world.origin, &["checkout", "-q", "main"]);
    let options = json!({"type": "GitHub"});
    let built = world.build(options.clone(), "refs/pull/7/merge", Some(&old)).await.succeeded();
    assert_eq!(built.revision(), merge);
    let property = built.bench.properties.property("got_revision").unwrap();
    assert_eq!(property.source, "GitHub");
    let built = world.build(options, "main", Some(&old)).await.succeeded();
    assert_eq!(built.revision(), old, "a branch is built as the stamp says");
}

#[tokio::test]
async fn gitlab_builds_the_source_of_a_merge_request() {
    let world = World::new();
    let fork = world.origin.with_file_name("fork");
    git(&world.builder, &["clone", "-q", world.origin.to_str().unwrap(), fork.to_str().unwrap()]);
    git(&fork, &["checkout", "-q", "-b", "proposal"]);
    let proposed = commit(&fork, "file", "proposed");
    let own = git(&world.origin, &["rev-parse", "HEAD"]);
    let bench = || {
        let mut bench = FakeBench::local(&world.builder);
        bench.sources = vec![stamp("", Some("main"), Some(&own))];
        bench.properties.set("target_branch", "main", "Change");
        bench.properties.set("source_branch", "proposal", "Change");
        bench
    };
    let mut request = bench();
    request.properties.set("source_git_ssh_url", fork.to_str().unwrap(), "Change");
    let options = json!({"type": "GitLab"});
    let built = world.build_on(request, options.clone()).await.succeeded();
    assert_eq!(built.revision(), proposed);
    let built = world.build_on(bench(), options.clone()).await;
    assert!(built.text.contains("no property 'source_git_ssh_url'"), "{}", built.text);
    let built = world.build(options, "main", None).await.succeeded();
    assert_eq!(built.revision(), own, "other builds are as usual");
}

#[tokio::test]
async fn gerrit_builds_the_patch_set() {
    let world = World::new();
    let main = git(&world.origin, &["rev-parse", "HEAD"]);
    git(&world.origin, &["checkout", "-q", "--detach"]);
    let set = commit(&world.origin, "file", "patch set");
    git(&world.origin, &["update-ref", "refs/changes/05/105/2", &set]);
    git(&world.origin, &["checkout", "-q", "main"]);
    // Project of the event, reference of the event, change of the form; what is built.
    let cases = [
        (Some("app"), Some("refs/changes/05/105/2"), None, &set),
        (Some("app"), None, Some("105/2"), &set),
        (None, None, Some("105/2"), &set),
        (Some("other"), Some("refs/changes/05/105/2"), Some("105/2"), &main),
        (Some("app"), None, Some("nonsense"), &main),
        (Some("app"), Some("--upload-pack=x"), None, &main),
        (None, None, None, &main),
    ];
    for (project, reference, change, expected) in cases {
        let mut bench = FakeBench::local(&world.builder);
        bench.sources = vec![stamp("", Some("main"), None)];
        bench.sources[0].project = "app".to_owned();
        let properties = [
            ("event.change.project", project),
            ("event.patchSet.ref", reference),
            ("gerrit_change", change),
        ];
        for (name, value) in properties {
            if let Some(value) = value {
                bench.properties.set(name, value, "Change");
            }
        }
        let built = world.build_on(bench, json!({"type": "Gerrit"})).await.succeeded();
        assert_eq!(built.revision(), expected, "{project:?} {reference:?} {change:?}");
        let named = built.bench.properties.get_str("gerrit_branch").is_some();
        assert_eq!(named, expected == &set);
    }
}

#[tokio::test]
async fn names_from_outside_are_no_options() {
    let world = World::new();
    for (branch, revision) in [("--upload-pack=touch x", None), ("main", Some("--output=x"))] {
        let built = world.build(json!({}), branch, revision).await;
        assert_eq!(built.results, Results::Failure);
        assert!(built.text.contains("must not begin with a hyphen"), "{}", built.text);
        assert!(built.bench.commands.is_empty());
    }
}
