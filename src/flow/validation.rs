//! `validation`: what people may write where anything would do, such as in an
//! `AnyPropertyParameter` of a form or behind `force` on IRC.

use super::pattern::Pattern;
use crate::config::fields::Fields;
use crate::config::raw::RawValue;

/// One pattern for each kind of text, which must match from the text's beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    pub branch: Pattern,
    pub revision: Pattern,
    pub property_name: Pattern,
    pub property_value: Pattern,
}

impl Validation {
    /// Reads the key `validation`; what it leaves out is as in stock.
    pub fn read(fields: &mut Fields<'_>) -> Validation {
        let mut validation = Validation::default();
        let Some(raw) = fields.take("validation").filter(|raw| raw.value != RawValue::Null) else {
            return validation;
        };
        let (path, problems) = fields.nested("validation");
        let mut table = Fields::of(&raw, path, problems);
        for (key, pattern) in [
            ("branch", &mut validation.branch),
            ("revision", &mut validation.revision),
            ("property_name", &mut validation.property_name),
            ("property_value", &mut validation.property_value),
        ] {
            let source = table.optional_checked(key, |text: &String| Pattern::new(text).err());
            if let Some(Ok(written)) = source.map(|source| Pattern::new(&source)) {
                *pattern = written;
            }
        }
        table.finish();
        validation
    }
}

impl Default for Validation {
    /// Stock's patterns.
    fn default() -> Validation {
        let pattern = |source| Pattern::new(source).expect("a constant expression");
        Validation {
            branch: pattern(r"[\w.+/~-]*$"),
            revision: pattern(r"[ \w.\-/]*$"),
            property_name: pattern(r"[\w./~:-]*$"),
            property_value: pattern(r"[\w./~:-]*$"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn read(written: Value) -> Result<Validation, String> {
        let raw = Raw::from_json(written);
        let mut problems = Problems::new();
        let mut fields = Fields::of(&raw, "", &mut problems);
        let validation = Validation::read(&mut fields);
        fields.finish();
        if problems.is_empty() { Ok(validation) } else { Err(problems.to_string()) }
    }

    #[test]
    fn what_is_left_out_is_as_in_stock() {
        let stock = Validation::default();
        assert_eq!(read(json!({})), Ok(stock.clone()));
        let own = read(json!({ "validation": { "branch": "rel-\\d+$" } })).unwrap();
        assert_eq!(own.revision, stock.revision);
        for (text, by_stock, by_own) in
            [("main", true, false), ("rel-1", true, true), ("a b", false, false), ("", true, false)]
        {
            assert_eq!(
                (stock.branch.matches(text), own.branch.matches(text)),
                (by_stock, by_own),
                "{text}"
            );
        }
        assert!(stock.revision.matches("tags/1.0 beta") && !stock.revision.matches("a;b"));
    }

    #[test]
    fn mistakes_are_told() {
        for (written, expected) in [
            (json!({ "validation": { "branch": "(" } }), "validation.branch: '(' is not a regular"),
            (json!({ "validation": { "branches": "a" } }), "did you mean 'branch'?"),
            (json!({ "validation": "a" }), "must be a table"),
        ] {
            let told = read(written).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }
}
