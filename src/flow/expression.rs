//! Expressions of `doStepIf` and `hideStepIf`, such as `branch == "main" and results != "success"`.
//!
//! Jinja's expression language over the build's properties. Every property whose name is an
//! identifier is a variable; `prop("name", default)` reaches all of them; `results` is the name of
//! the step's result (`success`, `failure` …) and `results_code` its number.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Object, Value as Jinja};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value;

use crate::config::fields::FromRaw;
use crate::config::raw::Raw;
use crate::model::{Properties, Results};

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment
});

/// A checked expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    source: String,
}

impl Expression {
    /// # Errors
    /// A message that quotes the expression and says what the parser stumbled on.
    pub fn parse(source: &str) -> Result<Expression, String> {
        match ENVIRONMENT.compile_expression(source) {
            Ok(_) => Ok(Expression { source: source.to_owned() }),
            Err(error) => Err(complaint(source, &error)),
        }
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it comes to for these variables.
    ///
    /// # Errors
    /// A message for people, as for a comparison of a number with text.
    pub fn value(&self, variables: &Variables) -> Result<Jinja, String> {
        self.run(Jinja::from_object(variables.clone()))
    }

    fn run(&self, scope: Jinja) -> Result<Jinja, String> {
        ENVIRONMENT
            .compile_expression(&self.source)
            .and_then(|compiled| compiled.eval(scope))
            .map_err(|error| complaint(&self.source, &error))
    }

    /// Is it true for these properties? `results` is what the step ended with, for `hideStepIf`.
    ///
    /// # Errors
    /// A message for people, as for a comparison of a number with text.
    pub fn eval(&self, properties: &Properties, results: Option<Results>) -> Result<bool, String> {
        self.value(&of_build(properties, results)).map(|value| value.is_true())
    }

    /// Is it true for these facts, whose top-level names are its variables?
    ///
    /// # Errors
    /// As [`eval`](Self::eval).
    pub fn holds(&self, facts: &Value) -> Result<bool, String> {
        self.run(Jinja::from_serialize(facts)).map(|value| value.is_true())
    }

    /// The text that it makes of these facts; nothing and a missing name are empty.
    ///
    /// # Errors
    /// As [`eval`](Self::eval).
    pub fn text(&self, facts: &Value) -> Result<String, String> {
        let value = self.run(Jinja::from_serialize(facts))?;
        Ok(if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() })
    }

    /// The number that it makes of these properties.
    ///
    /// # Errors
    /// A message for people, also when the value is no number.
    pub fn number(&self, properties: &Properties) -> Result<i64, String> {
        let value = self.value(&of_build(properties, None))?;
        let number = value.is_number().then(|| i64::try_from(value.clone()).ok()).flatten();
        number.ok_or_else(|| {
            format!("the expression '{}' gives no whole number but '{value}'", self.source)
        })
    }
}

impl FromRaw for Expression {
    fn from_raw(raw: &Raw) -> Result<Expression, String> {
        match raw.as_text() {
            Some(text) => Expression::parse(text),
            None => Err(format!("must be an expression, not {}", raw.kind())),
        }
    }
}

fn complaint(source: &str, error: &Error) -> String {
    let detail = error.detail().map(str::to_owned).unwrap_or_else(|| error.kind().to_string());
    format!("the expression '{source}' is wrong: {detail}")
}

/// What an expression sees that is not about a build: named values, and behind them properties,
/// which `prop("name", default)` reaches, too.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    named: HashMap<&'static str, Jinja>,
    properties: Arc<Properties>,
}

impl Variables {
    /// Every property whose name is an identifier is a variable.
    pub fn of(properties: Arc<Properties>) -> Variables {
        Variables { named: HashMap::new(), properties }
    }

    /// The same with one more variable, which hides a property of its name.
    pub fn with(mut self, name: &'static str, value: impl Into<Jinja>) -> Variables {
        self.named.insert(name, value.into());
        self
    }
}

impl Object for Variables {
    fn get_value(self: &Arc<Variables>, key: &Jinja) -> Option<Jinja> {
        match key.as_str()? {
            "prop" => Some(Jinja::from_object(Prop(self.properties.clone()))),
            name => self
                .named
                .get(name)
                .cloned()
                .or_else(|| self.properties.get(name).map(Jinja::from_serialize)),
        }
    }
}

/// What an expression about a build or step sees: `results` and `results_code` are the step's, and
/// nothing before its end, whatever properties have these names.
fn of_build(properties: &Properties, results: Option<Results>) -> Variables {
    let or_nothing = |value: Option<Jinja>| value.unwrap_or(Jinja::UNDEFINED);
    Variables::of(Arc::new(properties.clone()))
        .with("results", or_nothing(results.map(|results| results.name().into())))
        .with("results_code", or_nothing(results.map(|results| results.code().into())))
}

/// `prop(name, default)`.
struct Prop(Arc<Properties>);

impl fmt::Debug for Prop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("prop")
    }
}

impl Object for Prop {
    fn call(
        self: &Arc<Prop>,
        _state: &minijinja::State<'_, '_>,
        args: &[Jinja],
    ) -> Result<Jinja, Error> {
        let Some(name) = args.first().and_then(Jinja::as_str) else {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "prop needs the name of a property in quotes",
            ));
        };
        Ok(match self.0.get(name) {
            Some(value) => Jinja::from_serialize(value),
            None => args.get(1).cloned().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_see_properties_and_results() {
        let properties = Properties::from_iter([
            ("branch", json!("main"), "t"),
            ("n", json!(3), "t"),
            ("with-dash", json!(true), "t"),
            ("list", json!(["a"]), "t"),
            ("none", Value::Null, "t"),
        ]);
        let cases = [
            ("branch == 'main'", true),
            ("branch != 'main' or n > 2", true),
            ("prop('with-dash')", true),
            ("prop('missing')", false),
            ("prop('missing', 5) == 5", true),
            ("missing", false),
            ("not missing", true),
            ("'a' in list", true),
            ("none", false),
            ("results == 'failure'", true),
            ("results_code == 2", true),
            ("results in ['success', 'skipped']", false),
            ("branch[:2] == 'ma'", true),
        ];
        for (source, expected) in cases {
            let expression = Expression::parse(source).unwrap();
            let value = expression.eval(&properties, Some(Results::Failure));
            assert_eq!(value, Ok(expected), "{source}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let message = Expression::parse("branch ==").unwrap_err();
        assert!(message.contains("branch =="), "{message}");
        let broken = Expression::parse("nothing()").unwrap();
        assert!(broken.eval(&Properties::new(), None).is_err());
    }
}
