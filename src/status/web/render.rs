//! Templates, their helpers, and the response around a page.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use handlebars::{
    Context, Handlebars, Helper, HelperResult, JsonRender, Output, RenderContext, handlebars_helper,
};
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::{Value, json};

use super::pages::text;
use super::site::Site;
use crate::flow::links;
use crate::model::now;

#[derive(RustEmbed)]
#[folder = "templates/"]
struct Templates;

/// The css, the script and the icon.
#[derive(RustEmbed)]
#[folder = "static/"]
pub struct Static;

/// All page templates with their helpers. A broken template is reported and left out; a test
/// renders every page.
pub fn templates() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    for path in Templates::iter() {
        let Some(name) = path.strip_suffix(".hbs") else { continue };
        let Some(file) = Templates::get(&path) else { continue };
        let text = String::from_utf8_lossy(&file.data);
        if let Err(error) = registry.register_template_string(name, text) {
            tracing::error!(template = name, %error, "a page template is broken");
        }
    }
    registry.register_helper("when", Box::new(when));
    registry.register_helper("badge", Box::new(badge));
    registry.register_helper("dur", Box::new(dur));
    registry.register_helper("class", Box::new(class_name));
    registry.register_helper("short", Box::new(short));
    registry.register_helper("person", Box::new(person));
    registry.register_helper("line", Box::new(line));
    registry.register_helper("seg", Box::new(segment));
    registry
}

handlebars_helper!(dur: |seconds: Value| seconds.as_i64().map_or(String::new(), text::duration));
handlebars_helper!(class_name: |results: Value, complete: Value| {
    text::class(results.as_i64(), complete.as_bool().unwrap_or(true))
});
handlebars_helper!(short: |revision: Value| text::short_revision(revision.as_str().unwrap_or("")));
handlebars_helper!(person: |author: Value| text::person(author.as_str().unwrap_or("")));
handlebars_helper!(line: |comments: Value| text::first_line(comments.as_str().unwrap_or("")));
handlebars_helper!(segment: |name: Value| links::path_segment(name.as_str().unwrap_or("")));

/// `{{when seconds}}`: a moment, told relatively, with the exact time in its title.
fn when(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let Some(at) = helper.param(0).and_then(|param| param.value().as_i64()) else { return Ok(()) };
    let (exact, relative) = (text::exact(at), text::relative(at, now()));
    out.write(&format!(
        "<time datetime=\"{exact}\" title=\"{exact}\" data-at={at}>{relative}</time>"
    ))?;
    Ok(())
}

/// `{{badge results complete}}`: a result as symbol, word and colour.
fn badge(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let results = helper.param(0).and_then(|param| param.value().as_i64());
    let complete = helper.param(1).is_none_or(|param| param.value().render() == "true");
    let class = text::class(results, complete);
    let symbol = text::symbol(class);
    out.write(&format!(
        "<span class=\"badge {class}\"><span aria-hidden=true>{symbol}</span> {class}</span>"
    ))?;
    Ok(())
}

/// What surrounds a page.
pub struct Frame<'a> {
    /// Name of the template below `pages/`.
    pub page: &'a str,
    pub title: &'a str,
    /// Which entry of the navigation is current.
    pub nav: &'a str,
    /// Query of the page's event stream; `None` for a page that does not change by itself.
    pub events: Option<String>,
    /// The client may control.
    pub local: bool,
    pub status: StatusCode,
}

impl<'a> Frame<'a> {
    pub fn new(page: &'a str, title: &'a str, nav: &'a str) -> Frame<'a> {
        Frame {
            page,
            title,
            nav,
            events: Some(String::new()),
            local: false,
            status: StatusCode::OK,
        }
    }

    /// The stream of this page tells only what the query selects.
    pub fn events(mut self, query: impl Into<String>) -> Frame<'a> {
        self.events = Some(query.into());
        self
    }

    /// The page does not change by itself.
    pub fn still(mut self) -> Frame<'a> {
        self.events = None;
        self
    }

    pub fn local(mut self, local: bool) -> Frame<'a> {
        self.local = local;
        self
    }

    pub fn status(mut self, status: StatusCode) -> Frame<'a> {
        self.status = status;
        self
    }

    /// Renders `model` into the template.
    pub fn render(self, site: &Site, model: &impl Serialize) -> HttpResponse {
        let config = site.config();
        let context = json!({
            "page": {
                "title": self.title, "nav": self.nav, "events": self.events, "local": self.local,
                "is": { self.nav: true },
            },
            "site": {
                "title": config.title, "url": config.title_url,
                "version": env!("CARGO_PKG_VERSION"), "master": site.master.name,
            },
            "m": model,
        });
        match site.templates.render(&format!("pages/{}", self.page), &context) {
            Ok(html) => HttpResponse::build(self.status)
                .content_type("text/html; charset=utf-8")
                .insert_header((header::CACHE_CONTROL, "no-cache"))
                .body(html),
            Err(error) => {
                tracing::error!(page = self.page, %error, "a page cannot be rendered");
                HttpResponse::InternalServerError()
                    .body("this page cannot be rendered; see the log")
            }
        }
    }
}
