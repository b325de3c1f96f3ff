//! What the worker tells about itself: `get_worker_info`.
//!
//! The files in `info/` are people's. As long as nobody has described the machine in `info/host`, the
//! master is told what the machine itself says; the file stays as it is.

use std::fs;
use std::path::Path;

use protocol::info::WorkerInfo;
use rmpv::Value;

use crate::commands::COMMANDS;
use crate::commands::environment::Environment;
use crate::config::Config;

/// This worker's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `create-worker` writes into `info/admin`.
pub const SAMPLE_ADMIN: &str = "Your Name Here <admin@youraddress.invalid>\n";
/// What `create-worker` writes into `info/host`.
pub const SAMPLE_HOST: &str = "Please put a description of this build host here\n";

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
        commands: commands(),
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
    let is_written = |text: &String| !text.trim().is_empty() && text.trim() != SAMPLE_HOST.trim();
    if !info.host.as_ref().is_some_and(is_written) {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        info.host = Some(describe(&hostname(), &release, numcpus(config), &memory));
    }
    info.others.extend(os_release(&release).map(|(name, value)| (name, Value::from(value))));
    info
}

/// Every command of this worker with its version.
pub fn commands() -> Vec<(String, String)> {
    COMMANDS.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}

fn hostname() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// `name, Debian GNU/Linux 12, x86_64, 8 CPUs, 16 GiB`; what is not known is left out.
fn describe(hostname: &str, release: &str, numcpus: i64, meminfo: &str) -> String {
    let release: Vec<(String, String)> = os_release(release).collect();
    let field = |name: &str| release.iter().find(|(key, _)| key == name).map(|(_, v)| v.as_str());
    let system =
        [field("os_name").unwrap_or(std::env::consts::OS), field("os_version_id").unwrap_or("")];
    let cpus = format!("{numcpus} CPU{}", if numcpus == 1 { "" } else { "s" });
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = kib.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    // The kernel keeps a part for itself: a machine of 16 GiB reports 15.6.
    let memory = kib.map(|kib| format!("{:.0} GiB", (kib / 1_048_576.0).ceil()));
    let parts = [
        hostname.to_owned(),
        system.join(" ").trim().to_owned(),
        std::env::consts::ARCH.to_owned(),
        cpus,
        memory.unwrap_or_default(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
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
    fn a_machine_describes_itself() {
        let release = "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n";
        let memory = "MemFree: 1 kB\nMemTotal:       16331536 kB\n";
        let arch = std::env::consts::ARCH;
        assert_eq!(
            describe("build1", release, 8, memory),
            format!("build1, Debian GNU/Linux 12, {arch}, 8 CPUs, 16 GiB")
        );
        let os = std::env::consts::OS;
        assert_eq!(describe("b", "", 1, ""), format!("b, {os}, {arch}, 1 CPU"));
    }

    #[test]
    fn the_description_stands_in_for_the_sample_only() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let config = Config::new(dir.path().to_owned(), "h", 1, "w", "p");
        let host = || collect(&config, &Environment::new()).host.expect("a description");
        let own = host();
        assert!(own.contains(std::env::consts::ARCH), "{own}");
        fs::create_dir(dir.path().join("info")).expect("info");
        let file = dir.path().join("info/host");
        for (written, told) in
            [(SAMPLE_HOST, own.as_str()), ("", own.as_str()), ("mine\n", "mine\n")]
        {
            fs::write(&file, written).expect("written");
            assert_eq!(host(), told);
            assert_eq!(fs::read_to_string(&file).expect("text"), written, "never overwritten");
        }
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
