//! `db_url`: which file a master keeps its database in.

use std::path::Path;

use super::DbError;

/// The file behind a `db_url`. `%(basedir)s` is replaced and a relative path starts at `basedir`.
///
/// # Errors
/// When the URL names another database system, memory, or cannot be understood. The message never
/// repeats the URL, which may hold a password.
pub fn sqlite_path(db_url: &str, basedir: &str) -> Result<String, DbError> {
    let (scheme, rest) = db_url
        .split_once("://")
        .ok_or_else(|| refuse("it is not a URL; write db_url = \"sqlite:///state.sqlite\""))?;
    let system = scheme.split('+').next().unwrap_or_default();
    match system {
        "sqlite" => {}
        "postgresql" | "postgres" | "mysql" | "mariadb" => {
            return Err(refuse(&format!(
                "{system} will be supported by a later version; write \
                 db_url = \"sqlite:///state.sqlite\" for now"
            )));
        }
        _ => {
            return Err(refuse(&format!(
                "{system:?} is not a known database system; write \
                 db_url = \"sqlite:///state.sqlite\""
            )));
        }
    }
    let path = rest.split('?').next().unwrap_or_default();
    let path = match path.strip_prefix('/') {
        Some(path) => path.replace("%(basedir)s", basedir),
        None if path.is_empty() => String::new(),
        None => {
            return Err(refuse(
                "a host makes no sense for sqlite; a relative path has three slashes \
                 (sqlite:///state.sqlite), an absolute one four (sqlite:////var/state.sqlite)",
            ));
        }
    };
    if path.is_empty() || path == ":memory:" {
        return Err(refuse(
            "a database in memory loses everything at the end; write \
             db_url = \"sqlite:///state.sqlite\"",
        ));
    }
    Ok(Path::new(basedir).join(path).to_string_lossy().into_owned())
}

fn refuse(reason: &str) -> DbError {
    DbError::Open { database: "of db_url".to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::sqlite_path;

    #[test]
    fn paths_follow_stock() {
        let cases = [
            ("sqlite:///state.sqlite", "/srv/master/state.sqlite"),
            ("sqlite:///sub/state.sqlite?serialize_access=1", "/srv/master/sub/state.sqlite"),
            ("sqlite:////var/lib/bb.sqlite", "/var/lib/bb.sqlite"),
            ("sqlite:///%(basedir)s/x.sqlite", "/srv/master/x.sqlite"),
            ("sqlite+pysqlite:///state.sqlite", "/srv/master/state.sqlite"),
        ];
        for (url, path) in cases {
            assert_eq!(sqlite_path(url, "/srv/master").unwrap(), path, "{url}");
        }
    }

    #[test]
    fn refusals_name_the_mend_and_no_secret() {
        let cases = [
            ("postgresql://u:s3cret@host/db", "later version"),
            ("mysql+pymysql://u:s3cret@host/db", "later version"),
            ("oracle://u:s3cret@host/db", "not a known"),
            ("sqlite://", "memory"),
            ("sqlite:///:memory:", "memory"),
            ("sqlite://host/state.sqlite", "slashes"),
            ("state.sqlite", "not a URL"),
        ];
        for (url, reason) in cases {
            let error = sqlite_path(url, "/srv/master").unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
