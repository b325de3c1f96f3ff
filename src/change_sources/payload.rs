//! Properties out of what a code review server tells: `github.user.login`, `event.change.branch`.

use serde_json::{Map, Value};

use crate::config::fields::Fields;
use crate::flow::pattern::Shell;
use crate::model::Properties;

/// Which of the values become properties, by shell patterns of their names.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Vec<Shell>);

impl Wanted {
    /// All of them.
    pub fn all() -> Wanted {
        Wanted(Shell::new("*").into_iter().collect())
    }

    /// Reads a list of patterns; none by default.
    pub fn read(fields: &mut Fields<'_>, key: &'static str) -> Wanted {
        let mut wanted = Vec::new();
        let place = fields.place().clone();
        for source in fields.or_default::<Vec<String>>(key) {
            match Shell::new(&source) {
                Ok(pattern) => wanted.push(pattern),
                Err(message) => fields.problem_at(key, &place, message),
            }
        }
        Wanted(wanted)
    }

    /// The values in `payload` with the names that are wanted; tables are flattened, with a dot
    /// between the names.
    pub fn properties(&self, base: &str, payload: &Map<String, Value>) -> Properties {
        let mut properties = Properties::new();
        self.flatten(base, payload, &mut properties);
        properties
    }

    fn flatten(&self, base: &str, table: &Map<String, Value>, properties: &mut Properties) {
        for (key, value) in table {
            let name = format!("{base}.{key}");
            match value {
                Value::Object(inner) => self.flatten(&name, inner, properties),
                value if self.0.iter().any(|pattern| pattern.matches(&name)) => {
                    properties.set(&name, value.clone(), "Change");
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_flattened_and_chosen() {
        let payload = json!({ "number": 5, "user": { "login": "joe", "id": 1 }, "labels": ["a"] });
        let names = |wanted: &Wanted| {
            let properties = wanted.properties("github", payload.as_object().unwrap());
            properties.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&Wanted::default()), Vec::<String>::new());
        let some = Wanted(vec![Shell::new("github.user.*").unwrap()]);
        assert_eq!(names(&some), ["github.user.login", "github.user.id"]);
        assert_eq!(names(&Wanted::all()).len(), 4);
    }
}
