//! `url` and `urlText`: where people find what was uploaded.

use std::path::Path;

use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::steps::render::render_optional;
use crate::steps::{StepError, Workbench};

#[derive(Debug)]
pub struct Link {
    url: Option<Renderable>,
    text: Option<Renderable>,
}

impl Link {
    pub fn parse(fields: &mut Fields<'_>) -> Link {
        Link { url: fields.optional("url"), text: fields.optional("urlText") }
    }

    /// Adds the link to the step, named like the destination unless it has a text of its own.
    pub fn show(&self, bench: &mut dyn Workbench, destination: &Path) -> Result<(), StepError> {
        let Some(url) = render_optional(bench, self.url.as_ref())? else { return Ok(()) };
        let text = match render_optional(bench, self.text.as_ref())? {
            Some(text) => text,
            None => destination.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        bench.add_url(&text, &url);
        Ok(())
    }
}
