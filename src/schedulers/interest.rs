//! Which changes a scheduler takes, and which of them are important.

use crate::config::checked::SchedulerOptions;
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::change_filter::{ChangeFilter, FileFilter};
use crate::flow::verdict::{Judge, Verdict};
use crate::model::Change;

/// `change_filter`, `fileIsImportant` and `onlyImportant`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interest {
    pub filter: ChangeFilter,
    pub important: FileFilter,
    /// Unimportant changes are not even remembered.
    pub only_important: bool,
}

impl Interest {
    /// Reads `fileIsImportant` and `onlyImportant` to go with `filter`.
    pub fn parse(fields: &mut Fields<'_>, filter: ChangeFilter) -> Interest {
        Interest {
            filter,
            important: file_filter(fields),
            only_important: fields.or_default("onlyImportant"),
        }
    }

    /// Is the change important? `None` when the scheduler does not take it at all.
    pub fn importance(&self, options: &SchedulerOptions, change: &Change) -> Option<bool> {
        if !self.filter.matches(change) {
            return None;
        }
        if !options.knows(&change.codebase) {
            tracing::info!(
                scheduler = %options.name, change = %change.id,
                "the change belongs to codebase '{}', which is not among the scheduler's codebases",
                change.codebase
            );
            return None;
        }
        let important = self.important.is_important(change);
        (important || !self.only_important).then_some(important)
    }

    /// The same in words.
    pub fn verdict(&self, options: &SchedulerOptions, change: &Change) -> Verdict {
        let judge = Judge {
            scheduler: &options.name,
            filter: &self.filter,
            important: &self.important,
            only_important: self.only_important,
            knows: &|codebase| options.knows(codebase),
        };
        judge.verdict(change)
    }
}

fn file_filter(fields: &mut Fields<'_>) -> FileFilter {
    match fields.take("fileIsImportant").filter(|raw| raw.value != RawValue::Null) {
        Some(raw) => {
            let (path, problems) = fields.nested("fileIsImportant");
            FileFilter::parse(&raw, &path, problems)
        }
        None => FileFilter::default(),
    }
}
