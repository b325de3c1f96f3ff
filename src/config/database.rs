//! `db`: where the master keeps what it knows.

use std::path::Path;

use super::fields::{Fields, closest};
use super::problems::Problems;
use super::raw::Raw;

/// Stock's default.
pub const DEFAULT_DB_URL: &str = "sqlite:///state.sqlite";

/// Reads `db = { db_url = … }`, or the older `db_url` beside the other keys.
pub fn parse(fields: &mut Fields<'_>, basedir: &Path) -> String {
    let table = fields.take("db");
    let flat = fields.take("db_url");
    if let (Some(_), Some(flat)) = (&table, &flat) {
        fields.problem_at("db_url", &flat.place, "is given in 'db' as well; give it once");
    }
    let url = match (table, &flat) {
        (Some(table), _) => {
            let (path, problems) = fields.nested("db");
            in_table(&table, path, problems)
        }
        (None, flat) => flat.clone().map(|raw| (raw, "db_url".to_owned())),
    };
    let Some((raw, path)) = url else {
        return resolve(DEFAULT_DB_URL, basedir).unwrap_or_default();
    };
    let resolved = match raw.as_text() {
        Some(url) => resolve(url, basedir),
        None => Err(format!("must be a string, not {}", raw.kind())),
    };
    resolved.unwrap_or_else(|message| {
        fields.problem_at(&path, &raw.place, message);
        String::new()
    })
}

fn in_table(table: &Raw, path: String, problems: &mut Problems) -> Option<(Raw, String)> {
    let mut fields = Fields::of(table, path, problems);
    let url = fields.take("db_url").map(|raw| (raw, "db.db_url".to_owned()));
    fields.unsupported(&["engine_kwargs"]);
    fields.finish();
    url
}

/// The URL with an absolute path. `%(basedir)s` is replaced, as in stock. Messages never repeat
/// the URL, which may hold a password.
fn resolve(url: &str, basedir: &Path) -> Result<String, String> {
    const KNOWN: [&str; 4] = ["sqlite", "postgresql", "mysql", "mariadb"];
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("must be a database URL such as {DEFAULT_DB_URL}"));
    };
    // SQLAlchemy's `mysql+pymysql` names a driver, too.
    let scheme = scheme.split('+').next().unwrap_or(scheme);
    if scheme != "sqlite" {
        return Err(match closest(scheme, &KNOWN) {
            Some("sqlite") => format!("unknown database '{scheme}'; did you mean 'sqlite'?"),
            Some(known) => format!("'{known}' is not supported yet; use {DEFAULT_DB_URL}"),
            None => format!("unknown database '{scheme}'; use {DEFAULT_DB_URL}"),
        });
    }
    let Some(file) = rest.strip_prefix('/').filter(|file| !matches!(*file, "" | ":memory:")) else {
        return Err(format!(
            "must name a file after three slashes, such as {DEFAULT_DB_URL}: a database in \
             memory would forget everything"
        ));
    };
    if file.contains('?') {
        return Err("parameters after '?' are not supported for sqlite".into());
    }
    let path = basedir.join(file.replace("%(basedir)s", &basedir.to_string_lossy()));
    match path.parent() {
        Some(parent) if parent != basedir && !parent.is_dir() => {
            Err(format!("the directory '{}' does not exist; create it", parent.display()))
        }
        _ => Ok(format!("sqlite:///{}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let basedir = Path::new("/srv/master");
        for (url, resolved) in [
            ("sqlite:///state.sqlite", "sqlite:////srv/master/state.sqlite"),
            ("sqlite:////state.sqlite", "sqlite:////state.sqlite"),
            ("sqlite:///%(basedir)s/x.sqlite", "sqlite:////srv/master/x.sqlite"),
        ] {
            assert_eq!(resolve(url, basedir).as_deref(), Ok(resolved), "{url}");
        }
    }

    #[test]
    fn wrong_urls_are_not_repeated() {
        for (url, part) in [
            ("state.sqlite", "must be a database URL"),
            ("sqlit:///hunter2", "did you mean 'sqlite'"),
            ("postgresql://me:hunter2@host/bb", "'postgresql' is not supported yet"),
            ("mysql+pymysql://me:hunter2@host/bb", "'mysql' is not supported yet"),
            ("oracle://hunter2", "unknown database 'oracle'"),
            ("sqlite://", "three slashes"),
            ("sqlite:///", "three slashes"),
            ("sqlite:///:memory:", "three slashes"),
            ("sqlite:///state.sqlite?hunter2", "after '?'"),
            ("sqlite:///no/such/directory/state.sqlite", "/srv/master/no/such/directory"),
        ] {
            let message = resolve(url, Path::new("/srv/master")).expect_err(url);
            assert!(message.contains(part), "{url}: {message}");
            assert!(!message.contains("hunter2"), "{url}: {message}");
        }
    }
}
