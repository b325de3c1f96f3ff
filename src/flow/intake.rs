//! What every change gets when it comes in: a link to its commit, and a codebase.
//!
//! Stock takes callables (`revlink`, `codebaseGenerator`); here they are tables of rules.

mod codebases;
mod revlinks;

use crate::model::NewChange;

pub use codebases::CodebaseRules;
pub use revlinks::RevlinkRules;

/// The rules of the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IntakeRules {
    pub revlink: RevlinkRules,
    pub codebases: CodebaseRules,
}

impl IntakeRules {
    /// Completes a change, in stock's order: what it has stays.
    pub fn complete(&self, change: &mut NewChange) {
        if change.revlink.is_empty()
            && let Some(revision) = change.revision.as_deref().filter(|rev| !rev.is_empty())
            && let Some(link) = self.revlink.link(revision, &change.repository)
        {
            change.revlink = link;
        }
        if change.codebase.is_empty()
            && let Some(codebase) = self.codebases.codebase(change)
        {
            change.codebase = codebase;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::fields::Fields;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn rules(written: Value) -> Result<IntakeRules, String> {
        let raw = Raw::from_json(written);
        let mut problems = Problems::new();
        let mut fields = Fields::of(&raw, "", &mut problems);
        let revlink = RevlinkRules::read(&mut fields);
        let codebases = CodebaseRules::read(&mut fields);
        fields.finish();
        if problems.is_empty() {
            Ok(IntakeRules { revlink, codebases })
        } else {
            Err(problems.to_string())
        }
    }

    fn change(repository: &str, project: &str) -> NewChange {
        NewChange {
            repository: repository.into(),
            project: project.into(),
            revision: Some("1f".into()),
            ..NewChange::default()
        }
    }

    #[test]
    fn links_are_stocks_or_those_of_the_configuration() {
        let own = json!({ "revlink": [{
            "repo_urls": ["git@git.h:(.*?)(?:\\.git)?$", "https://git.h/(?P<repo>x)$"],
            "revlink": "https://git.h/\\g<1>/-/commit/%s?a=%%",
        }] });
        let gitweb = json!({ "revlink": [
            "GithubRevlink",
            { "type": "GitwebMatch", "repo_urls": "git://h/(?P<repo>.*)", "revlink": "http://h/gitweb" },
        ] });
        let table = [
            (json!({}), "https://github.com/o/r.git", "https://github.com/o/r/commit/1f"),
            (json!({}), "git@github.com:o/r", "https://github.com/o/r/commit/1f"),
            (json!({}), "ssh://git@github.com/o/r.git", "https://github.com/o/r/commit/1f"),
            (json!({}), "https://me@bitbucket.org/o/r.git", "https://bitbucket.org/o/r/commits/1f"),
            (
                json!({}),
                "git://p.git.sourceforge.net/gitroot/p/q",
                "http://p.git.sourceforge.net/git/gitweb.cgi?p=p/q;a=commit;h=1f",
            ),
            (
                json!({}),
                "http://git.code.sf.net/p/q/code",
                "https://sourceforge.net/p/q/code/ci/1f/",
            ),
            (json!({}), "https://elsewhere/r", ""),
            (json!({ "revlink": [] }), "https://github.com/o/r", ""),
            (json!({ "revlink": false }), "https://github.com/o/r", ""),
            (own.clone(), "git@git.h:a/b.git", "https://git.h/a/b/-/commit/1f?a=%"),
            (own.clone(), "https://git.h/x", "https://git.h/x/-/commit/1f?a=%"),
            (own, "https://github.com/o/r", ""),
            (gitweb.clone(), "git://h/a.git", "http://h/gitweb?p=a.git;a=commit;h=1f"),
            (gitweb, "https://github.com/o/r", "https://github.com/o/r/commit/1f"),
        ];
        for (written, repository, expected) in table {
            let mut change = change(repository, "");
            rules(written.clone()).unwrap().complete(&mut change);
            assert_eq!(change.revlink, expected, "{written} {repository}");
        }
        let mut linked =
            NewChange { revlink: "own".into(), ..change("https://github.com/o/r", "") };
        rules(json!({})).unwrap().complete(&mut linked);
        assert_eq!(linked.revlink, "own");
    }

    #[test]
    fn the_first_rule_that_fits_names_the_codebase() {
        let written = json!({ "codebaseGenerator": [
            { "repository_re": ".*/lib\\.git$", "codebase": "lib" },
            { "project": ["app", "application"], "branch": "main", "codebase": "app" },
            { "filter": "'docs' in project", "codebase": "docs" },
            { "repository_re": "https://h/(?P<name>[^/]+)/tools", "codebase": "tools-\\g<name>" },
        ] });
        let rules = rules(written).unwrap();
        let table = [
            ("https://h/lib.git", "app", "lib"),
            ("https://h/x", "app", "app"),
            ("https://h/x", "my docs", "docs"),
            ("https://h/joe/tools", "", "tools-joe"),
            ("https://h/x", "other", ""),
        ];
        for (repository, project, expected) in table {
            let mut change =
                NewChange { branch: Some("main".into()), ..change(repository, project) };
            rules.complete(&mut change);
            assert_eq!(change.codebase, expected, "{repository} {project}");
        }
        let mut own = NewChange { codebase: "own".into(), ..change("https://h/lib.git", "") };
        rules.complete(&mut own);
        assert_eq!(own.codebase, "own");
    }

    #[test]
    fn mistakes_are_told() {
        for (written, expected) in [
            (json!({ "revlink": ["GithubLink"] }), "did you mean 'GithubRevlink'?"),
            (json!({ "revlink": [{ "repo_urls": "(", "revlink": "x" }] }), "repo_urls: '(' is not"),
            (json!({ "revlink": [{ "repo_urls": "a", "revlink": "%s\\2" }] }), "has no group '2'"),
            (json!({ "revlink": [{ "repo_urls": "a" }] }), "needs a value for 'revlink'"),
            (json!({ "codebaseGenerator": [{ "project": "a" }] }), "needs a value for 'codebase'"),
            (json!({ "codebaseGenerator": "x" }), "must be a list of tables"),
            (
                json!({ "codebaseGenerator": [{ "branch_re": "[", "codebase": "c" }] }),
                "codebaseGenerator[0].branch_re: '[' is not",
            ),
        ] {
            let told = rules(written).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }
}
