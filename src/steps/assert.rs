//! Assert: fails unless something holds.

use std::sync::Arc;

use async_trait::async_trait;

use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::render;
use super::shell::described;
use super::{Outcome, Step, StepError, Workbench};
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::expression::Expression;
use crate::flow::interpolate::{Renderable, is_true, repr};
use crate::model::Results;

#[derive(Debug)]
enum Assert {
    /// An expression over the build's properties.
    Expression(Expression),
    /// A value that must be true in the sense of Python.
    Value(Renderable),
}

#[async_trait(?Send)]
impl Step for Assert {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let holds = match self {
            Assert::Expression(expression) => {
                let held = expression.eval(bench.properties(), None);
                held.map_err(|error| StepError::Failed(format!("'check': {error}")))?
            }
            Assert::Value(value) => is_true(&render(bench, value)?.value),
        };
        Ok(Outcome::plain(if holds { Results::Success } else { Results::Failure }))
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "Assert", name: "Assert", defaults, parse }];

fn defaults() -> StepOptions {
    StepOptions { description_done: None, ..described(false, "Checking..", "") }
}

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let Some(raw) = fields.take("check").filter(|raw| raw.value != RawValue::Null) else {
        fields.problem("needs a value for 'check'");
        return Arc::new(Assert::Value(Renderable::default()));
    };
    let value = match Renderable::parse(&raw.to_json()) {
        Ok(value) => value,
        Err(error) => {
            fields.problem_at("check", &raw.place, error.to_string());
            Renderable::default()
        }
    };
    let (check, shown) = match (&raw.value, value.as_literal()) {
        (RawValue::Text(source), Some(_)) => match Expression::parse(source) {
            Ok(expression) => (Assert::Expression(expression), source.clone()),
            Err(message) => {
                fields.problem_at("check", &raw.place, message);
                (Assert::Value(value), String::new())
            }
        },
        (RawValue::Text(source), None) => (Assert::Value(value), source.clone()),
        _ => {
            let shown = repr(&raw.to_json());
            (Assert::Value(value), shown)
        }
    };
    draft.options.description_done.get_or_insert_with(|| format!("checked {shown}"));
    Arc::new(check)
}
