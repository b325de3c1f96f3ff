//! Results of tests: sets of them, and the dictionaries of names and paths that they share.

use std::collections::HashMap;

use diesel::prelude::*;

use super::dialect::{BATCH, insert_all, insert_id};
use super::schema::{builds, test_code_paths, test_names, test_result_sets, test_results};
use super::{Conn, DbError};
use crate::model::{BuildId, BuilderId, StepId, TestResult, TestResultSetId, TestSet};

/// Opens a set of a step's results.
pub fn add_set(
    conn: &mut Conn,
    build: BuildId,
    step: StepId,
    set: &TestSet,
) -> Result<TestResultSetId, DbError> {
    let builder: BuilderId = builds::table.find(build).select(builds::builderid).first(conn)?;
    let row = (
        test_result_sets::builderid.eq(builder),
        test_result_sets::buildid.eq(build),
        test_result_sets::stepid.eq(step),
        test_result_sets::description.eq(&set.description),
        test_result_sets::category.eq(&set.category),
        test_result_sets::value_unit.eq(&set.value_unit),
        test_result_sets::complete.eq(0),
    );
    let insert = diesel::insert_into(test_result_sets::table).values(row);
    Ok(TestResultSetId(insert_id!(conn, insert)?))
}

/// Adds results to a set. Names and paths are looked up and added in batches.
pub fn add(conn: &mut Conn, set: TestResultSetId, results: &[TestResult]) -> Result<(), DbError> {
    let builder: BuilderId =
        test_result_sets::table.find(set.0).select(test_result_sets::builderid).first(conn)?;
    let names = name_ids(conn, builder, results.iter().filter_map(|r| r.name.as_deref()))?;
    let paths = path_ids(conn, builder, results.iter().filter_map(|r| r.path.as_deref()))?;
    let rows = results.iter().map(|result| {
        let name = result.name.as_deref().and_then(|name| names.get(name).copied());
        let path = result.path.as_deref().and_then(|path| paths.get(path).copied());
        (
            test_results::builderid.eq(builder),
            test_results::test_result_setid.eq(set.0),
            test_results::test_nameid.eq(name),
            test_results::test_code_pathid.eq(path),
            test_results::line.eq(result.line),
            test_results::duration_ns.eq(result.duration_ns),
            test_results::value.eq(&result.value),
        )
    });
    insert_all!(conn, test_results::table, rows.collect())?;
    Ok(())
}

/// Ends a set; `counts` are passed and failed tests, if the set counts them.
pub fn complete(
    conn: &mut Conn,
    set: TestResultSetId,
    counts: Option<(i64, i64)>,
) -> Result<(), DbError> {
    let (passed, failed) = counts.unzip();
    diesel::update(test_result_sets::table.find(set.0))
        .set((
            test_result_sets::complete.eq(1),
            test_result_sets::tests_passed.eq(passed),
            test_result_sets::tests_failed.eq(failed),
        ))
        .execute(conn)?;
    Ok(())
}

/// The ids of a builder's entries of a dictionary, those that are missing added.
macro_rules! dictionary {
    ($conn:expr, $builder:expr, $texts:expr, $table:ident, $column:ident) => {{
        let mut texts: Vec<&str> = $texts.collect();
        texts.sort_unstable();
        texts.dedup();
        let mut found: HashMap<String, i64> = HashMap::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let known = |conn: &mut Conn| {
                $table::table
                    .filter($table::builderid.eq($builder))
                    .filter($table::$column.eq_any(batch.iter().copied()))
                    .order($table::id.desc())
                    .select(($table::$column, $table::id))
                    .load::<(String, i64)>(conn)
            };
            found.extend(known($conn)?);
            let missing: Vec<_> = batch
                .iter()
                .filter(|text| !found.contains_key(**text))
                .map(|text| ($table::builderid.eq($builder), $table::$column.eq(*text)))
                .collect();
            if !missing.is_empty() {
                insert_all!($conn, $table::table, missing)?;
                found.extend(known($conn)?);
            }
        }
        Ok(found)
    }};
}

fn name_ids<'r>(
    conn: &mut Conn,
    builder: BuilderId,
    names: impl Iterator<Item = &'r str>,
) -> Result<HashMap<String, i64>, DbError> {
    dictionary!(conn, builder, names, test_names, name)
}

fn path_ids<'r>(
    conn: &mut Conn,
    builder: BuilderId,
    paths: impl Iterator<Item = &'r str>,
) -> Result<HashMap<String, i64>, DbError> {
    dictionary!(conn, builder, paths, test_code_paths, path)
}
