-- What status targets read, in the order in which it was committed. `kind` is named in src/db/facts.rs,
-- `subject` is the id of the build, buildset or worker.
CREATE TABLE IF NOT EXISTS rs_facts (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL,
	subject INTEGER NOT NULL,
	at INTEGER NOT NULL
);
-- Messages of status targets: stored before they are sent, kept for a while afterwards.
CREATE TABLE IF NOT EXISTS rs_outbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	target TEXT NOT NULL,
	lane TEXT,
	about TEXT NOT NULL,
	body TEXT NOT NULL,
	state TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	due_at INTEGER NOT NULL,
	attempts INTEGER NOT NULL DEFAULT 0,
	error TEXT,
	closed_at INTEGER
);
CREATE INDEX IF NOT EXISTS rs_outbox_due ON rs_outbox (target, due_at) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS rs_outbox_target ON rs_outbox (target, id);
CREATE INDEX IF NOT EXISTS rs_outbox_closed ON rs_outbox (closed_at) WHERE closed_at IS NOT NULL;
-- Messages of one lane are sent one after the other.
CREATE INDEX IF NOT EXISTS rs_outbox_lane ON rs_outbox (target, lane, id) WHERE state = 'queued' AND lane IS NOT NULL;
-- Since when a builder is in trouble: the first bad build after the last good one.
CREATE INDEX IF NOT EXISTS rs_builds_good ON builds (builderid, number) WHERE results IN (0, 1);
