//! Which builds a generator looks at: by builder, tag, scheduler and branch.

use crate::config::fields::Fields;
use crate::db::listing::BuildCase;

/// Filters of builds; `None` takes all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    pub builders: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    schedulers: Option<Vec<String>>,
    branches: Option<Vec<String>>,
}

impl Selection {
    /// Reads `builders`, `tags`, `schedulers` and `branches`.
    pub fn read(fields: &mut Fields<'_>) -> Selection {
        let selection = Selection {
            builders: fields.optional("builders"),
            tags: fields.optional("tags"),
            schedulers: fields.optional("schedulers"),
            branches: fields.optional("branches"),
        };
        if selection.builders.is_some() && selection.tags.is_some() {
            fields.problem("must name builders or tags, not both");
        }
        selection
    }

    pub fn takes(&self, case: &BuildCase) -> bool {
        let build = &case.entity;
        let property = |name: &str| build["properties"][name][0].as_str();
        let among = |names: &Option<Vec<String>>, name: Option<&str>| match names {
            Some(names) => name.is_some_and(|name| names.iter().any(|known| known == name)),
            None => true,
        };
        let tags = || build["builder"]["tags"].as_array().into_iter().flatten();
        among(&self.builders, build["builder"]["name"].as_str())
            && among(&self.schedulers, property("scheduler"))
            && among(&self.branches, property("branch"))
            && self.tags.as_ref().is_none_or(|wanted| {
                tags().filter_map(|tag| tag.as_str()).any(|tag| wanted.iter().any(|w| w == tag))
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;
    use crate::reporters::samples;

    fn read(written: Value) -> (Selection, String) {
        let raw = Raw::from_json(written);
        let mut problems = Problems::new();
        let selection = Selection::read(&mut Fields::of(&raw, "g", &mut problems));
        (selection, problems.to_string())
    }

    #[test]
    fn builds_are_selected_by_what_they_are() {
        // builder `linux` with the tags `fast` and `c`, scheduler `all`, branch `main`
        let case = samples::failed();
        let table = [
            (json!({}), true),
            (json!({ "builders": ["linux"] }), true),
            (json!({ "builders": ["mac"] }), false),
            (json!({ "builders": [] }), false),
            (json!({ "tags": ["c", "x"] }), true),
            (json!({ "tags": ["x"] }), false),
            (json!({ "schedulers": ["all"], "branches": ["main"] }), true),
            (json!({ "schedulers": ["all"], "branches": ["next"] }), false),
        ];
        for (written, expected) in table {
            let (selection, problems) = read(written.clone());
            assert_eq!((selection.takes(&case), problems.as_str()), (expected, ""), "{written}");
        }
    }

    #[test]
    fn builders_and_tags_exclude_each_other() {
        let (_, problems) = read(json!({ "builders": ["a"], "tags": ["b"] }));
        assert!(problems.contains("not both"), "{problems}");
    }
}
