//! What a scheduler makes of a change, for people.

use crate::flow::change_filter::{ChangeFilter, FileFilter};
use crate::model::Change;

/// What one scheduler makes of one change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    pub scheduler: String,
    /// It builds the change, or would wait with it for an important one.
    pub takes: bool,
    /// Why not, or what it does with it.
    pub why: String,
}

/// The parts of a scheduler that decide.
pub struct Judge<'a> {
    pub scheduler: &'a str,
    pub filter: &'a ChangeFilter,
    pub important: &'a FileFilter,
    pub only_important: bool,
    /// Whether it knows a codebase.
    pub knows: &'a dyn Fn(&str) -> bool,
}

impl Judge<'_> {
    /// In the order in which the scheduler itself decides.
    pub fn verdict(&self, change: &Change) -> Verdict {
        let (takes, why) = self.decide(change);
        Verdict { scheduler: self.scheduler.to_owned(), takes, why }
    }

    fn decide(&self, change: &Change) -> (bool, String) {
        if let Some(why) = self.filter.why_not(change) {
            return (false, why);
        }
        if !(self.knows)(&change.codebase) {
            return (
                false,
                format!("the codebase '{}' is not among its codebases", change.codebase),
            );
        }
        match self.important.why_not(change) {
            None => (true, "takes it".to_owned()),
            Some(why) if self.only_important => (false, format!("only important ones: {why}")),
            Some(why) => (true, format!("waits for an important one: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;
    use crate::flow::change_facts::preview;
    use crate::model::NewChange;

    fn verdict(filter: Value, only_important: bool, files: &[&str], codebase: &str) -> Verdict {
        let mut problems = Problems::new();
        let filter = ChangeFilter::parse(&Raw::from_json(filter), "", &mut problems);
        let important = FileFilter::parse(&Raw::from_json(json!("*.c")), "", &mut problems);
        assert!(problems.is_empty(), "{problems}");
        let change = NewChange {
            branch: Some("main".into()),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            codebase: codebase.into(),
            ..NewChange::default()
        };
        let knows = |codebase: &str| codebase == "app";
        let judge = Judge {
            scheduler: "s",
            filter: &filter,
            important: &important,
            only_important,
            knows: &knows,
        };
        judge.verdict(&preview(&change))
    }

    #[test]
    fn each_reason_is_told() {
        let main = json!({ "branch": "main" });
        let table = [
            (main.clone(), false, &["a.c"][..], "app", true, "takes it"),
            (
                json!({ "branch": "x" }),
                false,
                &["a.c"],
                "app",
                false,
                "branch 'main' is not among 'x'",
            ),
            (main.clone(), false, &["a.c"], "lib", false, "the codebase 'lib' is not among"),
            (
                main.clone(),
                false,
                &["a.h"],
                "app",
                true,
                "waits for an important one: its only file",
            ),
            (main, true, &["a.h"], "app", false, "only important ones: its only file"),
        ];
        for (filter, only_important, files, codebase, takes, why) in table {
            let verdict = verdict(filter, only_important, files, codebase);
            assert_eq!(verdict.takes, takes, "{verdict:?}");
            assert!(verdict.why.contains(why), "{verdict:?}");
        }
    }
}
