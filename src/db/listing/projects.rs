//! Projects, and the data that steps leave at builds.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde::Serialize;

use super::sql::Scope;
use super::{Field, Kind, Listed};

/// A project as the REST interface shows it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct ProjectRow {
    #[diesel(sql_type = BigInt)]
    pub projectid: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub slug: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub description: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub description_format: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub description_html: Option<String>,
}

impl Listed for ProjectRow {
    const FROM: &'static str = "projects";
    const KEY: &'static str = "projectid";
    const FIELDS: &'static [Field] = &[
        Field::int("projectid", "projects.id"),
        Field::identifier("name", "projects.name"),
        Field::identifier("slug", "projects.slug"),
        Field::text("description", "projects.description"),
        Field::text("description_format", "projects.description_format"),
        Field::text("description_html", "projects.description_html"),
        Field::virtual_of(Kind::Bool, "active"),
    ];
}

/// Scope of projects that have, or have not, a builder configured now.
pub fn active_projects(active: bool) -> Scope {
    let not = if active { "" } else { "NOT " };
    Scope::condition(format!(
        "{not}EXISTS (SELECT 1 FROM builders JOIN builder_masters bm \
         ON bm.builderid = builders.id WHERE builders.projectid = projects.id)"
    ))
}

/// A build's data without its value.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct BuildDataRow {
    #[diesel(sql_type = BigInt)]
    pub buildid: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = BigInt)]
    pub length: i64,
    #[diesel(sql_type = Text)]
    pub source: String,
}

impl Listed for BuildDataRow {
    const FROM: &'static str = "build_data";
    const KEY: &'static str = "name";
    const FIELDS: &'static [Field] = &[
        Field::int("buildid", "build_data.buildid"),
        Field::identifier("name", "build_data.name"),
        Field::int("length", "build_data.length"),
        Field::text("source", "build_data.source"),
        Field::virtual_of(Kind::Object, "value"),
    ];
}
