//! `BuildRequestGenerator`: tells of requests that came in and wait for a build, and of those
//! that were cancelled while they waited.

use crate::config::fields::Fields;
use crate::db::facts::FactKind;
use crate::flow::report::Modes;

use super::super::formatters::{Formatter, LogChoice, message_formatter};
use super::super::{Report, Site};
use super::{Case, Generator, Selection, Telling};

#[derive(Debug)]
pub struct BuildRequests {
    telling: Telling,
    formatter: Formatter,
}

impl BuildRequests {
    /// Of all requests.
    pub fn standard() -> BuildRequests {
        BuildRequests { telling: telling(Selection::default(), false), formatter: pending() }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> BuildRequests {
        BuildRequests {
            telling: telling(Selection::read(fields), fields.or_default("add_patch")),
            formatter: message_formatter(fields, "formatter", pending),
        }
    }
}

fn pending() -> Formatter {
    Formatter::renderable("Build pending.")
}

fn telling(selection: Selection, add_patch: bool) -> Telling {
    let modes = Modes::all();
    Telling { selection, modes, subject: None, add_logs: LogChoice::None, add_patch }
}

impl Generator for BuildRequests {
    fn wants(&self, fact: FactKind) -> bool {
        matches!(fact, FactKind::BuildsetSubmitted(_) | FactKind::RequestCancelled(_))
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
