//! One entry of a builder's plan: a step and the options that all steps share.

use std::sync::Arc;

use super::Step;

/// A configured step, shared by all builds of its builder.
#[derive(Debug, Clone)]
pub struct StepPlan {
    /// As configured or the step class's default; made unique when a build is prepared.
    pub name: String,
    /// The class name: `Git`, `ShellCommand` …
    pub class: &'static str,
    pub options: StepOptions,
    pub step: Arc<dyn Step>,
}

/// The options of every step, with stock's names and defaults (a step class may change them).
#[derive(Debug, Clone, PartialEq)]
pub struct StepOptions {
    /// A failure ends the build (except for `always_run` steps). Stock default: true for
    /// ShellCommand's presets and source steps, false otherwise.
    pub halt_on_failure: bool,
    /// A failure makes the build fail. Default true.
    pub flunk_on_failure: bool,
    /// Warnings make the build fail.
    pub flunk_on_warnings: bool,
    /// A failure makes the build end with warnings.
    pub warn_on_failure: bool,
    /// Warnings make the build end with warnings.
    pub warn_on_warnings: bool,
    /// Runs even after a halting failure.
    pub always_run: bool,
    pub do_step_if: Condition,
    pub hide_step_if: Condition,
    /// Shown while running.
    pub description: Option<String>,
    /// Shown when done.
    pub description_done: Option<String>,
    pub description_suffix: Option<String>,
}

impl Default for StepOptions {
    fn default() -> StepOptions {
        StepOptions {
            halt_on_failure: false,
            flunk_on_failure: true,
            flunk_on_warnings: false,
            warn_on_failure: false,
            warn_on_warnings: false,
            always_run: false,
            do_step_if: Condition::Always(true),
            hide_step_if: Condition::Always(false),
            description: None,
            description_done: None,
            description_suffix: None,
        }
    }
}

/// A yes or no: fixed, or an expression over properties (and `results` for `hideStepIf`).
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Always(bool),
    /// Source text of an expression; parsed when the configuration is checked.
    Expression(String),
}
