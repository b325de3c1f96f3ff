//! `projects`: builders that belong together on pages.

use super::checked::ProjectConfig;
use super::fields::Fields;
use super::values::{is_identifier, wrong_format};

/// Longest slug: the column's width.
const SLUG_LENGTH: usize = 50;

/// Reads `projects`.
pub fn parse(fields: &mut Fields<'_>) -> Vec<(String, ProjectConfig)> {
    let entries = fields.entries("projects");
    let (_, problems) = fields.nested("projects");
    entries
        .into_iter()
        .map(|(path, raw)| {
            let mut fields = Fields::of(&raw, path.as_str(), problems);
            let name: String = fields.required_checked("name", wrong_name);
            let slug = fields.optional_checked("slug", wrong_name);
            let project = ProjectConfig {
                slug: slug.unwrap_or_else(|| name.clone()),
                name,
                description: fields.optional("description"),
                description_format: fields.optional_checked("description_format", wrong_format),
            };
            fields.finish();
            (path, project)
        })
        .collect()
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn wrong_name(name: &String) -> Option<String> {
    let fits = is_identifier(name) && name.chars().count() <= SLUG_LENGTH;
    (!fits).then(|| {
        format!(
            "'{name}' must be an identifier of at most {SLUG_LENGTH} characters: letters, digits, \
             '_' and '-', no digit first"
        )
    })
}
