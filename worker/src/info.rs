//! What the worker tells about itself: `get_worker_info`.

use std::fs;
use std::path::Path;

use protocol::info::WorkerInfo;
use rmpv::Value;

use crate::commands::COMMANDS;
use crate::commands::environment::Environment;
use crate::config::Config;

/// This worker's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Collects the information anew: files in `info/` may be edited while the worker runs. Blocks.
pub fn collect(config: &Config, environment: &Environment) -> WorkerInfo {
    let lossy = |text: &std::ffi::OsString| text.to_string_lossy().into_owned();
    let mut info = WorkerInfo {
        basedir: config.basedir.to_string_lossy().into_owned(),
        system: "posix".to_owned(),
        version: VERSION.to_owned(),
        environ: environment.iter().map(|(name, value)| (lossy(name), lossy(value))).collect(),
        numcpus: Some(numcpus(config)),
        delete_leftover_dirs: config.delete_leftover_dirs,
        commands: COMMANDS.map(|(name, version)| (name.to_owned(), version.to_owned())).to_vec(),
        obfuscated_args: true,
        ..WorkerInfo::default()
    };
    for (name, text) in info_files(&config.basedir.join("info")) {
        match name.as_str() {
            "admin" => info.admin = Some(text),
            "host" => info.host = Some(text),
            "access_uri" => info.access_uri = Some(text),
            _ => info.others.push((name, Value::from(text))),
        }
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    info.others.extend(os_release(&release).map(|(name, value)| (name, Value::from(value))));
    info
}

fn numcpus(config: &Config) -> i64 {
    let real = || std::thread::available_parallelism().map_or(1, |n| n.get() as i64);
    config.numcpus.map_or_else(real, i64::from)
}

/// One entry per regular file that is valid UTF-8, sorted by name.
fn info_files(dir: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<(String, String)> = entries
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| {
            Some((entry.file_name().into_string().ok()?, fs::read_to_string(entry.path()).ok()?))
        })
        .collect();
    files.sort();
    files
}

/// `ID=debian` becomes `os_id`.
fn os_release(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        let value = value.trim_matches('"');
        let used = !key.starts_with('#') && !value.is_empty();
        used.then(|| (format!("os_{}", key.to_lowercase()), value.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_lines() {
        let text = "# x=y\n\nNAME=\"Debian GNU/Linux\"\nID=debian\nEMPTY=\n";
        let expected = [("os_name", "Debian GNU/Linux"), ("os_id", "debian")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(os_release(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn files_and_options_are_told() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(dir.path().join("info")).expect("info");
        for (name, text) in [("admin", "A\n"), ("host", "H\n"), ("rack", "7\n")] {
            fs::write(dir.path().join("info").join(name), text).expect("info file");
        }
        fs::write(dir.path().join("info/broken"), b"\xff").expect("info file");
        let mut config = Config::new(dir.path().to_owned(), "h", 1, "w", "p");
        config.numcpus = Some(77);
        let info = collect(&config, &[("A".into(), "b".into())].into());
        assert_eq!(info.admin.as_deref(), Some("A\n"));
        assert_eq!(info.host.as_deref(), Some("H\n"));
        assert_eq!(info.numcpus, Some(77));
        assert_eq!(info.environ, [("A".to_owned(), "b".to_owned())]);
        assert!(info.others.contains(&("rack".to_owned(), Value::from("7\n"))));
        assert!(!info.others.iter().any(|(name, _)| name == "broken"));
        let names: Vec<&str> = info.commands.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["shell", "uploadFile", "upload_directory", "downloadFile", "rmfile"] {
            assert!(names.contains(&name), "{name}");
        }
    }
}
