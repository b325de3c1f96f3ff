//! Sets of test results, their results, and the failures of a build.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;

use super::sql::Sql;
use super::{Conn, DbError, Field, Listed};

/// A set of test results as the REST interface shows it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct TestResultSetRow {
    #[diesel(sql_type = BigInt)]
    pub test_result_setid: i64,
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = BigInt)]
    pub buildid: i64,
    #[diesel(sql_type = BigInt)]
    pub stepid: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub description: Option<String>,
    #[diesel(sql_type = Text)]
    pub category: String,
    #[diesel(sql_type = Text)]
    pub value_unit: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub tests_passed: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub tests_failed: Option<i64>,
    #[diesel(sql_type = Bool)]
    pub complete: bool,
}

impl Listed for TestResultSetRow {
    const FROM: &'static str = "test_result_sets";
    const KEY: &'static str = "test_result_setid";
    const FIELDS: &'static [Field] = &[
        Field::int("test_result_setid", "test_result_sets.id"),
        Field::int("builderid", "test_result_sets.builderid"),
        Field::int("buildid", "test_result_sets.buildid"),
        Field::int("stepid", "test_result_sets.stepid"),
        Field::text("description", "test_result_sets.description"),
        Field::text("category", "test_result_sets.category"),
        Field::text("value_unit", "test_result_sets.value_unit"),
        Field::int("tests_passed", "test_result_sets.tests_passed"),
        Field::int("tests_failed", "test_result_sets.tests_failed"),
        Field::bool("complete", "test_result_sets.complete"),
    ];
}

/// A test result as the REST interface shows it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct TestResultRow {
    #[diesel(sql_type = BigInt)]
    pub test_resultid: i64,
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = BigInt)]
    pub test_result_setid: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub test_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub test_code_path: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub line: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub duration_ns: Option<i64>,
    #[diesel(sql_type = Text)]
    pub value: String,
}

impl Listed for TestResultRow {
    const FROM: &'static str = "test_results \
        LEFT JOIN test_names ON test_names.id = test_results.test_nameid \
        LEFT JOIN test_code_paths ON test_code_paths.id = test_results.test_code_pathid";
    const KEY: &'static str = "test_resultid";
    const FIELDS: &'static [Field] = &[
        Field::int("test_resultid", "test_results.id"),
        Field::int("builderid", "test_results.builderid"),
        Field::int("test_result_setid", "test_results.test_result_setid"),
        Field::text("test_name", "test_names.name"),
        Field::text("test_code_path", "test_code_paths.path"),
        Field::int("line", "test_results.line"),
        Field::int("duration_ns", "test_results.duration_ns"),
        Field::text("value", "test_results.value"),
    ];
}

/// A test of a build with what it says: failures, issues, and those left out, in this order.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct TestLine {
    #[diesel(sql_type = Text)]
    pub category: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub test_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub test_code_path: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub line: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub duration_ns: Option<i64>,
    #[diesel(sql_type = Text)]
    pub value: String,
}

/// What people look for first in a build's tests, at most `limit` lines of it: the results of sets
/// with nothing but failures or issues, the failures of other sets unless their step has such a set,
/// and what was skipped.
///
/// # Errors
/// When the database refuses.
pub fn notable_tests(conn: &mut Conn, build: i64, limit: i64) -> Result<Vec<TestLine>, DbError> {
    Sql::new(&format!(
        "SELECT s.category AS category, test_names.name AS test_name, \
         test_code_paths.path AS test_code_path, CAST(r.line AS BIGINT) AS line, \
         CAST(r.duration_ns AS BIGINT) AS duration_ns, r.value AS value \
         FROM test_result_sets s JOIN test_results r ON r.test_result_setid = s.id \
         LEFT JOIN test_names ON test_names.id = r.test_nameid \
         LEFT JOIN test_code_paths ON test_code_paths.id = r.test_code_pathid \
         WHERE s.buildid = {build} AND (s.category IN ('fail_only', 'code_issue', 'skip_only') \
         OR (s.category = 'pass_fail' AND s.value_unit = 'boolean' AND r.value = '0' \
         AND NOT EXISTS (SELECT 1 FROM test_result_sets o WHERE o.stepid = s.stepid \
         AND o.category = 'fail_only'))) \
         ORDER BY CASE s.category WHEN 'skip_only' THEN 2 WHEN 'code_issue' THEN 1 ELSE 0 END, \
         r.id LIMIT {limit}"
    ))
    .load(conn)
}
