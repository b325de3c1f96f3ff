//! Does a scheduler care about this change, and is it important?

use crate::model::Change;

/// Which changes a scheduler takes. Empty takes all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeFilter {}

/// `fileIsImportant` as patterns. Empty finds every change important.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileFilter {}

impl ChangeFilter {
    pub fn matches(&self, _change: &Change) -> bool {
        true
    }
}

impl FileFilter {
    pub fn is_important(&self, _change: &Change) -> bool {
        true
    }
}
