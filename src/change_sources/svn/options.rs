//! The options of `SVNPoller`.

use std::fmt;
use std::path::PathBuf;

use super::split::Split;
use crate::change_sources::registry::Draft;
use crate::config::fields::Fields;
use crate::config::values::non_empty;
use crate::flow::category::Category;

/// Stock's: how many revisions are read at a time.
const HISTMAX: usize = 100;

/// What a `SVNPoller` is told.
#[derive(Clone)]
pub struct SvnOptions {
    /// Without a slash at its end.
    pub repourl: String,
    pub split_file: Split,
    pub svnuser: Option<String>,
    pub svnpasswd: Option<String>,
    /// At least 1.
    pub histmax: usize,
    pub svnbin: String,
    /// `%s` is the revision.
    pub revlinktmpl: String,
    pub project: String,
    pub codebase: String,
    pub cachepath: Option<PathBuf>,
    pub extra_args: Vec<String>,
}

/// Without the password.
impl fmt::Debug for SvnOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SvnOptions").field("project", &self.project).finish_non_exhaustive()
    }
}

impl SvnOptions {
    pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> SvnOptions {
        let repourl: String = fields.required_checked("repourl", |url: &String| {
            non_empty(url).or_else(|| {
                (!url.contains("://"))
                    .then(|| "must be a URL, such as file:///srv/svn/repo/trunk".to_owned())
            })
        });
        draft.name(|| repourl.clone());
        draft.category = Category::read(fields);
        let histmax = fields.optional_checked("histmax", |histmax: &usize| {
            (*histmax == 0).then(|| "must be at least 1".to_owned())
        });
        let svnbin = fields.optional_checked("svnbin", non_empty);
        SvnOptions {
            repourl: repourl.trim_end_matches('/').to_owned(),
            split_file: Split::read(fields),
            svnuser: fields.optional("svnuser"),
            svnpasswd: fields.optional_checked("svnpasswd", |password: &String| {
                password.contains(['\n', '\r']).then(|| "must be one line".to_owned())
            }),
            histmax: histmax.filter(|histmax| *histmax > 0).unwrap_or(HISTMAX),
            svnbin: svnbin.unwrap_or_else(|| "svn".to_owned()),
            revlinktmpl: fields.or_default("revlinktmpl"),
            project: fields.or_default("project"),
            codebase: fields.or_default("codebase"),
            cachepath: fields.optional::<String>("cachepath").map(PathBuf::from),
            extra_args: fields.or_default("extra_args"),
        }
    }

    /// Stock quotes the revision for a URL, in which a number has nothing to quote.
    pub fn revlink(&self, revision: i64) -> String {
        self.revlinktmpl.replace("%s", &revision.to_string())
    }
}
