-- Indexes that stock Buildbot lacks: it reads every test result to find those of one set.
CREATE INDEX IF NOT EXISTS rs_test_result_sets_build ON test_result_sets (buildid);
CREATE INDEX IF NOT EXISTS rs_test_result_sets_step ON test_result_sets (stepid);
CREATE INDEX IF NOT EXISTS rs_test_result_sets_builder ON test_result_sets (builderid);
CREATE INDEX IF NOT EXISTS rs_test_results_set ON test_results (test_result_setid);
