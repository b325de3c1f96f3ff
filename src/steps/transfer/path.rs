//! Paths on the master, out of a configured text and what was substituted in it.
//!
//! What somebody could have chosen who must not choose files of the master (a branch name, a property
//! that a worker or a form has set) stays below the directory that the configuration itself names.

use std::path::{Path, PathBuf};

use nix::unistd::User;

use crate::flow::interpolate::Span;

/// One component of a path, and whether anything was substituted in it.
#[derive(Default)]
struct Component {
    text: String,
    substituted: bool,
}

/// The path that `spans` name, relative to `basedir`. A `~` that the configuration begins with is the
/// home directory. `key` is the option, for messages.
///
/// # Errors
/// A message for people: an empty path, an unknown user, or a substitution that would lead out of the
/// directory that is written before it.
pub fn master_path(key: &str, basedir: &Path, spans: &[Span]) -> Result<PathBuf, String> {
    let text: String = spans.iter().map(|span| span.text.as_str()).collect();
    if text.is_empty() {
        return Err(format!("'{key}' is empty"));
    }
    if !spans.iter().any(|span| span.substituted) {
        return Ok(basedir.join(expand_home(key, &text)?));
    }
    let before = spans.iter().take_while(|span| !span.substituted);
    let prefix: String = before.map(|span| span.text.as_str()).collect();
    let named = &prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)];
    let directory = basedir.join(expand_home(key, named)?);
    let shown = if named.is_empty() { "the master's base directory" } else { named };
    let refused = |why: &str| {
        format!("'{key}' is refused: '{text}' would lead out of {shown}, because {why}")
    };
    let mut below: Vec<String> = Vec::new();
    for component in components(spans, named.len()).map_err(refused)? {
        match component.text.as_str() {
            "" | "." => {}
            ".." if component.substituted => return Err(refused("a substituted part says '..'")),
            ".." => {
                below.pop().ok_or_else(|| refused("it has more '..' than directories"))?;
            }
            _ => below.push(component.text),
        }
    }
    Ok(directory.join(below.join("/")))
}

/// What follows the first `skip` bytes, cut at each `/`.
fn components(spans: &[Span], mut skip: usize) -> Result<Vec<Component>, &'static str> {
    let beginning = skip == 0;
    let mut done = Vec::new();
    let mut current = Component::default();
    for span in spans {
        let skipped = skip.min(span.text.len());
        skip -= skipped;
        let text = &span.text[skipped..];
        if span.substituted && text.starts_with('/') && current.text.is_empty() {
            return Err("an absolute path was substituted");
        }
        for (index, part) in text.split('/').enumerate() {
            if index > 0 {
                // Of the whole path: it would have become an absolute one.
                let first = beginning && done.is_empty() && current.text.is_empty();
                if first && !span.substituted {
                    return Err("nothing was substituted before its first '/'");
                }
                done.push(std::mem::take(&mut current));
            }
            current.text.push_str(part);
            current.substituted |= span.substituted;
        }
    }
    done.push(current);
    Ok(done)
}

/// `~/x` and `~user/x`; everything else as it is.
fn expand_home(key: &str, path: &str) -> Result<PathBuf, String> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(PathBuf::from(path)) };
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let home = if user.is_empty() {
        std::env::var_os("HOME").map(PathBuf::from)
    } else {
        User::from_name(user).ok().flatten().map(|user| user.dir)
    };
    match home {
        Some(home) => Ok(home.join(below)),
        None => Err(format!("'{key}' names a home directory that does not exist: '{path}'")),
    }
}

/// The last name of a worker's path, as stock's `basename`: empty behind a `/` at the end.
pub fn base_name<'p>(path: &'p str, system: &str) -> &'p str {
    let separators: &[char] = if system == "nt" { &['/', '\\', ':'] } else { &['/'] };
    path.rsplit(separators).next().unwrap_or_default()
}

/// A name that the worker told, as a name in a directory of the master. A directory may also be the
/// master's directory itself (`None`).
///
/// # Errors
/// A message for people: the name is none.
pub fn safe_name<'p>(path: &'p str, system: &str) -> Result<Option<&'p str>, String> {
    match base_name(path, system) {
        "" | "." => Ok(None),
        ".." => Err(format!("'{path}' has no name of its own; name the directory itself")),
        name if name.contains(['/', '\0']) => Err(format!("'{path}' cannot be a name here")),
        name => Ok(Some(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::interpolate::{RenderContext, Renderable};
    use crate::model::Properties;
    use serde_json::{Value, json};

    fn path_of(written: Value, value: &str) -> Result<String, String> {
        let properties = Properties::from_iter([("p", json!(value), "t")]);
        let context = RenderContext {
            properties: &properties,
            sources: &[],
            worker: &Properties::new(),
            secret: &|_| None,
        };
        let spans = Renderable::parse(&written).unwrap().render_spans(&context).unwrap();
        let path = master_path("masterdest", Path::new("/base"), &spans)?;
        Ok(path.display().to_string())
    }

    #[test]
    fn what_the_configuration_names_is_taken() {
        let home = std::env::var("HOME").unwrap();
        let home_x = format!("{home}/x");
        let kw = json!({"type": "Interpolate", "fmtstring": "%(kw:d)s/%(prop:p)s",
                        "kw": {"d": "/srv/www"}});
        for (written, value, expected) in [
            (json!("out/x"), "", "/base/out/x"),
            (json!("/srv/x"), "", "/srv/x"),
            (json!("../x"), "", "/base/../x"),
            (json!("~/x"), "", home_x.as_str()),
            (json!("~root/x"), "", "/root/x"),
            (json!("out/%(prop:p)s.tar"), "feature/a", "/base/out/feature/a.tar"),
            (json!("../out/%(prop:p)s"), "a", "/base/../out/a"),
            (json!("~/%(prop:p)s"), "x", home_x.as_str()),
            (json!("out/%(prop:p)s/../latest"), "a", "/base/out/latest"),
            (json!("out/%(prop:p)s/x"), "", "/base/out/x"),
            (json!("out-%(prop:p)s/x"), "/y", "/base/out-/y/x"),
            (json!("%(prop:p)s"), "a..b", "/base/a..b"),
            (json!("%(prop:p)s"), "~root/x", "/base/~root/x"),
            (json!("%(prop:none:-/srv)s/x"), "", "/srv/x"),
            (kw, "a", "/srv/www/a"),
        ] {
            assert_eq!(path_of(written.clone(), value).as_deref(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn what_is_substituted_stays_inside() {
        for (written, value, part) in [
            ("out/%(prop:p)s", "../x", "'..'"),
            ("out/%(prop:p)s", "a/../b", "'..'"),
            ("out/%(prop:p)s", "..", "would lead out of out/"),
            ("out/.%(prop:p)s/x", ".", "'..'"),
            ("out/%(prop:p)s../x", "", "'..'"),
            ("out/%(prop:p)s/../../x", "a", "more '..' than"),
            ("out/%(prop:p)s", "/etc/passwd", "an absolute path"),
            ("%(prop:p)s", "/etc/passwd", "the master's base directory"),
            ("%(prop:p)s/etc", "", "nothing was substituted"),
            ("%(prop:p)s", "", "is empty"),
            ("~%(prop:p)s/../x", "root/..", "'..'"),
            ("~nobody-has-this-name/x", "", "home directory"),
        ] {
            let error = path_of(json!(written), value).expect_err(written);
            assert!(error.contains(part), "{written}: {error}");
        }
    }

    #[test]
    fn names_told_by_a_worker_are_names() {
        for (path, system, expected) in [
            ("/a/b.txt", "posix", Ok(Some("b.txt"))),
            ("docs/", "posix", Ok(None)),
            (".", "posix", Ok(None)),
            ("a\\b", "posix", Ok(Some("a\\b"))),
            ("C:\\a\\b", "nt", Ok(Some("b"))),
            ("C:b", "nt", Ok(Some("b"))),
        ] {
            assert_eq!(safe_name(path, system), expected, "{path}");
        }
        assert!(safe_name("a/..", "posix").is_err());
        assert!(safe_name("a\\..", "nt").is_err());
        assert!(safe_name("a\0b", "posix").is_err());
    }
}
