//! Which branches of a remote repository a poller watches, and what is new on them.

use globset::GlobBuilder;
use indexmap::IndexMap;
use serde_json::json;

use super::expression::Expression;

/// Heads of the watched branches, in the remote's order: state key -> commit id. The key is the
/// bare name when the branches are listed, and `refs/heads/…` otherwise, as stock keeps them.
pub type Heads = IndexMap<String, String>;

/// Branches of a remote repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remote {
    /// The ref that `HEAD` stands for, `refs/heads/main`.
    pub head: Option<String>,
    /// Full ref name -> commit id.
    pub refs: IndexMap<String, String>,
}

/// Which branches are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// The one the remote's `HEAD` names.
    Head,
    All,
    /// Exact names and shell patterns, whose `*` crosses slashes as in git.
    Named(Vec<String>),
    /// Tags instead of branches.
    Tags,
    /// Branches and tags for which the expression is true: `ref` is the full name, `branch` the
    /// name without `refs/heads/`.
    Computed(Expression),
}

const HEADS: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// Reads the answer of `git ls-remote --symref`. Lines that are not understood are left out.
pub fn parse_ls_remote(output: &[u8]) -> Remote {
    let mut remote = Remote::default();
    for line in String::from_utf8_lossy(output).lines() {
        let Some((value, name)) = line.split_once('\t') else { continue };
        match value.strip_prefix("ref: ") {
            Some(target) if name == "HEAD" => remote.head = Some(target.to_owned()),
            // `v1^{}` is what the tag `v1` stands for.
            None if name.starts_with(HEADS) || name.starts_with(TAGS) && !name.ends_with("^{}") => {
                remote.refs.insert(name.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    remote
}

impl Watched {
    /// Patterns of the refs that the remote must be asked for.
    pub fn asked(&self) -> &'static [&'static str] {
        match self {
            Watched::Tags => &["refs/tags/*"],
            Watched::Computed(_) => &["refs/heads/*", "refs/tags/*"],
            Watched::Head | Watched::All | Watched::Named(_) => &["refs/heads/*"],
        }
    }

    /// The heads of the wanted branches.
    ///
    /// # Errors
    /// A message for people, when an expression cannot be evaluated.
    pub fn heads(&self, remote: &Remote) -> Result<Heads, String> {
        let below = |prefix| move |(name, _): &(&String, &String)| name.starts_with(prefix);
        let owned = |(name, commit): (&String, &String)| (name.clone(), commit.clone());
        Ok(match self {
            Watched::All => remote.refs.iter().filter(below(HEADS)).map(owned).collect(),
            Watched::Tags => remote.refs.iter().filter(below(TAGS)).map(owned).collect(),
            Watched::Head => {
                let head = remote.head.as_ref().and_then(|name| remote.refs.get_key_value(name));
                head.map(owned).into_iter().collect()
            }
            Watched::Named(names) => remote
                .refs
                .iter()
                .filter_map(|(name, commit)| Some((name.strip_prefix(HEADS)?, commit)))
                .filter(|(branch, _)| names.iter().any(|wanted| fits(wanted, branch)))
                .map(|(branch, commit)| (branch.to_owned(), commit.clone()))
                .collect(),
            Watched::Computed(expression) => {
                let mut heads = Heads::new();
                for (name, commit) in &remote.refs {
                    let facts = json!({ "ref": name, "branch": branch_name(name) });
                    if expression.holds(&facts)? {
                        heads.insert(name.clone(), commit.clone());
                    }
                }
                heads
            }
        })
    }

    /// Names without a wildcard that the remote does not have.
    pub fn missing(&self, remote: &Remote) -> Vec<String> {
        let Watched::Named(names) = self else { return Vec::new() };
        let known = |name: &str| remote.refs.contains_key(&format!("{HEADS}{name}"));
        let missing = names.iter().filter(|name| !name.contains(['*', '?', '[']) && !known(name));
        missing.cloned().collect()
    }
}

fn fits(wanted: &str, branch: &str) -> bool {
    wanted == branch
        || GlobBuilder::new(wanted)
            .literal_separator(false)
            .build()
            .is_ok_and(|glob| glob.compile_matcher().is_match(branch))
}

/// The full ref of a state key.
pub fn full_ref(key: &str) -> String {
    if key.starts_with("refs/") { key.to_owned() } else { format!("{HEADS}{key}") }
}

/// The branch name that a change carries.
pub fn branch_name(key: &str) -> &str {
    key.strip_prefix(HEADS).unwrap_or(key)
}

/// Keys whose head is not the one that was seen last, the new ones included.
pub fn moved(last: &Heads, now: &Heads) -> Vec<String> {
    now.iter()
        .filter(|(key, commit)| last.get(*key) != Some(commit))
        .map(|(key, _)| key.clone())
        .collect()
}

/// How a walk for the new commits of one branch is limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Walk {
    /// `git rev-list`'s standard input: the new head, and all heads seen so far excluded.
    Since(String),
    /// The old head is gone from the clone: only the new head can be told.
    HeadOnly(String),
}

/// Plans the walk to the head `new` of `key`. `known` tells which commits the clone still has.
///
/// The heads of all branches are excluded, so that a commit is reported for the branch where it was
/// seen first; the old head of a rewritten branch is among them.
pub fn walk(key: &str, new: &str, last: &Heads, known: impl Fn(&str) -> bool) -> Walk {
    if last.get(key).is_some_and(|old| !known(old)) {
        return Walk::HeadOnly(new.to_owned());
    }
    let mut input = format!("{new}\n");
    for old in last.values().filter(|old| known(old)) {
        input.push('^');
        input.push_str(old);
        input.push('\n');
    }
    Walk::Since(input)
}

/// `text` without the user names and passwords of the URLs in it.
pub fn masked(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme_end) = rest.find("://").map(|at| at + 3) {
        let (head, tail) = rest.split_at(scheme_end);
        result.push_str(head);
        let authority = tail.find(|c: char| "/?#'\"".contains(c) || c.is_whitespace());
        let authority = &tail[..authority.unwrap_or(tail.len())];
        rest = match authority.rfind('@') {
            Some(at) => {
                result.push_str("***@");
                &tail[at + 1..]
            }
            None => tail,
        };
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(pairs: &[(&str, &str)]) -> Heads {
        pairs.iter().map(|(key, commit)| ((*key).to_owned(), (*commit).to_owned())).collect()
    }

    fn remote() -> Remote {
        parse_ls_remote(
            b"ref: refs/heads/main\tHEAD\n1\tHEAD\n2\trefs/heads/dev\n3\trefs/heads/feature/a/b\n\
              1\trefs/heads/main\n9\trefs/tags/v1\n1\trefs/tags/v1^{}\nwarning: odd\n",
        )
    }

    fn computed(source: &str) -> Watched {
        Watched::Computed(Expression::parse(source).unwrap())
    }

    #[test]
    fn branches_are_chosen_and_keyed_as_in_stock() {
        let table = [
            (Watched::Head, heads(&[("refs/heads/main", "1")])),
            (
                Watched::All,
                heads(&[
                    ("refs/heads/dev", "2"),
                    ("refs/heads/feature/a/b", "3"),
                    ("refs/heads/main", "1"),
                ]),
            ),
            (Watched::Named(vec!["main".into(), "gone".into()]), heads(&[("main", "1")])),
            (Watched::Named(vec!["feature/*".into()]), heads(&[("feature/a/b", "3")])),
            (Watched::Named(vec!["[".into()]), heads(&[])),
            (Watched::Tags, heads(&[("refs/tags/v1", "9")])),
            (
                computed("branch == 'dev' or ref is startingwith('refs/tags/')"),
                heads(&[("refs/heads/dev", "2"), ("refs/tags/v1", "9")]),
            ),
        ];
        for (watched, expected) in table {
            assert_eq!(watched.heads(&remote()), Ok(expected), "{watched:?}");
        }
        assert_eq!(Watched::Head.heads(&Remote::default()), Ok(heads(&[])));
        assert!(computed("no_such()").heads(&remote()).is_err());
    }

    #[test]
    fn only_plain_names_can_be_missing() {
        let watched = Watched::Named(vec!["main".into(), "mian".into(), "x*".into()]);
        assert_eq!(watched.missing(&remote()), ["mian"]);
        assert_eq!(Watched::All.missing(&Remote::default()), Vec::<String>::new());
    }

    #[test]
    fn moved_heads_are_found() {
        let last = heads(&[("a", "1"), ("b", "2"), ("gone", "3")]);
        let now = heads(&[("a", "1"), ("b", "4"), ("new", "5")]);
        assert_eq!(moved(&last, &now), ["b", "new"]);
    }

    #[test]
    fn a_walk_excludes_what_was_seen() {
        let last = heads(&[("a", "1"), ("b", "2")]);
        let all = |_: &str| true;
        assert_eq!(walk("a", "9", &last, all), Walk::Since("9\n^1\n^2\n".into()));
        assert_eq!(walk("new", "9", &last, all), Walk::Since("9\n^1\n^2\n".into()));
        assert_eq!(walk("a", "9", &last, |id| id != "2"), Walk::Since("9\n^1\n".into()));
        assert_eq!(walk("a", "9", &last, |id| id != "1"), Walk::HeadOnly("9".into()));
    }

    #[test]
    fn credentials_are_masked() {
        let table = [
            ("https://user:secret@example.org/x.git", "https://***@example.org/x.git"),
            (
                "fatal: 'https://tok@h/x' and http://a:p@b@h",
                "fatal: 'https://***@h/x' and http://***@h",
            ),
            ("https://example.org/a@b", "https://example.org/a@b"),
            ("git@example.org:x.git", "git@example.org:x.git"),
            ("/srv/repo", "/srv/repo"),
        ];
        for (text, expected) in table {
            assert_eq!(masked(text), expected);
        }
    }
}
