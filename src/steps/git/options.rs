//! Reads the options of Git.

use indexmap::IndexMap;

use super::credentials::Credentials;
use super::describe::Describe;
use super::review::Review;
use super::{Git, Mode};
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::interpolate::Renderable;
use crate::steps::StepError;
use crate::steps::Workbench;
use crate::steps::registry::Draft;
use crate::steps::render::render_optional;
use crate::steps::source::End;
use crate::steps::source::options::{SourceOptions, chosen_method};

/// The methods of `mode = "full"`, stock's default first.
const METHODS: [&str; 4] = ["fresh", "clobber", "clean", "copy"];

/// `mode` and `method`, which may depend on the build.
#[derive(Debug)]
pub(super) struct ModeOption {
    mode: Renderable,
    method: Option<Renderable>,
}

pub(super) fn parse(fields: &mut Fields<'_>, draft: &mut Draft, review: Review) -> Git {
    let source = SourceOptions::parse(fields, draft);
    let mode = ModeOption::parse(fields);
    let shallow = shallow(fields);
    if shallow.is_some() && mode.method.is_some() && mode.fixed() == Some(Ok(false)) {
        fields.problem("'shallow' goes with no other method than \"clobber\"");
    }
    let repourl = fields.required("repourl");
    Git {
        source,
        review,
        port: port(fields),
        branch: fields.optional("branch"),
        mode,
        reference: fields.optional("reference"),
        origin: fields.optional("origin"),
        submodules: fields.or("submodules", false),
        remote_submodules: fields.or("remoteSubmodules", false),
        tags: fields.or("tags", false),
        shallow,
        filters: fields.or_default("filters"),
        progress: fields.or("progress", true),
        retry_fetch: fields.or("retryFetch", false),
        clobber_on_failure: fields.or("clobberOnFailure", false),
        describe: Describe::parse(fields),
        config: fields.or_default::<IndexMap<String, Renderable>>("config").into_iter().collect(),
        credentials: Credentials::parse(fields, &repourl),
        repourl,
    }
}

impl ModeOption {
    fn parse(fields: &mut Fields<'_>) -> ModeOption {
        let mode = fields.or("mode", Renderable::literal("incremental"));
        let option = ModeOption { mode, method: fields.optional("method") };
        if let Some(Err(message)) = option.fixed() {
            fields.problem(message);
        }
        option
    }

    /// Is it clobber? `None` when that depends on the build.
    fn fixed(&self) -> Option<Result<bool, String>> {
        let mode = self.mode.literal_text()?;
        let method = match &self.method {
            None => None,
            Some(method) => Some(method.literal_text()?),
        };
        Some(chosen(mode, method).map(|mode| mode == Mode::Clobber))
    }

    /// What it is for this build.
    pub fn choose(&self, bench: &dyn Workbench) -> Result<Mode, End> {
        let mode = render_optional(bench, Some(&self.mode)).map_err(StepError::from)?;
        let method = render_optional(bench, self.method.as_ref()).map_err(StepError::from)?;
        let mode = mode.as_deref().unwrap_or("incremental");
        chosen(mode, method.as_deref()).map_err(|message| End::Error(StepError::Failed(message)))
    }
}

fn chosen(mode: &str, method: Option<&str>) -> Result<Mode, String> {
    Ok(match chosen_method(mode, method, &METHODS)? {
        None => Mode::Incremental,
        Some("clobber") => Mode::Clobber,
        Some("clean") => Mode::Clean,
        Some("copy") => Mode::Copy,
        Some(_) => Mode::Fresh,
    })
}

fn port(fields: &mut Fields<'_>) -> u16 {
    let port: i64 = fields.or("port", 22);
    u16::try_from(port).unwrap_or_else(|_| {
        fields.problem(format!("'port' must be 0 to 65535, not {port}"));
        22
    })
}

/// `true` is a depth of 1.
fn shallow(fields: &mut Fields<'_>) -> Option<u64> {
    let raw = fields.take("shallow")?;
    match raw.value {
        RawValue::Bool(true) => Some(1),
        RawValue::Bool(false) | RawValue::Null | RawValue::Int(0) => None,
        RawValue::Int(depth) if depth > 0 => Some(depth.unsigned_abs()),
        _ => {
            let message = "must be true, false or the number of commits to fetch";
            fields.problem_at("shallow", &raw.place, message);
            None
        }
    }
}
