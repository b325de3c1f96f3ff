//! `/tree`: the supervision tree.

use actix_web::web;
use serde::Serialize;

use super::Page;
use crate::actors::tree::{ChildState, ChildStatus};
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

#[derive(Serialize)]
struct Tree {
    children: Vec<Child>,
}

#[derive(Serialize)]
struct Child {
    name: String,
    /// Path of the parent, for screen readers; ends in `/`.
    parent: String,
    /// Generation, at most 4.
    depth: usize,
    state: &'static str,
    class: &'static str,
    symbol: &'static str,
    since: i64,
    rule: &'static str,
    restarts: u64,
    high_water: usize,
    lost: u64,
    last_error: Option<String>,
}

pub async fn page(site: web::Data<Site>) -> Page {
    let mut children = site.backstage.tree();
    // Children stand below their parent, generations in the order of start.
    let order: Vec<Option<String>> =
        children.iter().map(|child| child.names.first().cloned()).collect();
    let rank =
        |child: &ChildStatus| order.iter().position(|top| top.as_ref() == child.names.first());
    children.sort_by_key(|child| (rank(child), child.names.clone()));
    let tree = Tree { children: children.into_iter().map(child).collect() };
    Ok(Frame::new("tree", "Supervision tree", "tree").render(&site, &tree))
}

fn child(status: ChildStatus) -> Child {
    let (class, symbol) = match status.state {
        ChildState::Running => ("success", "●"),
        ChildState::BackingOff => ("warnings", "↻"),
        ChildState::Parked => ("failure", "✗"),
        ChildState::Stopping => ("skipped", "■"),
    };
    let (name, parents) = status.names.split_last().map_or(("", &[][..]), |(n, p)| (n.as_str(), p));
    Child {
        name: name.to_owned(),
        parent: parents.iter().map(|parent| format!("{parent}/")).collect(),
        depth: parents.len().min(4),
        state: status.state.name(),
        class,
        symbol,
        since: status.since,
        rule: status.rule,
        restarts: status.restarts,
        high_water: status.mailbox_high_water,
        lost: status.mail_lost,
        last_error: status.last_error,
    }
}
