//! Buildbot 4.3's tables for Diesel. Every integer reads as 64 bits, whatever the column's width.
//!
//! Tables without a primary key name the columns that identify a row in practice.

diesel::table! {
    alembic_version (version_num) {
        version_num -> Text,
    }
}

diesel::table! {
    build_data (id) {
        id -> BigInt,
        buildid -> BigInt,
        name -> Text,
        value -> Binary,
        length -> BigInt,
        source -> Text,
    }
}

diesel::table! {
    build_properties (buildid, name) {
        buildid -> BigInt,
        name -> Text,
        value -> Text,
        source -> Text,
    }
}

diesel::table! {
    builder_masters (id) {
        id -> BigInt,
        builderid -> BigInt,
        masterid -> BigInt,
    }
}

diesel::table! {
    builders (id) {
        id -> BigInt,
        name -> Text,
        description -> Nullable<Text>,
        description_format -> Nullable<Text>,
        description_html -> Nullable<Text>,
        projectid -> Nullable<BigInt>,
        name_hash -> Text,
    }
}

diesel::table! {
    builders_tags (id) {
        id -> BigInt,
        builderid -> BigInt,
        tagid -> BigInt,
    }
}

diesel::table! {
    buildrequest_claims (brid) {
        brid -> BigInt,
        masterid -> BigInt,
        claimed_at -> BigInt,
    }
}

diesel::table! {
    buildrequests (id) {
        id -> BigInt,
        buildsetid -> BigInt,
        builderid -> BigInt,
        priority -> BigInt,
        complete -> Nullable<BigInt>,
        results -> Nullable<BigInt>,
        submitted_at -> BigInt,
        complete_at -> Nullable<BigInt>,
        waited_for -> Nullable<BigInt>,
    }
}

diesel::table! {
    builds (id) {
        id -> BigInt,
        number -> BigInt,
        builderid -> BigInt,
        buildrequestid -> BigInt,
        workerid -> Nullable<BigInt>,
        masterid -> BigInt,
        started_at -> BigInt,
        complete_at -> Nullable<BigInt>,
        locks_duration_s -> BigInt,
        state_string -> Text,
        results -> Nullable<BigInt>,
    }
}

diesel::table! {
    buildset_properties (buildsetid, property_name) {
        buildsetid -> BigInt,
        property_name -> Text,
        property_value -> Text,
    }
}

diesel::table! {
    buildset_sourcestamps (id) {
        id -> BigInt,
        buildsetid -> BigInt,
        sourcestampid -> BigInt,
    }
}

diesel::table! {
    buildsets (id) {
        id -> BigInt,
        external_idstring -> Nullable<Text>,
        reason -> Nullable<Text>,
        submitted_at -> BigInt,
        complete -> BigInt,
        complete_at -> Nullable<BigInt>,
        results -> Nullable<BigInt>,
        parent_buildid -> Nullable<BigInt>,
        parent_relationship -> Nullable<Text>,
        rebuilt_buildid -> Nullable<BigInt>,
    }
}

diesel::table! {
    change_files (changeid, filename) {
        changeid -> BigInt,
        filename -> Text,
    }
}

diesel::table! {
    change_properties (changeid, property_name) {
        changeid -> BigInt,
        property_name -> Text,
        property_value -> Text,
    }
}

diesel::table! {
    change_users (changeid, uid) {
        changeid -> BigInt,
        uid -> BigInt,
    }
}

diesel::table! {
    changes (changeid) {
        changeid -> BigInt,
        author -> Text,
        committer -> Nullable<Text>,
        comments -> Text,
        branch -> Nullable<Text>,
        revision -> Nullable<Text>,
        revlink -> Nullable<Text>,
        when_timestamp -> BigInt,
        category -> Nullable<Text>,
        repository -> Text,
        codebase -> Text,
        project -> Text,
        sourcestampid -> BigInt,
        parent_changeids -> Nullable<BigInt>,
    }
}

diesel::table! {
    changesource_masters (changesourceid) {
        changesourceid -> BigInt,
        masterid -> BigInt,
    }
}

diesel::table! {
    changesources (id) {
        id -> BigInt,
        name -> Text,
        name_hash -> Text,
    }
}

diesel::table! {
    codebase_branches (id) {
        id -> BigInt,
        codebaseid -> BigInt,
        name -> Text,
        name_hash -> Text,
        commitid -> Nullable<BigInt>,
        last_timestamp -> BigInt,
    }
}

diesel::table! {
    codebase_commits (id) {
        id -> BigInt,
        codebaseid -> BigInt,
        author -> Text,
        committer -> Nullable<Text>,
        comments -> Text,
        when_timestamp -> BigInt,
        revision -> Text,
        parent_commitid -> Nullable<BigInt>,
    }
}

diesel::table! {
    codebases (id) {
        id -> BigInt,
        projectid -> BigInt,
        name -> Text,
        name_hash -> Text,
        slug -> Text,
    }
}

diesel::table! {
    configured_workers (id) {
        id -> BigInt,
        buildermasterid -> BigInt,
        workerid -> BigInt,
    }
}

diesel::table! {
    connected_workers (id) {
        id -> BigInt,
        masterid -> BigInt,
        workerid -> BigInt,
    }
}

diesel::table! {
    logchunks (logid, first_line) {
        logid -> BigInt,
        first_line -> BigInt,
        last_line -> BigInt,
        content -> Nullable<Binary>,
        compressed -> BigInt,
    }
}

diesel::table! {
    logs (id) {
        id -> BigInt,
        name -> Text,
        slug -> Text,
        stepid -> BigInt,
        complete -> BigInt,
        num_lines -> BigInt,
        #[sql_name = "type"]
        log_type -> Text,
    }
}

diesel::table! {
    masters (id) {
        id -> BigInt,
        name -> Text,
        name_hash -> Text,
        active -> BigInt,
        last_active -> BigInt,
    }
}

diesel::table! {
    object_state (objectid, name) {
        objectid -> BigInt,
        name -> Text,
        value_json -> Text,
    }
}

diesel::table! {
    objects (id) {
        id -> BigInt,
        name -> Text,
        class_name -> Text,
    }
}

diesel::table! {
    patches (id) {
        id -> BigInt,
        patchlevel -> BigInt,
        patch_base64 -> Text,
        patch_author -> Text,
        patch_comment -> Text,
        subdir -> Nullable<Text>,
    }
}

diesel::table! {
    projects (id) {
        id -> BigInt,
        name -> Text,
        name_hash -> Text,
        slug -> Text,
        description -> Nullable<Text>,
        description_format -> Nullable<Text>,
        description_html -> Nullable<Text>,
    }
}

diesel::table! {
    rs_buildrequests (brid) {
        brid -> BigInt,
        collapsed_into -> Nullable<BigInt>,
        cancel_reason -> Nullable<Text>,
    }
}

diesel::table! {
    rs_facts (id) {
        id -> BigInt,
        kind -> Text,
        subject -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    rs_outbox (id) {
        id -> BigInt,
        target -> Text,
        lane -> Nullable<Text>,
        about -> Text,
        body -> Text,
        state -> Text,
        created_at -> BigInt,
        due_at -> BigInt,
        attempts -> BigInt,
        error -> Nullable<Text>,
        closed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    rs_problem_people (id) {
        id -> BigInt,
        problem -> BigInt,
        who -> Text,
        uid -> Nullable<BigInt>,
        round -> BigInt,
        stage -> Nullable<Text>,
        due_at -> Nullable<BigInt>,
        irc_at -> Nullable<BigInt>,
        irc_bot -> Nullable<Text>,
        irc_nick -> Nullable<Text>,
        irc_seen -> Nullable<Double>,
        mail_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    rs_problems (id) {
        id -> BigInt,
        builderid -> BigInt,
        state -> Text,
        opened_at -> BigInt,
        last_good -> BigInt,
        first_bad -> BigInt,
        last_bad -> BigInt,
        acknowledged_by -> Nullable<Text>,
        acknowledged_at -> Nullable<BigInt>,
        acknowledgement -> Nullable<Text>,
        silenced_until -> Nullable<BigInt>,
        closed_at -> Nullable<BigInt>,
        fixed_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    rs_worker_absences (masterid, workerid) {
        masterid -> BigInt,
        workerid -> BigInt,
        last_seen -> Nullable<BigInt>,
        left_at -> Nullable<BigInt>,
        since -> Nullable<BigInt>,
        uptime -> Nullable<BigInt>,
        told -> BigInt,
    }
}

diesel::table! {
    scheduler_changes (schedulerid, changeid) {
        schedulerid -> BigInt,
        changeid -> BigInt,
        important -> Nullable<BigInt>,
    }
}

diesel::table! {
    scheduler_masters (schedulerid) {
        schedulerid -> BigInt,
        masterid -> BigInt,
    }
}

diesel::table! {
    schedulers (id) {
        id -> BigInt,
        name -> Text,
        name_hash -> Text,
        enabled -> Nullable<BigInt>,
    }
}

diesel::table! {
    sourcestamps (id) {
        id -> BigInt,
        ss_hash -> Text,
        branch -> Nullable<Text>,
        revision -> Nullable<Text>,
        patchid -> Nullable<BigInt>,
        repository -> Text,
        codebase -> Text,
        project -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    steps (id) {
        id -> BigInt,
        number -> BigInt,
        name -> Text,
        buildid -> BigInt,
        started_at -> Nullable<BigInt>,
        locks_acquired_at -> Nullable<BigInt>,
        complete_at -> Nullable<BigInt>,
        state_string -> Text,
        results -> Nullable<BigInt>,
        urls_json -> Text,
        hidden -> BigInt,
    }
}

diesel::table! {
    tags (id) {
        id -> BigInt,
        name -> Text,
        name_hash -> Text,
    }
}

diesel::table! {
    test_code_paths (id) {
        id -> BigInt,
        builderid -> BigInt,
        path -> Text,
    }
}

diesel::table! {
    test_names (id) {
        id -> BigInt,
        builderid -> BigInt,
        name -> Text,
    }
}

diesel::table! {
    test_result_sets (id) {
        id -> BigInt,
        builderid -> BigInt,
        buildid -> BigInt,
        stepid -> BigInt,
        description -> Nullable<Text>,
        category -> Text,
        value_unit -> Text,
        tests_passed -> Nullable<BigInt>,
        tests_failed -> Nullable<BigInt>,
        complete -> BigInt,
    }
}

diesel::table! {
    test_results (id) {
        id -> BigInt,
        builderid -> BigInt,
        test_result_setid -> BigInt,
        test_nameid -> Nullable<BigInt>,
        test_code_pathid -> Nullable<BigInt>,
        line -> Nullable<BigInt>,
        duration_ns -> Nullable<BigInt>,
        value -> Text,
    }
}

diesel::table! {
    users (uid) {
        uid -> BigInt,
        identifier -> Text,
        bb_username -> Nullable<Text>,
        bb_password -> Nullable<Text>,
    }
}

diesel::table! {
    users_info (uid, attr_type) {
        uid -> BigInt,
        attr_type -> Text,
        attr_data -> Text,
    }
}

diesel::table! {
    workers (id) {
        id -> BigInt,
        name -> Text,
        info -> Text,
        paused -> BigInt,
        pause_reason -> Nullable<Text>,
        graceful -> BigInt,
    }
}

// Only the tables that queries join: each pair costs compile time.
diesel::allow_tables_to_appear_in_same_query!(
    builders,
    projects,
    builder_masters,
    builders_tags,
    tags,
    workers,
    configured_workers,
    connected_workers,
    masters,
    changes,
    change_files,
    change_properties,
    sourcestamps,
    patches,
    schedulers,
    scheduler_masters,
    scheduler_changes,
    changesources,
    changesource_masters,
    buildsets,
    buildset_properties,
    buildset_sourcestamps,
    buildrequests,
    buildrequest_claims,
    builds,
    build_properties,
    steps,
    logs,
    logchunks,
    objects,
    object_state,
);
