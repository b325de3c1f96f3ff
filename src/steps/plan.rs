//! One entry of a builder's plan: a step and the options that all steps share.

use std::sync::Arc;

use serde_json::Value;

use super::{LimitReached, Outcome, Step};
use crate::flow::build_state::StepFlags;
use crate::flow::expression::Expression;
use crate::flow::interpolate::{InterpolateError, RenderContext, Renderable};
use crate::model::{LockAccess, Properties, Results};

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

impl StepPlan {
    /// The same plan with name and descriptions rendered for a build; secrets in them stay hidden.
    ///
    /// # Errors
    /// As [`Renderable::render`].
    pub fn rendered(&self, context: &RenderContext<'_>) -> Result<StepPlan, InterpolateError> {
        let mut plan = self.clone();
        let name = Renderable::parse(&Value::from(plan.name.as_str()))?;
        plan.name = name.render_secret_aware(context)?.texts().1;
        let options = &mut plan.options;
        for text in [
            &mut options.description,
            &mut options.description_done,
            &mut options.description_suffix,
        ] {
            if let Some(source) = text.as_mut() {
                let renderable = Renderable::parse(&Value::from(source.as_str()))?;
                *source = renderable.render_secret_aware(context)?.texts().1;
            }
        }
        Ok(plan)
    }

    /// The step's line while it runs.
    pub fn running_text(&self) -> String {
        match &self.options.description {
            Some(description) => self.options.with_suffix(description),
            None => "running".to_owned(),
        }
    }

    /// The step's line when it is done, with the result word unless it succeeded.
    pub fn done_text(&self, outcome: &Outcome) -> String {
        let described = outcome.summary.is_empty();
        let options = &self.options;
        let mut text = match options.description_done.as_ref().or(options.description.as_ref()) {
            _ if !described => outcome.summary.clone(),
            Some(description) => options.with_suffix(description),
            None => "finished".to_owned(),
        };
        if outcome.results != Results::Success {
            text.push_str(&format!(" ({})", outcome.results));
            text.push_str(match outcome.limit {
                None => "",
                Some(LimitReached::Time) => " (timed out)",
                Some(LimitReached::Lines) if described => " (max lines reached)",
                Some(LimitReached::Lines) => " (max lines)",
            });
        }
        text
    }
}

impl StepOptions {
    fn with_suffix(&self, text: &str) -> String {
        match &self.description_suffix {
            Some(suffix) => format!("{text} {suffix}"),
            None => text.to_owned(),
        }
    }

    /// What decides about the build.
    pub fn flags(&self) -> StepFlags {
        StepFlags {
            halt_on_failure: self.halt_on_failure,
            flunk_on_failure: self.flunk_on_failure,
            flunk_on_warnings: self.flunk_on_warnings,
            warn_on_failure: self.warn_on_failure,
            warn_on_warnings: self.warn_on_warnings,
            always_run: self.always_run,
        }
    }

    /// Does a step with these results add its line to the build's? (`updateBuildSummaryPolicy`;
    /// the stock default follows from the other options.)
    pub fn updates_build_summary(&self, results: Results) -> bool {
        if let Some(policy) = &self.update_build_summary {
            return policy.contains(&results);
        }
        match results {
            Results::Exception | Results::Retry | Results::Cancelled => true,
            Results::Failure => {
                self.flunk_on_failure || self.halt_on_failure || self.warn_on_failure
            }
            Results::Warnings => self.warn_on_warnings || self.flunk_on_warnings,
            Results::Success | Results::Skipped => false,
        }
    }
}

/// The options of every step, with stock's names and defaults (a step class may change them).
#[derive(Debug, Clone, PartialEq)]
pub struct StepOptions {
    /// A failure ends the build (except for `always_run` steps). Stock default: true for
    /// Configure, Compile, MasterShellCommand and source steps, false otherwise.
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
    /// Shown while running. Like the next two it may hold substitutions; see
    /// [`StepPlan::rendered`].
    pub description: Option<String>,
    /// Shown when done.
    pub description_done: Option<String>,
    pub description_suffix: Option<String>,
    /// Held while it runs, beside those of the builder.
    pub locks: Vec<LockAccess>,
    /// The results whose line shows in the build's line; `None` leaves it to the options above.
    pub update_build_summary: Option<Vec<Results>>,
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
            locks: Vec::new(),
            update_build_summary: None,
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

impl Condition {
    /// Is it met? `results` is what the step ended with, for `hideStepIf`.
    ///
    /// # Errors
    /// A message for people when the expression fails on these properties.
    pub fn holds(&self, properties: &Properties, results: Option<Results>) -> Result<bool, String> {
        match self {
            Condition::Always(value) => Ok(*value),
            Condition::Expression(source) => Expression::parse(source)?.eval(properties, results),
        }
    }
}
