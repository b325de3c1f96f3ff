//! Projects: builders that belong together.

use std::collections::HashMap;

use diesel::prelude::*;

use super::dialect::insert_id;
use super::schema::{builders, projects};
use super::{Conn, DbError, hash};
use crate::model::{BuilderId, ProjectId};

/// A project as the configuration describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectSetup {
    pub name: String,
    pub slug: String,
    pub description: Option<String>,
    pub description_format: Option<String>,
    /// The description as HTML, where it has a format.
    pub description_html: Option<String>,
}

/// Makes the table say what the configuration says; answers the ids by name.
pub fn configure(
    conn: &mut Conn,
    setups: &[ProjectSetup],
) -> Result<HashMap<String, ProjectId>, DbError> {
    let mut ids = HashMap::with_capacity(setups.len());
    for setup in setups {
        let name_hash = hash::name_hash(&setup.name);
        let facts = (
            projects::slug.eq(&setup.slug),
            projects::description.eq(&setup.description),
            projects::description_format.eq(&setup.description_format),
            projects::description_html.eq(&setup.description_html),
        );
        let known = projects::table
            .filter(projects::name_hash.eq(&name_hash))
            .select(projects::id)
            .first::<i64>(conn)
            .optional()?;
        let id = match known {
            Some(id) => {
                diesel::update(projects::table.find(id)).set(facts).execute(conn)?;
                id
            }
            None => {
                let row = (
                    projects::name.eq(&setup.name),
                    projects::name_hash.eq(&name_hash),
                    facts.0,
                    facts.1,
                    facts.2,
                    facts.3,
                );
                insert_id!(conn, diesel::insert_into(projects::table).values(row))?
            }
        };
        ids.insert(setup.name.clone(), ProjectId(id));
    }
    Ok(ids)
}

/// The project of a builder: id and name.
pub fn of_builder(
    conn: &mut Conn,
    builder: BuilderId,
) -> Result<Option<(ProjectId, String)>, DbError> {
    Ok(builders::table
        .inner_join(projects::table.on(projects::id.nullable().eq(builders::projectid)))
        .filter(builders::id.eq(builder))
        .select((projects::id, projects::name))
        .first(conn)
        .optional()?)
}
