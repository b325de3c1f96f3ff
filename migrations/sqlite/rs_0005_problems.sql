-- Builders in trouble: from the first bad build after a good one until the next good one. `state` is open,
-- acknowledged or closed; the builds are ids.
CREATE TABLE IF NOT EXISTS rs_problems (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	builderid INTEGER NOT NULL,
	state TEXT NOT NULL,
	opened_at INTEGER NOT NULL,
	last_good INTEGER NOT NULL,
	first_bad INTEGER NOT NULL,
	last_bad INTEGER NOT NULL,
	acknowledged_by TEXT,
	acknowledged_at INTEGER,
	acknowledgement TEXT,
	silenced_until INTEGER,
	closed_at INTEGER,
	fixed_by INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS rs_problems_builder ON rs_problems (builderid) WHERE state <> 'closed';
CREATE INDEX IF NOT EXISTS rs_problems_closed ON rs_problems (closed_at);
CREATE INDEX IF NOT EXISTS rs_problems_history ON rs_problems (builderid, id);
-- Who is told of a problem. `stage` is what waits for `due_at` (src/flow/problem/schedule.rs); null for
-- nothing more. The rest is how they were told last in each way.
CREATE TABLE IF NOT EXISTS rs_problem_people (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	problem INTEGER NOT NULL REFERENCES rs_problems (id) ON DELETE CASCADE,
	who TEXT NOT NULL,
	uid INTEGER,
	round INTEGER NOT NULL DEFAULT 0,
	stage TEXT,
	due_at INTEGER,
	irc_at INTEGER,
	irc_bot TEXT,
	irc_nick TEXT,
	irc_seen REAL,
	mail_at INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS rs_problem_people_who ON rs_problem_people (problem, who);
CREATE INDEX IF NOT EXISTS rs_problem_people_due ON rs_problem_people (due_at) WHERE due_at IS NOT NULL;
