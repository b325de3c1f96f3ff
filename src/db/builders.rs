//! Builders: the names that builds run under, who has them configured, and their tags.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::dialect::{BATCH, find_or_create_named, insert_all, insert_id};
use super::schema::masters as masters_table;
use super::schema::{builder_masters, builders, builders_tags, configured_workers, tags, workers};
use super::{Conn, DbError, hash, masters};
use crate::model::{BuilderId, MasterId, ProjectId, Timestamp, WorkerId};

/// A builder as the configuration describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuilderSetup {
    pub name: String,
    pub description: Option<String>,
    pub description_format: Option<String>,
    /// The description as HTML, where it has a format.
    pub description_html: Option<String>,
    pub project: Option<ProjectId>,
    pub tags: Vec<String>,
    pub workernames: Vec<String>,
}

/// A stored builder.
#[derive(Debug, Clone, PartialEq)]
pub struct BuilderRow {
    pub id: BuilderId,
    pub name: String,
    pub description: Option<String>,
    pub tags: Vec<String>,
    /// Masters that have it configured now.
    pub masterids: Vec<MasterId>,
}

/// Makes the database say what `master` is configured with. Builders and workers that are new get
/// a row; old ones keep theirs. Answers the ids in the order given.
pub fn configure(
    conn: &mut Conn,
    master: MasterId,
    setups: &[BuilderSetup],
    _now: Timestamp,
) -> Result<Vec<(String, BuilderId)>, DbError> {
    let builder_ids = builders_named(conn, setups)?;
    let mut wanted: Vec<(BuilderId, &BuilderSetup)> = Vec::with_capacity(setups.len());
    let mut seen = HashSet::new();
    for setup in setups {
        let id = *builder_ids.get(&setup.name).ok_or(DbError::NotFound)?;
        if seen.insert(id) {
            wanted.push((id, setup));
        }
    }
    set_workers(conn, master, &wanted)?;
    set_tags(conn, &wanted)?;
    Ok(setups
        .iter()
        .filter_map(|setup| builder_ids.get(&setup.name).map(|id| (setup.name.clone(), *id)))
        .collect())
}

/// The id of the builder called `name`, with a new row when there is none.
pub fn find_or_create(conn: &mut Conn, name: &str) -> Result<BuilderId, DbError> {
    Ok(find_or_create_named!(conn, builders, BuilderId, name))
}

/// The builder called `name`.
///
/// # Errors
/// [`DbError::NotFound`] when there never was one.
pub fn by_name(conn: &mut Conn, name: &str) -> Result<BuilderRow, DbError> {
    let id = builders::table
        .filter(builders::name_hash.eq(hash::name_hash(name)))
        .select(builders::id)
        .first::<BuilderId>(conn)?;
    get(conn, id)
}

/// The builder with this id.
pub fn get(conn: &mut Conn, id: BuilderId) -> Result<BuilderRow, DbError> {
    let rows = builders::table
        .filter(builders::id.eq(id))
        .select((builders::id, builders::name, builders::description))
        .load(conn)?;
    complete(conn, rows, Some(id))?.pop().ok_or(DbError::NotFound)
}

/// The ids of the builders with these names, ascending; names that were never configured are left
/// out.
pub fn ids_named(conn: &mut Conn, names: &[String]) -> Result<Vec<BuilderId>, DbError> {
    let mut ids: Vec<BuilderId> = Vec::with_capacity(names.len());
    for batch in names.chunks(BATCH) {
        let rows = builders::table.select(builders::id);
        ids.extend(match batch {
            [one] => {
                rows.filter(builders::name_hash.eq(hash::name_hash(one))).load::<BuilderId>(conn)?
            }
            many => rows
                .filter(builders::name_hash.eq_any(many.iter().map(|name| hash::name_hash(name))))
                .load(conn)?,
        });
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// All builders ever configured.
pub fn list(conn: &mut Conn) -> Result<Vec<BuilderRow>, DbError> {
    let rows = builders::table
        .order(builders::id)
        .select((builders::id, builders::name, builders::description))
        .load(conn)?;
    complete(conn, rows, None)
}

/// Adds tags and masters to the rows, of one builder or of all.
fn complete(
    conn: &mut Conn,
    rows: Vec<(BuilderId, String, Option<String>)>,
    only: Option<BuilderId>,
) -> Result<Vec<BuilderRow>, DbError> {
    let mut tag_query = builders_tags::table
        .inner_join(tags::table.on(tags::id.eq(builders_tags::tagid)))
        .order(builders_tags::id)
        .select((builders_tags::builderid, tags::name))
        .into_boxed();
    let mut master_query = builder_masters::table
        .order(builder_masters::masterid)
        .select((builder_masters::builderid, builder_masters::masterid))
        .into_boxed();
    if let Some(id) = only {
        tag_query = tag_query.filter(builders_tags::builderid.eq(id));
        master_query = master_query.filter(builder_masters::builderid.eq(id));
    }
    let mut tags_of: HashMap<BuilderId, Vec<String>> = HashMap::new();
    for (id, tag) in tag_query.load::<(BuilderId, String)>(conn)? {
        tags_of.entry(id).or_default().push(tag);
    }
    let mut masters_of: HashMap<BuilderId, Vec<MasterId>> = HashMap::new();
    for (id, master) in master_query.load::<(BuilderId, MasterId)>(conn)? {
        masters_of.entry(id).or_default().push(master);
    }
    Ok(rows
        .into_iter()
        .map(|(id, name, description)| BuilderRow {
            id,
            name,
            description,
            tags: tags_of.remove(&id).unwrap_or_default(),
            masterids: masters_of.remove(&id).unwrap_or_default(),
        })
        .collect())
}

/// Ids by name; creates the missing rows and corrects descriptions that changed.
fn builders_named(
    conn: &mut Conn,
    setups: &[BuilderSetup],
) -> Result<HashMap<String, BuilderId>, DbError> {
    let hashes: HashMap<String, &BuilderSetup> =
        setups.iter().map(|setup| (hash::name_hash(&setup.name), setup)).collect();
    let mut found = stored_builders(conn, &hashes)?;
    let missing: Vec<_> = hashes
        .iter()
        .filter(|(hash, _)| !found.contains_key(*hash))
        .map(|(hash, setup)| {
            (
                builders::name.eq(&setup.name),
                builders::name_hash.eq(hash),
                builders::description.eq(&setup.description),
                builders::description_format.eq(&setup.description_format),
                builders::description_html.eq(&setup.description_html),
                builders::projectid.eq(setup.project.map(|id| id.0)),
            )
        })
        .collect();
    if !missing.is_empty() {
        insert_all!(conn, builders::table, missing)?;
        found = stored_builders(conn, &hashes)?;
    }
    let mut ids = HashMap::new();
    for (hash, (id, facts)) in found {
        let Some(setup) = hashes.get(&hash) else { continue };
        if facts != Facts::of(setup) {
            diesel::update(builders::table.find(id))
                .set((
                    builders::description.eq(&setup.description),
                    builders::description_format.eq(&setup.description_format),
                    builders::description_html.eq(&setup.description_html),
                    builders::projectid.eq(setup.project.map(|id| id.0)),
                ))
                .execute(conn)?;
        }
        ids.insert(setup.name.clone(), id);
    }
    Ok(ids)
}

/// What the row says about a builder beyond its name: description, format, HTML, project.
#[derive(PartialEq)]
struct Facts(Option<String>, Option<String>, Option<String>, Option<i64>);

impl Facts {
    fn of(setup: &BuilderSetup) -> Facts {
        Facts(
            setup.description.clone(),
            setup.description_format.clone(),
            setup.description_html.clone(),
            setup.project.map(|id| id.0),
        )
    }
}

type Stored = HashMap<String, (BuilderId, Facts)>;
type StoredRow = (String, BuilderId, Option<String>, Option<String>, Option<String>, Option<i64>);

fn stored_builders(
    conn: &mut Conn,
    hashes: &HashMap<String, &BuilderSetup>,
) -> Result<Stored, DbError> {
    let keys: Vec<&String> = hashes.keys().collect();
    let mut stored = Stored::new();
    for batch in keys.chunks(BATCH) {
        let rows: Vec<StoredRow> = builders::table
            .filter(builders::name_hash.eq_any(batch.iter().copied()))
            .select((
                builders::name_hash,
                builders::id,
                builders::description,
                builders::description_format,
                builders::description_html,
                builders::projectid,
            ))
            .load(conn)?;
        stored.extend(rows.into_iter().map(|(hash, id, text, format, html, project)| {
            (hash, (id, Facts(text, format, html, project)))
        }));
    }
    Ok(stored)
}

/// Replaces which builders and workers the master has configured.
fn set_workers(
    conn: &mut Conn,
    master: MasterId,
    wanted: &[(BuilderId, &BuilderSetup)],
) -> Result<(), DbError> {
    masters::forget_configuration(conn, master)?;
    let links: Vec<_> = wanted
        .iter()
        .map(|(id, _)| (builder_masters::builderid.eq(*id), builder_masters::masterid.eq(master)))
        .collect();
    insert_all!(conn, builder_masters::table, links)?;
    let link_of: HashMap<BuilderId, i64> = builder_masters::table
        .filter(builder_masters::masterid.eq(master))
        .select((builder_masters::builderid, builder_masters::id))
        .load::<(BuilderId, i64)>(conn)?
        .into_iter()
        .collect();
    let names: HashSet<&str> =
        wanted.iter().flat_map(|(_, setup)| setup.workernames.iter().map(String::as_str)).collect();
    let worker_ids = workers_named(conn, &names)?;
    let mut pairs = HashSet::new();
    for (builder, setup) in wanted {
        for name in &setup.workernames {
            if let (Some(link), Some(worker)) = (link_of.get(builder), worker_ids.get(name)) {
                pairs.insert((*link, *worker));
            }
        }
    }
    let rows: Vec<_> = pairs
        .into_iter()
        .map(|(link, worker)| {
            (configured_workers::buildermasterid.eq(link), configured_workers::workerid.eq(worker))
        })
        .collect();
    Ok(insert_all!(conn, configured_workers::table, rows)?)
}

fn workers_named(
    conn: &mut Conn,
    names: &HashSet<&str>,
) -> Result<HashMap<String, WorkerId>, DbError> {
    let mut found = stored_workers(conn, names)?;
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !found.contains_key(**name))
        .map(|name| {
            (
                workers::name.eq(*name),
                workers::info.eq("{}"),
                workers::paused.eq(0),
                workers::graceful.eq(0),
            )
        })
        .collect();
    if !missing.is_empty() {
        insert_all!(conn, workers::table, missing)?;
        found = stored_workers(conn, names)?;
    }
    Ok(found)
}

fn stored_workers(
    conn: &mut Conn,
    names: &HashSet<&str>,
) -> Result<HashMap<String, WorkerId>, DbError> {
    let keys: Vec<&str> = names.iter().copied().collect();
    let mut stored = HashMap::new();
    for batch in keys.chunks(BATCH) {
        stored.extend(
            workers::table
                .filter(workers::name.eq_any(batch.iter().copied()))
                .select((workers::name, workers::id))
                .load::<(String, WorkerId)>(conn)?,
        );
    }
    Ok(stored)
}

/// Makes the tags of each builder those of its setup; what is right already is not touched.
fn set_tags(conn: &mut Conn, wanted: &[(BuilderId, &BuilderSetup)]) -> Result<(), DbError> {
    let names: HashSet<&str> =
        wanted.iter().flat_map(|(_, setup)| setup.tags.iter().map(String::as_str)).collect();
    let tag_ids = tags_named(conn, &names)?;
    let mut stored: HashMap<BuilderId, HashSet<i64>> = HashMap::new();
    for batch in wanted.chunks(BATCH) {
        let ids = batch.iter().map(|(id, _)| *id);
        let rows: Vec<(BuilderId, i64)> = builders_tags::table
            .filter(builders_tags::builderid.eq_any(ids))
            .select((builders_tags::builderid, builders_tags::tagid))
            .load(conn)?;
        for (builder, tag) in rows {
            stored.entry(builder).or_default().insert(tag);
        }
    }
    let mut fresh = Vec::new();
    for (builder, setup) in wanted {
        let has = stored.remove(builder).unwrap_or_default();
        let mut tags = Vec::new();
        for tag in setup.tags.iter().filter_map(|tag| tag_ids.get(tag)) {
            if !tags.contains(tag) {
                tags.push(*tag);
            }
        }
        if tags.iter().copied().collect::<HashSet<_>>() != has {
            diesel::delete(builders_tags::table.filter(builders_tags::builderid.eq(*builder)))
                .execute(conn)?;
            fresh.extend(
                tags.into_iter().map(|tag| {
                    (builders_tags::builderid.eq(*builder), builders_tags::tagid.eq(tag))
                }),
            );
        }
    }
    Ok(insert_all!(conn, builders_tags::table, fresh)?)
}

fn tags_named(conn: &mut Conn, names: &HashSet<&str>) -> Result<HashMap<String, i64>, DbError> {
    let hashes: HashMap<String, &str> =
        names.iter().map(|name| (hash::name_hash(name), *name)).collect();
    let mut found = stored_tags(conn, &hashes)?;
    let missing: Vec<_> = hashes
        .iter()
        .filter(|(_, name)| !found.contains_key(**name))
        .map(|(hash, name)| (tags::name.eq(*name), tags::name_hash.eq(hash)))
        .collect();
    if !missing.is_empty() {
        insert_all!(conn, tags::table, missing)?;
        found = stored_tags(conn, &hashes)?;
    }
    Ok(found)
}

fn stored_tags(
    conn: &mut Conn,
    hashes: &HashMap<String, &str>,
) -> Result<HashMap<String, i64>, DbError> {
    let keys: Vec<&String> = hashes.keys().collect();
    let mut stored = HashMap::new();
    for batch in keys.chunks(BATCH) {
        let rows: Vec<(String, i64)> = tags::table
            .filter(tags::name_hash.eq_any(batch.iter().copied()))
            .select((tags::name_hash, tags::id))
            .load(conn)?;
        stored.extend(
            rows.into_iter()
                .filter_map(|(hash, id)| hashes.get(&hash).map(|name| ((*name).to_owned(), id))),
        );
    }
    Ok(stored)
}

/// Names of the running masters that have these builders configured.
pub fn masters_of(
    conn: &mut Conn,
    ids: &[BuilderId],
) -> Result<HashMap<BuilderId, Vec<String>>, DbError> {
    let mut found: HashMap<BuilderId, Vec<String>> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let rows: Vec<(BuilderId, String)> = builder_masters::table
            .inner_join(masters_table::table.on(masters_table::id.eq(builder_masters::masterid)))
            .filter(builder_masters::builderid.eq_any(batch.iter().copied()))
            .filter(masters_table::active.ne(0))
            .order(masters_table::id)
            .select((builder_masters::builderid, masters_table::name))
            .load(conn)?;
        for (builder, name) in rows {
            found.entry(builder).or_default().push(name);
        }
    }
    Ok(found)
}
