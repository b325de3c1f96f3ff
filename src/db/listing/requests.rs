//! Build requests and buildsets.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;

use super::{Field, Kind, Listed};

/// A build request as the REST interface shows it, without properties.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct RequestRow {
    #[diesel(sql_type = BigInt)]
    pub buildrequestid: i64,
    #[diesel(sql_type = BigInt)]
    pub buildsetid: i64,
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = BigInt)]
    pub priority: i64,
    #[diesel(sql_type = Bool)]
    pub claimed: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub claimed_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub claimed_by_masterid: Option<i64>,
    #[diesel(sql_type = Bool)]
    pub complete: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub complete_at: Option<i64>,
    /// -1 until complete, as stock has it.
    #[diesel(sql_type = BigInt)]
    pub results: i64,
    #[diesel(sql_type = BigInt)]
    pub submitted_at: i64,
    #[diesel(sql_type = Bool)]
    pub waited_for: bool,
    /// The request that took this one, which is SKIPPED therefore.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub rs_collapsed_into: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub rs_cancel_reason: Option<String>,
}

impl Listed for RequestRow {
    const FROM: &'static str = "buildrequests LEFT JOIN buildrequest_claims claims ON claims.brid = buildrequests.id \
         LEFT JOIN rs_buildrequests ours ON ours.brid = buildrequests.id";
    const KEY: &'static str = "buildrequestid";
    const FIELDS: &'static [Field] = &[
        Field::int("buildrequestid", "buildrequests.id"),
        Field::int("buildsetid", "buildrequests.buildsetid"),
        Field::int("builderid", "buildrequests.builderid"),
        Field::int("priority", "buildrequests.priority"),
        Field::bool("claimed", "(claims.claimed_at IS NOT NULL)"),
        Field::int("claimed_at", "claims.claimed_at"),
        Field::int("claimed_by_masterid", "claims.masterid"),
        Field::bool("complete", "buildrequests.complete"),
        Field::int("complete_at", "buildrequests.complete_at"),
        Field::int("results", "COALESCE(buildrequests.results, -1)"),
        Field::int("submitted_at", "buildrequests.submitted_at"),
        Field::bool("waited_for", "buildrequests.waited_for"),
        Field::int("rs_collapsed_into", "ours.collapsed_into"),
        Field::text("rs_cancel_reason", "ours.cancel_reason"),
        Field::virtual_of(Kind::Text, "rs_pending_reason"),
        Field::virtual_of(Kind::Object, "properties"),
    ];
}

/// A buildset as the REST interface shows it, without its source stamps.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct BuildsetRow {
    #[diesel(sql_type = BigInt)]
    pub bsid: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub external_idstring: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub reason: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub rebuilt_buildid: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub submitted_at: i64,
    #[diesel(sql_type = Bool)]
    pub complete: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub complete_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub results: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub parent_buildid: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub parent_relationship: Option<String>,
}

impl Listed for BuildsetRow {
    const FROM: &'static str = "buildsets";
    const KEY: &'static str = "bsid";
    const FIELDS: &'static [Field] = &[
        Field::int("bsid", "buildsets.id"),
        Field::text("external_idstring", "buildsets.external_idstring"),
        Field::text("reason", "buildsets.reason"),
        Field::int("rebuilt_buildid", "buildsets.rebuilt_buildid"),
        Field::int("submitted_at", "buildsets.submitted_at"),
        Field::bool("complete", "buildsets.complete"),
        Field::int("complete_at", "buildsets.complete_at"),
        // -1 until complete, as stock shows it.
        Field::int("results", "buildsets.results"),
        Field::int("parent_buildid", "buildsets.parent_buildid"),
        Field::text("parent_relationship", "buildsets.parent_relationship"),
        Field::virtual_of(Kind::Object, "sourcestamps"),
    ];
}
