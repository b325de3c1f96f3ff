//! A small git repository that tests commit to.

use std::path::PathBuf;
use std::process::Command;

/// A repository with a work tree, on the branch `main`.
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    pub fn new(path: PathBuf) -> Repository {
        let repository = Repository { path };
        repository.git(&["init", "-q", "-b", "main"]);
        repository
    }

    pub fn url(&self) -> String {
        self.path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Writes a file and commits it; answers the new revision.
    pub fn commit(&self, file: &str, contents: &str, message: &str) -> String {
        std::fs::write(self.path.join(file), contents).expect("a written file");
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ann Author", "-c", "user.email=ann@example.org"])
            .args(args)
            .current_dir(&self.path)
            .output()
            .expect("git runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
