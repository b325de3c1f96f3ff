//! A source stamp's patch on the worker.
//!
//! A work tree with a patch in it is marked, so that the next build takes the patch out again.

use super::End;
use super::site::{Site, Want, words};
use crate::model::Patch;
use crate::steps::Finished;

/// Marks a work tree that a patch was applied to.
pub const PATCHED: &str = ".buildbot-patched";
/// The patch itself, while it is being applied.
pub const DIFF: &str = ".buildbot-diff";

impl Site<'_> {
    /// Holds the work directory what an earlier build's patch made of it?
    pub async fn is_patched(&mut self) -> Result<bool, End> {
        self.exists(self.path(PATCHED)).await
    }

    /// Applies the patch with the program `patch`, for systems that have nothing of their own.
    pub async fn apply(&mut self, patch: &Patch) -> Result<(), End> {
        let top = self.enter_patch(patch).await?;
        let level = format!("-p{}", patch.level);
        let options = ["--remove-empty-files", "--force", "--forward", "-i", DIFF];
        let call = words(&[&["patch", level.as_str()], &options[..]].concat());
        let finished = self.program(call, Want::Both).await?;
        self.leave_patch(top).await?;
        // The program tells on its output what does not fit.
        let stderr = format!("{}\n{}", finished.stderr, finished.stdout);
        self.require(&Finished { stderr, ..finished }, patch_reason)
    }

    /// Marks the work tree, puts the patch into the directory it is for, and works there. Answers
    /// the work directory before, for [`Site::leave_patch`].
    pub async fn enter_patch(&mut self, patch: &Patch) -> Result<String, End> {
        let top = self.workdir.clone();
        if !patch.subdir.is_empty() {
            if leads_outside(&patch.subdir) {
                return Err(End::failure(format!(
                    "the patch's directory '{}' lies outside the work tree",
                    patch.subdir
                )));
            }
            self.workdir = self.path(&patch.subdir);
        }
        let directory = self.workdir.clone();
        self.write(&directory, DIFF, patch.body.clone(), None).await?;
        self.write(&top, PATCHED, b"patched\n".to_vec(), None).await?;
        Ok(top)
    }

    pub async fn leave_patch(&mut self, top: String) -> Result<(), End> {
        self.remove(&self.path(DIFF)).await?;
        self.workdir = top;
        Ok(())
    }
}

/// Is it absolute, or does it go up?
fn leads_outside(subdir: &str) -> bool {
    let drive = subdir.as_bytes().get(1) == Some(&b':');
    drive || subdir.starts_with(['/', '\\']) || subdir.split(['/', '\\']).any(|name| name == "..")
}

/// Which hunk does not fit, or what else is wrong.
fn patch_reason(told: &str) -> Option<&str> {
    let mut lines = told.lines().map(str::trim);
    let complaint = |line: &&str| line.contains("FAILED") || line.starts_with("patch: ");
    lines.clone().find(complaint).or_else(|| lines.find(|line| !line.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_stay_in_the_work_tree() {
        let cases = [
            ("sub", false),
            ("sub/dir", false),
            ("a..b/..c", false),
            ("..", true),
            ("sub/../..", true),
            ("/etc", true),
            ("\\\\host\\share", true),
            ("sub\\..\\..", true),
            ("C:\\windows", true),
        ];
        for (subdir, outside) in cases {
            assert_eq!(leads_outside(subdir), outside, "{subdir}");
        }
    }

    #[test]
    fn the_reason_is_the_hunk_that_fails() {
        let told = "\npatching file a\nHunk #1 FAILED at 1.\n1 out of 1 hunk FAILED\n";
        assert_eq!(patch_reason(told), Some("Hunk #1 FAILED at 1."));
        assert_eq!(patch_reason("patch: **** Only garbage\n"), Some("patch: **** Only garbage"));
        assert_eq!(patch_reason(" \n"), None);
    }
}
