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
