//! `BuildSetCombinedStatusGenerator`: one report about a finished buildset as a whole.

use std::sync::Arc;

use crate::config::fields::Fields;
use crate::db::facts::FactKind;
use crate::db::listing::Details;
use crate::flow::report::Modes;

use super::super::formatters::{Formatter, LogChoice, message_formatter};
use super::super::{Kind, Report, Site};
use super::{Case, Generator};

#[derive(Debug)]
struct Combined(Formatter);

pub(super) fn read(fields: &mut Fields<'_>) -> Box<dyn Generator> {
    let mut missing = false;
    let formatter = message_formatter(fields, "message_formatter", || {
        missing = true;
        Formatter::standard(Kind::Plain)
    });
    if missing {
        fields.problem("needs a 'message_formatter'");
    }
    Box::new(Combined(formatter))
}

impl Generator for Combined {
    fn wants(&self, fact: FactKind) -> bool {
        matches!(fact, FactKind::BuildsetCompleted(_))
    }

    fn details(&self) -> Details {
        self.0.details()
    }

    fn contents(&self) -> LogChoice {
        self.0.contents().clone()
    }

    fn generate(&self, case: &Case, site: &Site) -> Result<Vec<Report>, String> {
        let Case::BuildsetCompleted(set) = case else { return Ok(Vec::new()) };
        let formatted = self.0.buildset(set, &Modes::passing(), site)?;
        Ok(vec![Report {
            body: formatted.body,
            subject: formatted.subject,
            results: set.results,
            builds: set.builds.iter().cloned().map(Arc::new).collect(),
            buildset: Some(set.entity.clone()),
            ..Report::default()
        }])
    }
}
