//! Small repositories of Subversion and Mercurial that tests commit to.

use std::path::{Path, PathBuf};
use std::process::Command;

fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .env("HGPLAIN", "1")
        .env("HGUSER", "Ann Author <ann@example.org>")
        .output()
        .unwrap_or_else(|error| panic!("{program} runs: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository of Subversion with a directory `trunk`, and a working copy of it.
pub struct SvnRepository {
    path: PathBuf,
}

impl SvnRepository {
    pub fn new(path: PathBuf) -> SvnRepository {
        let repository = SvnRepository { path };
        run(&repository.path, "svnadmin", &["create", "repository"]);
        let (url, trunk) = (repository.url(), repository.trunk());
        run(&repository.path, "svn", &["mkdir", "-q", "-m", "trunk", &trunk]);
        run(&repository.path, "svn", &["checkout", "-q", &url, "work"]);
        repository
    }

    fn url(&self) -> String {
        format!("file://{}/repository", self.path.display())
    }

    pub fn trunk(&self) -> String {
        format!("{}/trunk", self.url())
    }

    /// Writes a file of the trunk and commits it.
    pub fn commit(&self, file: &str, contents: &str) {
        let work = self.path.join("work");
        std::fs::write(work.join("trunk").join(file), contents).expect("a written file");
        run(&work, "svn", &["add", "-q", "--force", "."]);
        run(&work, "svn", &["commit", "-q", "-m", file]);
    }
}

/// A repository of Mercurial.
pub struct HgRepository {
    path: PathBuf,
}

impl HgRepository {
    pub fn new(path: PathBuf) -> HgRepository {
        run(&path, "hg", &["init"]);
        HgRepository { path }
    }

    pub fn url(&self) -> String {
        self.path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Writes a file and commits it; answers the new revision.
    pub fn commit(&self, file: &str, contents: &str) -> String {
        std::fs::write(self.path.join(file), contents).expect("a written file");
        run(&self.path, "hg", &["commit", "-q", "-A", "-m", file]);
        run(&self.path, "hg", &["parents", "--template", "{node}"])
    }
}
