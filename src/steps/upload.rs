//! FileUpload and DirectoryUpload: from the worker to the master.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Compression;

use super::line::Line;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::render;
use super::transfer::link::Link;
use super::transfer::options::{BlockOptions, compression, mode, renamed};
use super::transfer::path::base_name;
use super::transfer::run::{FileSource, render_master_path, upload_directory, upload_file};
use super::{Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::LogType;

/// Stock's `blocksize` of a FileUpload; all other transfers have less.
const FILE_BLOCK: u64 = 256 * 1024;
/// Stock's `blocksize` of every other transfer.
pub(super) const BLOCK: u64 = 16 * 1024;

/// What every upload has.
#[derive(Debug)]
struct Upload {
    source: Renderable,
    destination: Renderable,
    block: BlockOptions,
    link: Link,
    line: Line,
}

#[derive(Debug)]
struct FileUpload {
    upload: Upload,
    mode: Option<u32>,
    keep_stamp: bool,
}

#[derive(Debug)]
struct DirectoryUpload {
    upload: Upload,
    compression: Compression,
}

impl Upload {
    fn parse(fields: &mut Fields<'_>, draft: &Draft, block: u64) -> Upload {
        renamed(fields, "slavesrc", "workersrc");
        Upload {
            source: fields.required("workersrc"),
            destination: fields.required("masterdest"),
            block: BlockOptions::parse(fields, block),
            link: Link::parse(fields),
            line: Line::of(draft),
        }
    }

    /// `takes out/a.zip of the worker to /srv/a.zip`
    fn told(&self, bench: &dyn Workbench) -> Result<String, StepError> {
        let destination = render_master_path(bench, "masterdest", &self.destination)?;
        let source = render(bench, &self.source)?.texts().1;
        Ok(format!("takes {source} of the worker to {}", destination.display()))
    }
}

#[async_trait(?Send)]
impl Step for FileUpload {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let upload = &self.upload;
        bench.log("stdio", LogType::Stdio, Stream::Stdout, "").await?;
        let (source, shown) = render(bench, &upload.source)?.texts();
        let text = format!("uploading {}", base_name(&shown, "posix"));
        upload.line.show(bench, &text)?;
        let destination = render_master_path(bench, "masterdest", &upload.destination)?;
        upload.link.show(bench, &destination)?;
        let block = upload.block.render(bench)?;
        let file = FileSource { source, block, keep_stamp: self.keep_stamp, mode: self.mode };
        let results = upload_file(bench, file, destination).await?;
        // As in stock its description serves for the end, too.
        if upload.line.running {
            return Ok(Outcome::plain(results));
        }
        upload.line.outcome(bench, results, &text)
    }

    fn in_master(&self, bench: &dyn Workbench) -> Option<Result<String, StepError>> {
        Some(self.upload.told(bench))
    }
}

#[async_trait(?Send)]
impl Step for DirectoryUpload {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let upload = &self.upload;
        bench.log("stdio", LogType::Stdio, Stream::Stdout, "").await?;
        let (source, shown) = render(bench, &upload.source)?.texts();
        let text = format!("uploading {}", base_name(shown.trim_end_matches('/'), "posix"));
        upload.line.show(bench, &text)?;
        let destination = render_master_path(bench, "masterdest", &upload.destination)?;
        upload.link.show(bench, &destination)?;
        let block = upload.block.render(bench)?;
        let results = upload_directory(bench, source, block, self.compression, destination).await?;
        upload.line.outcome(bench, results, &text)
    }

    fn in_master(&self, bench: &dyn Workbench) -> Option<Result<String, StepError>> {
        Some(self.upload.told(bench))
    }
}

pub(super) const TYPES: &[StepType] = &[
    StepType { class: "FileUpload", name: "upload", defaults, parse: file },
    StepType { class: "DirectoryUpload", name: "upload", defaults, parse: directory },
];

/// Of every transfer: a failure ends the build.
pub(super) fn defaults() -> StepOptions {
    StepOptions { halt_on_failure: true, ..StepOptions::default() }
}

fn file(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(FileUpload {
        upload: Upload::parse(fields, draft, FILE_BLOCK),
        mode: mode(fields),
        keep_stamp: fields.or("keepstamp", false),
    })
}

fn directory(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(DirectoryUpload {
        upload: Upload::parse(fields, draft, BLOCK),
        compression: compression(fields),
    })
}
