//! A master's base directory: where its files are and what its `buildbot.tac` says.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::tac::{self, Tac};

/// A directory that was found to be a master's.
#[derive(Debug, Clone)]
pub struct BaseDir {
    /// Where the master's files are. Absolute.
    pub path: PathBuf,
    /// Where `buildbot.tac` is, usually the same. Absolute.
    pub tac_dir: PathBuf,
    pub tac: Tac,
}

impl BaseDir {
    /// Opens `dir`, by default the current directory.
    ///
    /// # Errors
    /// When it has no `buildbot.tac` of a master; the message says how to make one.
    pub fn open(dir: Option<&Path>) -> anyhow::Result<BaseDir> {
        let dir = absolute(dir)?;
        let file = dir.join(tac::FILE);
        let text = match std::fs::read(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => bail!(
                "error reading '{}': {error}\ninvalid buildmaster directory '{}'; \
                 make one with 'buildbot create-master {}'",
                file.display(),
                dir.display(),
                dir.display()
            ),
        };
        let tac = Tac::parse(&text).map_err(|what| {
            anyhow::anyhow!(
                "unexpected content in '{}': {what}\ninvalid buildmaster directory '{}'",
                file.display(),
                dir.display()
            )
        })?;
        // Without joining the dot: the path is part of the master's name in the database.
        let path = if tac.basedir == "." { dir.clone() } else { dir.join(&tac.basedir) };
        if !path.is_dir() {
            bail!(
                "'{}': basedir names '{}', which is not a directory",
                file.display(),
                path.display()
            );
        }
        Ok(BaseDir { path, tac_dir: dir, tac })
    }

    /// The configuration file.
    ///
    /// # Errors
    /// When it is one in Python with none in TOML beside it.
    pub fn config_file(&self) -> anyhow::Result<PathBuf> {
        config_file(&self.path.join(&self.tac.configfile))
    }

    /// A file in the base directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// What to load for the configuration file `named`: a Python configuration gives way to the TOML
/// file of the same name beside it, so that a directory serves stock Buildbot and this master.
/// Where neither is there, the TOML file is the one to write.
pub fn config_file(named: &Path) -> anyhow::Result<PathBuf> {
    if named.extension().is_none_or(|extension| extension != "cfg" && extension != "py") {
        return Ok(named.to_owned());
    }
    let toml = named.with_extension("toml");
    if toml.exists() || !named.exists() {
        return Ok(toml);
    }
    bail!(
        "'{}' is a configuration in Python, which this version cannot read yet; write the same \
         as '{}'",
        named.display(),
        toml.display()
    )
}

/// `dir`, by default the current directory, as an absolute path.
pub fn absolute(dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = dir.unwrap_or(Path::new("."));
    let full = std::path::absolute(dir)
        .with_context(|| format!("cannot tell where '{}' is", dir.display()))?;
    // Without the dots at the end, which only look odd in messages.
    Ok(full.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_directory_without_a_tac_is_refused_with_the_mend() {
        let dir = tempfile::tempdir().unwrap();
        let error = BaseDir::open(Some(dir.path())).unwrap_err().to_string();
        assert!(error.contains("invalid buildmaster directory"), "{error}");
        assert!(error.contains("buildbot create-master"), "{error}");
    }

    #[test]
    fn a_python_configuration_gives_way_to_toml() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(tac::FILE), "Application('buildmaster')").unwrap();
        let base = BaseDir::open(Some(dir.path())).unwrap();
        assert_eq!(base.config_file().unwrap(), base.file("master.toml"));
        fs::write(dir.path().join("master.cfg"), "").unwrap();
        let error = base.config_file().unwrap_err().to_string();
        assert!(error.contains("in Python") && error.contains("master.toml"), "{error}");
        fs::write(dir.path().join("master.toml"), "").unwrap();
        assert_eq!(base.config_file().unwrap(), base.file("master.toml"));
    }

    #[test]
    fn a_basedir_elsewhere_is_followed() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tac = Tac { basedir: there.path().display().to_string(), ..Tac::default() };
        fs::write(here.path().join(tac::FILE), tac.render()).unwrap();
        let base = BaseDir::open(Some(here.path())).unwrap();
        assert_eq!(base.path, there.path());
    }
}
