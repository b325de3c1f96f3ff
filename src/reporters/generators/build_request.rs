//! `BuildRequestGenerator`: tells of requests that came in and wait for a build.

use crate::config::fields::Fields;
use crate::db::facts::FactKind;
use crate::flow::report::Modes;

use super::super::formatters::{Formatter, LogChoice, message_formatter};
use super::super::{Report, Site};
use super::{Case, Generator, Selection, Telling};

#[derive(Debug)]
struct BuildRequests {
    telling: Telling,
    formatter: Formatter,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Box<dyn Generator> {
    Box::new(BuildRequests {
        telling: Telling {
            selection: Selection::read(fields),
            modes: Modes::all(),
            subject: None,
            add_logs: LogChoice::None,
            add_patch: fields.or_default("add_patch"),
        },
        formatter: message_formatter(fields, "formatter", || {
            Formatter::renderable("Build pending.")
        }),
    })
}

impl Generator for BuildRequests {
    fn wants(&self, fact: FactKind) -> bool {
        matches!(fact, FactKind::BuildsetSubmitted(_))
    }

    fn builders(&self) -> &[String] {
        self.telling.selection.builders.as_deref().unwrap_or_default()
    }

    fn generate(&self, case: &Case, site: &Site) -> Result<Vec<Report>, String> {
        let Case::Requested(requests) = case else { return Ok(Vec::new()) };
        let wanted = requests.iter().filter(|request| self.telling.selection.takes(request));
        wanted.map(|request| self.telling.report(request, &self.formatter, true, site)).collect()
    }
}
