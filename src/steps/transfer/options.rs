//! The options that all transfers share.

use protocol::command::{Block, Compression};

use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::interpolate::Renderable;
use crate::steps::command::render_workdir;
use crate::steps::{StepError, Workbench};

/// Most bytes in one message. Perspective Broker takes no string of more than 640 KiB.
pub const LARGEST_BLOCK: u64 = 639 * 1024;

/// `workdir`, `maxsize` and `blocksize`.
#[derive(Debug)]
pub struct BlockOptions {
    workdir: Option<Renderable>,
    /// Bytes.
    pub max_size: Option<u64>,
    size: u64,
}

impl BlockOptions {
    /// `size` is the class's `blocksize`.
    pub fn parse(fields: &mut Fields<'_>, size: u64) -> BlockOptions {
        let given: Option<usize> = fields.optional_checked("blocksize", |given| match *given {
            0 => Some("must be at least 1".to_owned()),
            given if given as u64 > LARGEST_BLOCK => Some(format!(
                "must be at most {LARGEST_BLOCK}, and is {given}: a longer message cannot be sent \
                 to a worker"
            )),
            _ => None,
        });
        BlockOptions {
            workdir: fields.optional("workdir"),
            max_size: fields.optional::<usize>("maxsize").map(|size| size as u64),
            size: given.filter(|given| *given > 0).map_or(size, |given| given as u64),
        }
    }

    pub fn render(&self, bench: &dyn Workbench) -> Result<Block, StepError> {
        let workdir = render_workdir(bench, self.workdir.as_ref())?;
        Ok(Block { workdir, max_size: self.max_size, size: self.size })
    }
}

/// `mode`: permission bits of the new file.
pub fn mode(fields: &mut Fields<'_>) -> Option<u32> {
    let raw = fields.take("mode")?;
    let message = match raw.value {
        RawValue::Null => return None,
        RawValue::Int(mode @ (0..=0o777 | 0o2000..=0o7777)) => return u32::try_from(mode).ok(),
        // 755 is 0o1363, which nobody wants: the sign of an octal number is missing.
        RawValue::Int(mode) => format!("must be permission bits such as 0o644, not {mode}"),
        _ => format!("must be a number such as 0o644, not {}", raw.kind()),
    };
    fields.problem_at("mode", &raw.place, message);
    None
}

/// `compress`.
pub fn compression(fields: &mut Fields<'_>) -> Compression {
    let wrong = |name: &String| match Compression::from_name(Some(name)) {
        Some(_) => None,
        None => Some("must be \"gz\" or \"bz2\"".to_owned()),
    };
    let name: Option<String> = fields.optional_checked("compress", wrong);
    Compression::from_name(name.as_deref()).unwrap_or_default()
}

/// Refuses the name that an option had long ago; stock 4 does not take it either.
pub fn renamed(fields: &mut Fields<'_>, old: &str, new: &str) {
    fields.refuse(old, &format!("is an old name; did you mean '{new}'?"));
}
