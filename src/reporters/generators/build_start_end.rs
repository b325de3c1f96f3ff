//! `BuildStartEndStatusGenerator`: tells of the beginning and the end of every build.

use crate::config::fields::Fields;
use crate::db::facts::FactKind;
use crate::db::listing::Details;
use crate::flow::report::Modes;

use super::super::formatters::{Formatter, LogChoice, message_formatter};
use super::super::{Report, Site};
use super::{Case, Generator, Selection, Telling};

#[derive(Debug)]
pub struct BuildStartEnd {
    telling: Telling,
    start: Formatter,
    end: Formatter,
}

impl BuildStartEnd {
    /// Of all builds, with these words.
    pub fn standard(start: Formatter, end: Formatter) -> BuildStartEnd {
        let telling = Telling {
            selection: Selection::default(),
            modes: Modes::all(),
            subject: None,
            add_logs: LogChoice::None,
            add_patch: false,
        };
        BuildStartEnd { telling, start, end }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> BuildStartEnd {
        BuildStartEnd {
            telling: Telling {
                selection: Selection::read(fields),
                modes: Modes::all(),
                subject: None,
                add_logs: fields.or_default("add_logs"),
                add_patch: fields.or_default("add_patch"),
            },
            start: message_formatter(fields, "start_formatter", || {
                Formatter::renderable("Build started.")
            }),
            end: message_formatter(fields, "end_formatter", || {
                Formatter::renderable("Build done.")
            }),
        }
    }
}

impl Generator for BuildStartEnd {
    fn wants(&self, fact: FactKind) -> bool {
        matches!(fact, FactKind::BuildStarted(_) | FactKind::BuildFinished(_))
    }

    fn details(&self) -> Details {
        self.telling.details(&self.start).or(self.telling.details(&self.end))
    }

    fn contents(&self) -> LogChoice {
        self.end.contents().clone()
    }

    fn builders(&self) -> &[String] {
        self.telling.selection.builders.as_deref().unwrap_or_default()
    }

    fn generate(&self, case: &Case, site: &Site) -> Result<Vec<Report>, String> {
        let (build, formatter) = match case {
            Case::BuildStarted(build) => (build, &self.start),
            Case::BuildFinished(build) => (build, &self.end),
            _ => return Ok(Vec::new()),
        };
        if !self.telling.selection.takes(build) {
            return Ok(Vec::new());
        }
        Ok(vec![self.telling.report(build, formatter, false, site)?])
    }
}
