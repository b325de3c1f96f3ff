-- The next requests of one builder: by priority and age, and the oldest. `complete` is named again
-- so that the planner prefers them to stock's index.
CREATE INDEX IF NOT EXISTS rs_buildrequests_queue ON buildrequests (builderid, complete, priority DESC, id) WHERE complete = 0;
CREATE INDEX IF NOT EXISTS rs_buildrequests_oldest ON buildrequests (builderid, complete, submitted_at) WHERE complete = 0;
-- What became of a request beyond its result.
CREATE TABLE IF NOT EXISTS rs_buildrequests (
	brid INTEGER NOT NULL PRIMARY KEY REFERENCES buildrequests (id) ON DELETE CASCADE,
	collapsed_into INTEGER REFERENCES buildrequests (id) ON DELETE SET NULL,
	cancel_reason TEXT
);
CREATE INDEX IF NOT EXISTS rs_buildrequests_collapsed ON rs_buildrequests (collapsed_into) WHERE collapsed_into IS NOT NULL;
