//! The one order in which all claims look at the locks they want.

use std::collections::{HashMap, HashSet};

/// A build of `builder` holds one lock while a step of it waits for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edge<'a> {
    pub held: &'a str,
    pub wanted: &'a str,
    pub builder: &'a str,
}

/// The locks in an order in which every lock that is held stands before those that are waited for
/// meanwhile; otherwise in the order of `names`.
///
/// # Errors
/// When there is none: edges in a circle, each beginning where the one before ends. Builds that
/// run through them at the same time would wait for each other for ever.
pub fn order<'a>(names: &[&'a str], edges: &[Edge<'a>]) -> Result<Vec<&'a str>, Vec<Edge<'a>>> {
    let mut walk = Walk { after: HashMap::new(), done: HashSet::new(), order: Vec::new() };
    for edge in edges {
        walk.after.entry(edge.held).or_default().push(edge);
    }
    // Depth first, from behind: each lock is put before all that come after it.
    for name in names.iter().rev() {
        walk.visit(name, &mut Vec::new())?;
    }
    walk.order.reverse();
    Ok(walk.order)
}

struct Walk<'a, 'e> {
    after: HashMap<&'a str, Vec<&'e Edge<'a>>>,
    done: HashSet<&'a str>,
    /// The last lock first.
    order: Vec<&'a str>,
}

impl<'a> Walk<'a, '_> {
    /// `path` leads to `name`.
    fn visit(&mut self, name: &'a str, path: &mut Vec<Edge<'a>>) -> Result<(), Vec<Edge<'a>>> {
        if let Some(start) = path.iter().position(|edge| edge.held == name) {
            return Err(path.split_off(start));
        }
        if self.done.contains(name) {
            return Ok(());
        }
        for edge in self.after.get(name).cloned().unwrap_or_default() {
            path.push(edge.clone());
            self.visit(edge.wanted, path)?;
            path.pop();
        }
        self.done.insert(name);
        self.order.push(name);
        Ok(())
    }
}
