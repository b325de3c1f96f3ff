//! `BuildStatusGenerator`: tells of each finished build that one of its modes wants.

use crate::config::fields::Fields;
use crate::db::facts::FactKind;
use crate::db::listing::Details;
use crate::flow::report::Modes;

use super::super::formatters::{Formatter, LogChoice, message_formatter};
use super::super::{Report, Site};
use super::{Case, Generator, Selection, Telling};

/// Stock's subject for formatters that have none.
pub(super) const SUBJECT: &str = "Buildbot %(result)s in %(title)s on %(builder)s";

#[derive(Debug)]
pub struct BuildStatus {
    telling: Telling,
    formatter: Formatter,
    /// Builds that begin are told, too.
    report_new: bool,
}

impl BuildStatus {
    /// With stock's defaults and this formatter.
    pub fn standard(formatter: Formatter, add_patch: bool) -> BuildStatus {
        BuildStatus {
            telling: Telling {
                selection: Selection::default(),
                modes: Modes::default(),
                subject: Some(SUBJECT.to_owned()),
                add_logs: LogChoice::None,
                add_patch,
            },
            formatter,
            report_new: false,
        }
    }

    /// The same, and it tells also of builds that begin.
    pub fn with_new(self) -> BuildStatus {
        BuildStatus { report_new: true, ..self }
    }

    /// Reads the generator's own keys; `formatter` is the one it has by default.
    pub fn read(fields: &mut Fields<'_>, formatter: fn() -> Formatter) -> BuildStatus {
        BuildStatus {
            telling: telling(fields),
            formatter: message_formatter(fields, "message_formatter", formatter),
            report_new: fields.or_default("report_new"),
        }
    }
}

/// What `BuildStatusGenerator` and `BuildSetStatusGenerator` have in common.
pub(super) fn telling(fields: &mut Fields<'_>) -> Telling {
    let one_line =
        |subject: &String| subject.contains(['\n', '\r']).then(|| "must be one line".to_owned());
    Telling {
        selection: Selection::read(fields),
        modes: fields.or_default("mode"),
        subject: Some(
            fields.optional_checked("subject", one_line).unwrap_or_else(|| SUBJECT.to_owned()),
        ),
        add_logs: fields.or_default("add_logs"),
        add_patch: fields.or_default("add_patch"),
    }
}

impl Generator for BuildStatus {
    fn wants(&self, fact: FactKind) -> bool {
        match fact {
            FactKind::BuildFinished(_) => true,
            FactKind::BuildStarted(_) => self.report_new,
            _ => false,
        }
    }

    fn details(&self) -> Details {
        self.telling.details(&self.formatter)
    }

    fn contents(&self) -> LogChoice {
        self.formatter.contents().clone()
    }

    fn builders(&self) -> &[String] {
        self.telling.selection.builders.as_deref().unwrap_or_default()
    }

    fn generate(&self, case: &Case, site: &Site) -> Result<Vec<Report>, String> {
        let build = match case {
            Case::BuildStarted(build) => build,
            Case::BuildFinished(build) => {
                let wanted = |results| self.telling.modes.want(results, build.previous);
                if !build.results.is_some_and(wanted) {
                    return Ok(Vec::new());
                }
                build
            }
            _ => return Ok(Vec::new()),
        };
        if !self.telling.selection.takes(build) {
            return Ok(Vec::new());
        }
        Ok(vec![self.telling.report(build, &self.formatter, false, site)?])
    }
}
