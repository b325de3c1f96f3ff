//! The category of a change source's changes: a text, or an expression over the change.

use super::expression::Expression;
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::change_facts::facts;
use crate::model::NewChange;

/// What a source's `category` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Category {
    /// The source's own: none for most classes.
    #[default]
    Own,
    Fixed(String),
    /// Where stock takes a callable; empty text is no category.
    Computed(Expression),
}

impl Category {
    /// Reads `category`: a string, or `{ expression = "…" }`.
    pub fn read(fields: &mut Fields<'_>) -> Category {
        let Some(raw) = fields.take("category") else { return Category::Own };
        let read = match &raw.value {
            RawValue::Null => Ok(Category::Own),
            RawValue::Text(text) => Ok(Category::Fixed(text.clone())),
            RawValue::Table(table) if table.len() == 1 && table.contains_key("expression") => {
                match raw.get("expression").and_then(|raw| raw.as_text()) {
                    Some(source) => Expression::parse(source).map(Category::Computed),
                    None => Err("'expression' must be a string".to_owned()),
                }
            }
            _ => Err(format!("must be a string or {{ expression = \"…\" }}, not {}", raw.kind())),
        };
        read.unwrap_or_else(|message| {
            fields.problem_at("category", &raw.place, message);
            Category::Own
        })
    }

    /// Sets the change's category. An expression that fails leaves it as it is and says why in the
    /// log.
    pub fn apply(&self, change: &mut NewChange) {
        match self {
            Category::Own => {}
            Category::Fixed(text) => change.category = Some(text.clone()),
            Category::Computed(expression) => match expression.text(&facts(change)) {
                Ok(text) => change.category = Some(text).filter(|text| !text.is_empty()),
                Err(error) => tracing::warn!("a change has no category: {error}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn read(category: Value, problems: &mut Problems) -> Category {
        let raw = Raw::from_json(json!({ "category": category }));
        Category::read(&mut Fields::of(&raw, "", problems))
    }

    #[test]
    fn texts_and_expressions() {
        let docs = json!({ "expression": "'docs' if 'a.md' in files else ''" });
        let cases = [
            (Value::Null, &["a.md"][..], Some("own")),
            (json!("nightly"), &[], Some("nightly")),
            (docs.clone(), &["a.md"], Some("docs")),
            (docs, &["a.c"], None),
        ];
        for (written, files, expected) in cases {
            let mut problems = Problems::new();
            let category = read(written.clone(), &mut problems);
            assert!(problems.is_empty(), "{problems}");
            let files = files.iter().map(|file| (*file).to_owned()).collect();
            let own = Some("own".to_owned());
            let mut change = NewChange { files, category: own, ..NewChange::default() };
            category.apply(&mut change);
            assert_eq!(change.category.as_deref(), expected, "{written}");
        }
        for wrong in [json!(3), json!({ "expression": "a ==" }), json!({})] {
            let mut problems = Problems::new();
            read(wrong.clone(), &mut problems);
            assert_eq!(problems.len(), 1, "{wrong}");
        }
    }
}
