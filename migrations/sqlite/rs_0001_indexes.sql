-- Indexes that stock Buildbot lacks. It ignores them, and some of its own statements get faster.

-- The queue, in its order. `complete` comes first so that the planner prefers it to stock's index.
CREATE INDEX IF NOT EXISTS rs_buildrequests_pending ON buildrequests (complete, priority DESC, id) WHERE complete = 0;
CREATE INDEX IF NOT EXISTS rs_builds_running ON builds (complete_at, masterid, id) WHERE complete_at IS NULL;
-- A builder that always fails would be searched from end to end for its last success.
CREATE INDEX IF NOT EXISTS rs_builds_successful ON builds (builderid, number) WHERE results = 0;
-- Triggered builds, and the builds of a change.
CREATE INDEX IF NOT EXISTS rs_buildsets_parent ON buildsets (parent_buildid) WHERE parent_buildid IS NOT NULL;
CREATE INDEX IF NOT EXISTS rs_buildset_sourcestamps_stamp ON buildset_sourcestamps (sourcestampid);
