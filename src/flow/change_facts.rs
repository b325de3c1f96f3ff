//! A change as expressions see it: each attribute is a variable, `properties` is a table.

use serde_json::{Map, Value, json};

use crate::model::{Change, ChangeId, NewChange, Properties, SourceStamp, SourceStampId};

/// The variables of a change that is about to be stored.
pub fn facts(change: &NewChange) -> Value {
    stored_facts(&preview(change))
}

/// The variables of a stored change.
pub fn stored_facts(change: &Change) -> Value {
    json!({
        "author": change.author,
        "committer": change.committer,
        "comments": change.comments,
        "files": change.files,
        "branch": change.branch,
        "revision": change.revision,
        "revlink": change.revlink,
        "when": change.when_timestamp,
        "category": change.category,
        "repository": change.repository,
        "project": change.project,
        "codebase": change.codebase,
        "properties": values(&change.properties),
    })
}

fn values(properties: &Properties) -> Map<String, Value> {
    properties.iter().map(|(name, property)| (name.to_owned(), property.value.clone())).collect()
}

/// A change as it will be when it is stored, but for its numbers.
pub fn preview(change: &NewChange) -> Change {
    let sourcestamp = SourceStamp {
        id: SourceStampId(0),
        branch: change.branch.clone(),
        revision: change.revision.clone(),
        repository: change.repository.clone(),
        project: change.project.clone(),
        codebase: change.codebase.clone(),
        created_at: 0,
        patch: None,
    };
    Change {
        id: ChangeId(0),
        author: change.author.clone(),
        committer: change.committer.clone(),
        comments: change.comments.clone(),
        files: change.files.clone(),
        branch: change.branch.clone(),
        revision: change.revision.clone(),
        revlink: Some(change.revlink.clone()),
        when_timestamp: change.when_timestamp.unwrap_or_default(),
        category: change.category.clone(),
        repository: change.repository.clone(),
        project: change.project.clone(),
        codebase: change.codebase.clone(),
        properties: change.properties.clone(),
        sourcestamp,
        parent: None,
    }
}
