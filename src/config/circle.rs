//! Things that lead to each other in a circle: schedulers that wait, builders that trigger.

use std::collections::HashMap;

/// What each leads to.
pub type Leads<'a> = HashMap<&'a str, Vec<&'a str>>;

/// The shortest way from `start` back to it.
pub fn circle<'a>(start: &'a str, leads: &Leads<'a>) -> Option<Vec<&'a str>> {
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    let mut seen: Vec<&str> = Vec::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in way.last().and_then(|end| leads.get(end)).into_iter().flatten() {
                let mut way = way.clone();
                way.push(next);
                if *next == start {
                    return Some(way);
                }
                if !seen.contains(next) {
                    seen.push(next);
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}
