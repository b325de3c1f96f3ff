//! Submitting buildsets in a scheduler's name.

use super::{Desk, Submitted};
use crate::config::checked::SchedulerOptions;
use crate::db::{DbError, builders, buildsets, sourcestamps};
use crate::flow::interpolate::{RenderContext, Renderable};
use crate::flow::sources;
use crate::model::{Change, NewBuildset, NewSourceStamp, Properties, SourceStamp, SourceStampId};

/// One buildset for these changes; `defaults` are the stamps of codebases without one.
///
/// Properties of the changes that become source stamps go over the scheduler's own.
pub(super) fn for_changes(
    desk: &mut Desk<'_>,
    reason: &str,
    changes: &[&Change],
    defaults: &[NewSourceStamp],
) -> Result<Submitted, DbError> {
    let mut of_changes = Properties::new();
    for change in changes.iter().filter(|change| is_last(change, changes)) {
        of_changes.extend(&change.properties);
    }
    let sourcestamps = sources::sourcestamps(changes, defaults);
    let mut properties = own_properties(desk.options, &sourcestamps, &[], &of_changes);
    properties.extend(&of_changes);
    let set = NewBuildset {
        reason: reason.to_owned(),
        sourcestamps,
        properties,
        priority: priority(desk.options, changes),
        ..NewBuildset::default()
    };
    to_builders(desk, &desk.options.builder_names, set)
}

/// The scheduler's own properties, with substitutions such as `%(src:app:branch)s` made from these
/// source stamps, from each other and from `others`. Only what is configured is rendered, never
/// what comes from elsewhere; there are no secrets. One that cannot be rendered stays as it is.
pub(super) fn own_properties(
    options: &SchedulerOptions,
    new: &[NewSourceStamp],
    stored: &[SourceStamp],
    others: &Properties,
) -> Properties {
    let mut all = options.properties.clone();
    all.extend(others);
    let sources: Vec<SourceStamp> =
        new.iter().map(not_stored).chain(stored.iter().cloned()).collect();
    let context = RenderContext {
        properties: &all,
        sources: &sources,
        worker: &Properties::new(),
        secret: &|_| None,
    };
    let mut rendered = Properties::new();
    for (name, property) in options.properties.iter() {
        let value = Renderable::parse(&property.value).and_then(|of| of.render(&context));
        let value = value.unwrap_or_else(|error| {
            tracing::warn!(scheduler = %options.name, property = name, %error, "stays as it is");
            property.value.clone()
        });
        rendered.set(name, value, &property.source);
    }
    rendered
}

fn not_stored(stamp: &NewSourceStamp) -> SourceStamp {
    SourceStamp {
        id: SourceStampId(0),
        branch: stamp.branch.clone(),
        revision: stamp.revision.clone(),
        repository: stamp.repository.clone(),
        project: stamp.project.clone(),
        codebase: stamp.codebase.clone(),
        created_at: 0,
        patch: None,
    }
}

/// Submits `set` to the builders with these names.
pub(super) fn to_builders(
    desk: &mut Desk<'_>,
    names: &[String],
    set: NewBuildset,
) -> Result<Submitted, DbError> {
    let names = names_of(desk, names, &set)?;
    // A name that was never configured is left out, as in stock.
    let set = NewBuildset { builders: builders::ids_named(desk.conn, &names)?, ..set };
    let (buildset, requests) = buildsets::submit(desk.conn, &set, desk.now)?;
    Ok(Submitted { buildset, requests })
}

/// The names of builders with their substitutions made; one that fails names nobody.
fn names_of(
    desk: &mut Desk<'_>,
    names: &[String],
    set: &NewBuildset,
) -> Result<Vec<String>, DbError> {
    if !names.iter().any(|name| SchedulerOptions::is_substituted(name)) {
        return Ok(names.to_vec());
    }
    let stored = sourcestamps::get_many(desk.conn, &set.sourcestamp_ids)?;
    let sources = set.sourcestamps.iter().map(not_stored).chain(stored.into_values());
    let sources: Vec<SourceStamp> = sources.collect();
    let context = RenderContext {
        properties: &set.properties,
        sources: &sources,
        worker: &Properties::new(),
        secret: &|_| None,
    };
    let scheduler = &desk.options.name;
    let rendered = names.iter().filter_map(|name| {
        let text = Renderable::parse(&name.as_str().into()).and_then(|of| of.render_text(&context));
        text.inspect_err(|error| tracing::warn!(%scheduler, builder = name, %error, "is nobody"))
            .ok()
    });
    Ok(rendered.collect())
}

/// The scheduler's priority for these changes. A rule that fails counts as 0, and is logged.
pub(super) fn priority(options: &SchedulerOptions, changes: &[&Change]) -> i64 {
    options.priority.of(&options.builder_names, changes).unwrap_or_else(|error| {
        tracing::warn!(scheduler = %options.name, %error, "the priority counts as 0");
        0
    })
}

/// The buildset's reason: what is configured or the class's sentence, with both names put in.
pub(super) fn reason(options: &SchedulerOptions, class: &str, sentence: &str) -> String {
    let reason = options.reason.as_deref().unwrap_or(sentence);
    reason.replace("%(classname)s", class).replace("%(name)s", &options.name)
}

/// Does the source stamp of its codebase come from this change?
fn is_last(change: &Change, changes: &[&Change]) -> bool {
    !changes.iter().any(|other| other.codebase == change.codebase && other.id > change.id)
}
