//! `BuildSetStatusGenerator`: one report about those builds of a finished buildset that its modes
//! want.

use crate::config::fields::Fields;
use crate::db::facts::FactKind;
use crate::db::listing::{BuildCase, Details};

use super::super::formatters::{Formatter, LogChoice, message_formatter};
use super::super::{Report, Site, merged};
use super::build::telling;
use super::{Case, Generator, Telling};

#[derive(Debug)]
pub(super) struct Buildset {
    telling: Telling,
    formatter: Formatter,
}

pub(super) fn read(fields: &mut Fields<'_>, formatter: fn() -> Formatter) -> Buildset {
    Buildset {
        telling: telling(fields),
        formatter: message_formatter(fields, "message_formatter", formatter),
    }
}

impl Buildset {
    fn takes(&self, build: &BuildCase) -> bool {
        let wanted = |results| self.telling.modes.want(results, build.previous);
        build.results.is_some_and(wanted) && self.telling.selection.takes(build)
    }
}

impl Generator for Buildset {
    fn wants(&self, fact: FactKind) -> bool {
        matches!(fact, FactKind::BuildsetCompleted(_))
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
        let Case::BuildsetCompleted(set) = case else { return Ok(Vec::new()) };
        let builds = set.builds.iter().filter(|build| self.takes(build));
        let reports = builds.map(|build| {
            self.telling.report(&std::sync::Arc::new(build.clone()), &self.formatter, true, site)
        });
        let Some(mut all) = merged(reports.collect::<Result<_, _>>()?) else {
            return Ok(Vec::new());
        };
        all.results = set.results;
        let subject = || self.telling.subject(set.results, "whole buildset", site);
        all.subject = all.subject.or_else(subject);
        Ok(vec![all])
    }
}
