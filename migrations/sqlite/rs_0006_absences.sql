-- When a master saw each of its workers last, and since when it misses those that are away: `since`
-- by the clock, `uptime` in milliseconds that the master had been running. `told` is 1 once people know.
CREATE TABLE IF NOT EXISTS rs_worker_absences (
	masterid INTEGER NOT NULL,
	workerid INTEGER NOT NULL,
	last_seen INTEGER,
	left_at INTEGER,
	since INTEGER,
	uptime INTEGER,
	told INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (masterid, workerid)
);
CREATE INDEX IF NOT EXISTS rs_worker_absences_worker ON rs_worker_absences (workerid);
-- Facts about workers are read apart from those about builds.
CREATE INDEX IF NOT EXISTS rs_facts_kind ON rs_facts (kind, id);
