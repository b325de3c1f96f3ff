//! Owner and name of a repository, from its address.

/// A repository at a forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitUrl {
    /// May have several parts: `group/subgroup`.
    pub owner: String,
    pub repo: String,
}

/// Reads `https://host/owner/repo.git`, `ssh://git@host:22/owner/repo`, `git@host:owner/repo` and
/// their like; `None` for what names no owner, such as a path on this machine.
pub fn parse(url: &str) -> Option<GitUrl> {
    let known = ["https://", "http://", "ssh://", "git://"];
    let rest = known.iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = match rest {
        None if url.contains("://") => return None,
        rest => rest.unwrap_or(url),
    };
    let authority = rest.find('/').unwrap_or(rest.len());
    let rest = rest[..authority].rfind('@').map_or(rest, |at| &rest[at + 1..]);
    let (host, path) = rest.split_at(rest.find([':', '/'])?);
    let path = match path.strip_prefix(':') {
        Some(path) => without_port(path),
        None => path,
    };
    let path = path.trim_matches('/');
    let path = Some(path).filter(|_| !host.is_empty())?;
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, repo) = path.rsplit_once('/')?;
    let whole = !repo.is_empty() && owner.split('/').all(|part| !part.is_empty());
    whole.then(|| GitUrl { owner: owner.to_owned(), repo: repo.to_owned() })
}

fn without_port(path: &str) -> &str {
    match path.split_once('/') {
        Some((port, rest)) if port.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_names_are_found_in_addresses() {
        let table = [
            ("https://github.com/buildbot/buildbot", Some(("buildbot", "buildbot"))),
            ("https://github.com/buildbot/buildbot.git", Some(("buildbot", "buildbot"))),
            ("https://github.com/buildbot/buildbot/", Some(("buildbot", "buildbot"))),
            ("https://me:p@ss@github.com/o/r.git", Some(("o", "r"))),
            ("git@github.com:o/r.git", Some(("o", "r"))),
            ("github.com:o/r", Some(("o", "r"))),
            ("ssh://git@github.com/o/r.git", Some(("o", "r"))),
            ("ssh://git@host:2222/o/r.git", Some(("o", "r"))),
            ("https://host:8443/o/r", Some(("o", "r"))),
            ("git://host/o/r.x.git", Some(("o", "r.x"))),
            ("git@gitlab.com:group/sub/r.git", Some(("group/sub", "r"))),
            ("https://host/12/o/r", Some(("12/o", "r"))),
            ("https://github.com/r", None),
            ("/srv/git/o/r.git", None),
            ("file:///srv/git/o/r.git", None),
            ("svn+ssh://host/o/r", None),
            ("https://", None),
            ("", None),
        ];
        for (url, expected) in table {
            let found = parse(url);
            let found = found.as_ref().map(|url| (url.owner.as_str(), url.repo.as_str()));
            assert_eq!(found, expected, "{url}");
        }
    }
}
