//! What the results of steps make of a build.

use std::collections::HashSet;

use crate::model::Results;

/// The options of a step that decide about its build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepFlags {
    pub halt_on_failure: bool,
    pub flunk_on_failure: bool,
    pub flunk_on_warnings: bool,
    pub warn_on_failure: bool,
    pub warn_on_warnings: bool,
    pub always_run: bool,
}

/// A build as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildState {
    results: Results,
    /// Only `alwaysRun` steps are left.
    halted: bool,
    /// Why somebody stopped the build.
    stopped: Option<String>,
    /// The worker is gone: nothing can run.
    lost: bool,
    /// Lines of the steps that matter.
    texts: Vec<String>,
}

impl Default for BuildState {
    fn default() -> BuildState {
        BuildState {
            results: Results::Success,
            halted: false,
            stopped: None,
            lost: false,
            texts: Vec::new(),
        }
    }
}

impl BuildState {
    pub fn new() -> BuildState {
        BuildState::default()
    }

    /// The worst so far.
    pub fn results(&self) -> Results {
        self.results
    }

    /// Takes a step's result in. `text` is its line with the result word when its
    /// `updateBuildSummaryPolicy` lets it show in the build's line.
    pub fn step_done(&mut self, flags: StepFlags, results: Results, text: Option<&str>) {
        let (effect, halt) = effect(flags, results);
        self.results = self.results.worst(effect);
        self.halted |= halt;
        self.texts.extend(text.map(str::to_owned));
    }

    /// Somebody stops the build; `results` is CANCELLED, or RETRY to build it again.
    pub fn stop(&mut self, reason: &str, results: Results) {
        self.stopped = Some(reason.to_owned());
        self.halted = true;
        self.results = self.results.worst(results);
    }

    /// The worker's connection broke: the build is tried again, unless somebody had stopped it.
    pub fn worker_lost(&mut self) {
        self.lost = true;
        self.halted = true;
        self.texts = vec![super::retry::LOST.to_owned()];
        self.results = self.results.worst(Results::Retry);
    }

    /// Does a step with these flags still run?
    pub fn runs(&self, flags: StepFlags) -> bool {
        !self.lost && (!self.halted || flags.always_run)
    }

    /// The first step from `from` on that still runs.
    pub fn next_step(&self, plan: &[StepFlags], from: usize) -> Option<usize> {
        (from..plan.len()).find(|index| self.runs(plan[*index]))
    }

    /// The build's line while it runs; `None` until a step contributed.
    pub fn running_text(&self) -> Option<String> {
        (!self.texts.is_empty()).then(|| self.texts.join(" "))
    }

    /// The build's line at its end, such as `failed 'make test' (failure)`.
    pub fn final_text(&self) -> String {
        let mut text = match self.results {
            Results::Success | Results::Skipped => "build successful",
            Results::Failure => "failed",
            other => other.name(),
        }
        .to_owned();
        if let Some(reason) = &self.stopped {
            text.push_str(&format!(" ({reason})"));
        }
        for part in &self.texts {
            text.push(' ');
            text.push_str(part);
        }
        text
    }
}

/// What a step's result does to the build, and whether it ends the build's ordinary steps.
pub fn effect(flags: StepFlags, results: Results) -> (Results, bool) {
    match results {
        Results::Failure => {
            let effect = match flags {
                StepFlags { flunk_on_failure: true, .. } => Results::Failure,
                StepFlags { warn_on_failure: true, .. } => Results::Warnings,
                _ => Results::Success,
            };
            (effect, flags.halt_on_failure)
        }
        Results::Warnings => {
            let effect = match flags {
                StepFlags { flunk_on_warnings: true, .. } => Results::Failure,
                StepFlags { warn_on_warnings: true, .. } => Results::Warnings,
                _ => Results::Success,
            };
            (effect, false)
        }
        Results::Exception | Results::Retry | Results::Cancelled => (results, true),
        Results::Success | Results::Skipped => (results, false),
    }
}

/// Longest name that the `steps.name` column takes.
pub const STEP_NAME_LENGTH: usize = 50;

/// Names of a build's steps: the second `main` becomes `main_1`.
#[derive(Debug, Clone, Default)]
pub struct StepNames {
    taken: HashSet<String>,
}

impl StepNames {
    /// A name like `name` that no step of the build has yet, at most [`STEP_NAME_LENGTH`]
    /// characters long.
    pub fn take(&mut self, name: &str) -> String {
        let cut = |length: usize| name.chars().take(length).collect::<String>();
        let mut unique = cut(STEP_NAME_LENGTH);
        let mut count = 0;
        // MySQL compares without regard to case.
        while !self.taken.insert(unique.to_lowercase()) {
            count += 1;
            let suffix = format!("_{count}");
            unique = cut(STEP_NAME_LENGTH - suffix.len()) + &suffix;
        }
        unique
    }
}

#[cfg(test)]
mod tests {
    use super::Results::*;
    use super::*;

    const PLAIN: StepFlags = StepFlags {
        halt_on_failure: false,
        flunk_on_failure: true,
        flunk_on_warnings: false,
        warn_on_failure: false,
        warn_on_warnings: false,
        always_run: false,
    };

    #[test]
    fn effects_follow_stock() {
        let none = StepFlags { flunk_on_failure: false, ..PLAIN };
        let cases = [
            (PLAIN, Success, Success, false),
            (PLAIN, Warnings, Success, false),
            (PLAIN, Failure, Failure, false),
            (PLAIN, Skipped, Skipped, false),
            (PLAIN, Exception, Exception, true),
            (PLAIN, Retry, Retry, true),
            (PLAIN, Cancelled, Cancelled, true),
            (none, Failure, Success, false),
            (StepFlags { warn_on_failure: true, ..none }, Failure, Warnings, false),
            (StepFlags { warn_on_failure: true, ..PLAIN }, Failure, Failure, false),
            (StepFlags { halt_on_failure: true, ..none }, Failure, Success, true),
            (StepFlags { warn_on_warnings: true, ..PLAIN }, Warnings, Warnings, false),
            (StepFlags { flunk_on_warnings: true, ..PLAIN }, Warnings, Failure, false),
        ];
        for (flags, results, effect_of, halts) in cases {
            assert_eq!(effect(flags, results), (effect_of, halts), "{flags:?} {results}");
        }
    }

    #[test]
    fn a_halting_failure_leaves_always_run_steps() {
        let halting = StepFlags { halt_on_failure: true, ..PLAIN };
        let cleanup = StepFlags { always_run: true, ..PLAIN };
        let plan = [halting, PLAIN, cleanup, PLAIN];
        let mut state = BuildState::new();
        assert_eq!(state.next_step(&plan, 0), Some(0));
        state.step_done(plan[0], Failure, Some("'make' (failure)"));
        assert_eq!(state.next_step(&plan, 1), Some(2));
        state.step_done(plan[2], Success, None);
        assert_eq!(state.next_step(&plan, 3), None);
        assert_eq!(state.final_text(), "failed 'make' (failure)");
    }

    #[test]
    fn final_texts_are_those_of_stock() {
        let mut state = BuildState::new();
        state.step_done(PLAIN, Skipped, None);
        assert_eq!((state.results(), state.final_text()), (Success, "build successful".into()));

        let mut state = BuildState::new();
        state.worker_lost();
        state.step_done(PLAIN, Retry, Some("'/bin/sh -c ...' (retry)"));
        assert_eq!(state.final_text(), "retry lost connection '/bin/sh -c ...' (retry)");
        assert!(!state.runs(StepFlags { always_run: true, ..PLAIN }));

        let mut state = BuildState::new();
        state.stop("stop ü", Cancelled);
        state.step_done(PLAIN, Cancelled, Some("finished (cancelled)"));
        assert_eq!(state.final_text(), "cancelled (stop ü) finished (cancelled)");
        state.worker_lost();
        assert_eq!(state.results(), Cancelled, "a stopped build is not tried again");
    }

    #[test]
    fn step_names_become_unique() {
        let mut names = StepNames::default();
        let long = "x".repeat(60);
        let got: Vec<String> =
            ["main", "main", "Main", "main_1", "git"].iter().map(|n| names.take(n)).collect();
        assert_eq!(got, ["main", "main_1", "Main_2", "main_1_1", "git"]);
        assert_eq!(names.take(&long).len(), 50);
        assert_eq!(names.take(&long), format!("{}_1", "x".repeat(48)));
    }
}
