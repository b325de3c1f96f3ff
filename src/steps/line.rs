//! The line of a step that words it by itself.

use super::registry::Draft;
use super::render::render;
use super::{Outcome, StepError, Workbench};
use crate::flow::interpolate::Renderable;
use crate::model::Results;

/// What the configuration says about a step's line.
#[derive(Debug)]
pub(super) struct Line {
    /// `description`: the line while it runs.
    pub running: bool,
    /// `descriptionDone`.
    pub done: bool,
    suffix: Option<Renderable>,
}

impl Line {
    /// Reads what is configured so far; the class's own words must not be in the draft yet.
    pub fn of(draft: &Draft) -> Line {
        let options = &draft.options;
        let suffix = options.description_suffix.as_deref();
        Line {
            running: options.description.is_some(),
            done: options.description_done.is_some(),
            // A malformed one has been reported already.
            suffix: suffix.and_then(|text| Renderable::parse(&text.into()).ok()),
        }
    }

    /// Shows `text` while the step runs, unless the configuration has a description.
    pub fn show(&self, bench: &mut dyn Workbench, text: &str) -> Result<(), StepError> {
        if !self.running {
            let text = self.with_suffix(bench, text)?;
            bench.set_summary(&text);
        }
        Ok(())
    }

    /// The end of the step with `text` as its line, unless the configuration has one.
    pub fn outcome(
        &self,
        bench: &dyn Workbench,
        results: Results,
        text: &str,
    ) -> Result<Outcome, StepError> {
        if self.done {
            return Ok(Outcome::plain(results));
        }
        Ok(Outcome::new(results, self.with_suffix(bench, text)?))
    }

    fn with_suffix(&self, bench: &dyn Workbench, text: &str) -> Result<String, StepError> {
        let Some(suffix) = &self.suffix else { return Ok(text.to_owned()) };
        Ok(format!("{text} {}", render(bench, suffix)?.texts().1))
    }
}
