//! Templates: Jinja, as Buildbot's manual has them, or Handlebars.

use std::sync::LazyLock;

use handlebars::{Handlebars, handlebars_helper, no_escape};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use super::super::Kind;
use crate::config::fields::FromRaw;
use crate::config::raw::Raw;

/// In which language a template is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Jinja,
    Handlebars,
}

impl FromRaw for Language {
    fn from_raw(raw: &Raw) -> Result<Language, String> {
        match raw.as_text() {
            Some("jinja") => Ok(Language::Jinja),
            Some("handlebars") => Ok(Language::Handlebars),
            _ => Err("must be \"jinja\" or \"handlebars\"".to_owned()),
        }
    }
}

/// A checked template. What it inserts into HTML is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    language: Language,
    html: bool,
    source: String,
}

impl Template {
    /// # Errors
    /// What the parser stumbled on, and where.
    pub fn parse(source: &str, language: Language, kind: Kind) -> Result<Template, String> {
        match language {
            Language::Jinja => {
                environment(false).template_from_str(source).map_err(|e| jinja_error(&e))?;
            }
            Language::Handlebars => {
                handlebars::Template::compile(source).map_err(|e| format!("is wrong: {e}"))?;
            }
        }
        Ok(Template { language, html: kind == Kind::Html, source: source.to_owned() })
    }

    /// One of the templates that come with the program.
    pub(super) fn built_in(source: &'static str, kind: Kind) -> Template {
        let source = source.strip_suffix('\n').unwrap_or(source).to_owned();
        Template { language: Language::Handlebars, html: kind == Kind::Html, source }
    }

    /// # Errors
    /// What the template asks of the context in vain, for people.
    pub fn render(&self, context: &Value) -> Result<String, String> {
        match self.language {
            Language::Jinja => environment(self.html)
                .template_from_str(&self.source)
                .and_then(|template| template.render(context))
                .map_err(|error| jinja_error(&error)),
            Language::Handlebars => {
                let registry = if self.html { &*HTML } else { &*PLAIN };
                registry
                    .render_template(&self.source, context)
                    .map_err(|error| format!("the template fails: {error}"))
            }
        }
    }
}

fn jinja_error(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("is wrong{line}: {detail}")
}

fn environment(html: bool) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    // `build['properties'].get('branch', ['?'])` and `", ".join(blamelist)`.
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_auto_escape_callback(
        move |_| {
            if html { AutoEscape::Html } else { AutoEscape::None }
        },
    );
    environment
}

static HTML: LazyLock<Handlebars<'static>> = LazyLock::new(registry);
static PLAIN: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut registry = registry();
    registry.register_escape_fn(no_escape);
    registry
});

fn registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.register_helper("join", Box::new(join));
    registry
}

// `{{join blamelist}}`: the items of a list, separated by commas.
handlebars_helper!(join: |list: Value| {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    items.iter().map(text).collect::<Vec<_>>().join(", ")
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_languages_fill_in_and_html_is_escaped() {
        let context = json!({
            "who": ["Ann <a@b.c>", "Bob"], "names": ["success"], "results": 0,
            "build": { "properties": { "branch": ["main", "Change"] } },
        });
        let (jinja, handlebars) = (Language::Jinja, Language::Handlebars);
        let table = [
            (jinja, Kind::Plain, "{{ ', '.join(who) }}", "Ann <a@b.c>, Bob"),
            (jinja, Kind::Html, "{{ who[0] }}", "Ann &lt;a@b.c&gt;"),
            (jinja, Kind::Plain, "{{ build['properties'].get('x', ['?'])[0] }}", "?"),
            (jinja, Kind::Plain, "{{ build.properties.branch[0] }}{{ nothing }}", "main"),
            (
                jinja,
                Kind::Plain,
                "{{ names[results] }}{% if nothing.at.all %}!{% endif %}",
                "success",
            ),
            (handlebars, Kind::Plain, "{{join who}}", "Ann <a@b.c>, Bob"),
            (handlebars, Kind::Html, "{{who.[0]}}", "Ann &lt;a@b.c&gt;"),
            (handlebars, Kind::Plain, "{{#each who}}{{this}};{{/each}}", "Ann <a@b.c>;Bob;"),
        ];
        for (language, kind, source, expected) in table {
            let template = Template::parse(source, language, kind).unwrap();
            assert_eq!(template.render(&context).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let error = Template::parse("a\n{% if x %}", Language::Jinja, Kind::Plain).unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        let error = Template::parse("{{#each x}}", Language::Handlebars, Kind::Plain).unwrap_err();
        assert!(error.starts_with("is wrong"), "{error}");
    }
}
