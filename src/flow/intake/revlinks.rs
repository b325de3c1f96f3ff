//! `revlink`: from a repository's URL to the page of a commit.

use crate::config::fields::{Fields, closest};
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::flow::pattern::{Pattern, PatternTemplate};

/// Rules, of which the first that fits the repository makes the link. The default are stock's.
#[derive(Debug, Clone, PartialEq)]
pub struct RevlinkRules(Vec<Rule>);

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    /// One of them must match the repository from its beginning.
    urls: Vec<Pattern>,
    /// What is matched goes in first, then the revision in place of `%s`.
    link: PatternTemplate,
}

/// Names of stock's own rules, their patterns and links.
const STOCK: [(&str, &[&str], &str); 4] = [
    (
        "GithubRevlink",
        &[
            r"https://github\.com/([^/]*)/([^/]*?)(?:\.git)?$",
            r"git://github\.com/([^/]*)/([^/]*?)(?:\.git)?$",
            r"git@github\.com:([^/]*)/([^/]*?)(?:\.git)?$",
            r"ssh://git@github\.com/([^/]*)/([^/]*?)(?:\.git)?$",
        ],
        r"https://github.com/\1/\2/commit/%s",
    ),
    (
        "BitbucketRevlink",
        &[
            r"https://[^@]*@bitbucket\.org/([^/]*)/([^/]*?)(?:\.git)?$",
            r"git@bitbucket\.org:([^/]*)/([^/]*?)(?:\.git)?$",
        ],
        r"https://bitbucket.org/\1/\2/commits/%s",
    ),
    (
        "SourceforgeGitRevlink",
        &[
            r"git://([^.]*)\.git\.sourceforge\.net/gitroot/(?P<repo>.*)$",
            r"[^@]*@([^.]*)\.git\.sourceforge\.net:gitroot/(?P<repo>.*)$",
            r"ssh://(?:[^@]*@)?([^.]*)\.git\.sourceforge\.net/gitroot/(?P<repo>.*)$",
        ],
        r"http://\1.git.sourceforge.net/git/gitweb.cgi?p=\g<repo>;a=commit;h=%s",
    ),
    (
        "SourceforgeGitRevlink_AlluraPlatform",
        &[
            r"git://git\.code\.sf\.net/p/(?P<repo>.*)$",
            r"http://git\.code\.sf\.net/p/(?P<repo>.*)$",
            r"ssh://(?:[^@]*@)?git\.code\.sf\.net/p/(?P<repo>.*)$",
        ],
        r"https://sourceforge.net/p/\1/ci/%s/",
    ),
];

/// What `GitwebMatch` adds to its link.
const GITWEB: &str = r"?p=\g<repo>;a=commit;h=%s";

impl Default for RevlinkRules {
    fn default() -> RevlinkRules {
        RevlinkRules(STOCK.iter().filter_map(|(name, ..)| stock(name)).collect())
    }
}

impl RevlinkRules {
    /// Reads `revlink`: a list of rules and of names of stock's rules; `false` makes no links.
    pub fn read(fields: &mut Fields<'_>) -> RevlinkRules {
        let Some(raw) = fields.take("revlink") else { return RevlinkRules::default() };
        let (path, problems) = fields.nested("revlink");
        let items: Vec<&Raw> = match &raw.value {
            RawValue::Null => return RevlinkRules::default(),
            RawValue::Bool(false) => Vec::new(),
            RawValue::List(items) => items.iter().collect(),
            _ => vec![&raw],
        };
        let rules = items.into_iter().enumerate();
        let rules =
            rules.filter_map(|(index, raw)| rule(raw, &format!("{path}[{index}]"), problems));
        RevlinkRules(rules.collect())
    }

    /// The page of `revision`; `None` when no rule knows the repository.
    pub fn link(&self, revision: &str, repository: &str) -> Option<String> {
        self.0.iter().find_map(|rule| {
            let found = rule.urls.iter().find_map(|url| url.regex().captures(repository))?;
            Some(percent(&rule.link.expand(&found), revision))
        })
    }
}

/// Python's `template % revision`.
fn percent(template: &str, revision: &str) -> String {
    template.split("%%").map(|part| part.replace("%s", revision)).collect::<Vec<_>>().join("%")
}

fn stock(name: &str) -> Option<Rule> {
    let (_, urls, link) = STOCK.iter().find(|(known, ..)| *known == name)?;
    let urls: Vec<Pattern> = urls.iter().filter_map(|url| Pattern::new(url).ok()).collect();
    Some(Rule { link: PatternTemplate::new(link, &urls).ok()?, urls })
}

fn rule(raw: &Raw, path: &str, problems: &mut Problems) -> Option<Rule> {
    if let Some(name) = raw.as_text() {
        let rule = stock(name);
        if rule.is_none() {
            let known = STOCK.map(|(name, ..)| name);
            let message = match closest(name, &known) {
                Some(near) => format!("unknown rule '{name}'; did you mean '{near}'?"),
                None => format!("unknown rule '{name}'; known are: {}", known.join(", ")),
            };
            problems.add(&raw.place, path, message);
        }
        return rule;
    }
    let mut fields = Fields::of(raw, path, problems);
    let gitweb = fields.class(Some("RevlinkMatch"), &["RevlinkMatch", "GitwebMatch"], &[]);
    let sources: Vec<String> = fields.required("repo_urls");
    let place = raw.get("repo_urls").map_or(&raw.place, |raw| &raw.place);
    let mut urls = Vec::new();
    for source in &sources {
        match Pattern::new(source) {
            Ok(url) => urls.push(url),
            Err(message) => fields.problem_at("repo_urls", place, message),
        }
    }
    let mut link: String = fields.required("revlink");
    if gitweb == Some("GitwebMatch") {
        link += GITWEB;
    }
    let place = raw.get("revlink").map_or(&raw.place, |raw| &raw.place);
    let link = PatternTemplate::new(&link, &urls);
    if let Err(message) = &link
        && urls.len() == sources.len()
    {
        fields.problem_at("revlink", place, message.clone());
    }
    fields.finish();
    Some(Rule { urls, link: link.ok()? })
}
