//! The table of endpoints: path pattern, entity, and who answers.

use crate::db::Conn;
use crate::db::listing::{
    BuildDataRow, BuildRow, BuilderRow, BuildsetRow, ChangeRow, ChangeSourceRow, Field, Listed,
    LogRow, MasterRow, ProblemRow, ProjectRow, RequestRow, SchedulerRow, SourceStampRow, StepRow,
    TestResultRow, TestResultSetRow, WorkerRow,
};

use super::query::{decode, integer, is_identifier};
use super::{Answer, ApiError, Ask, data, force_fields, locks, logs, nouns, problems};

/// Answers a request on a reading connection.
pub type Read = fn(&mut Conn, &Ask) -> Result<Answer, ApiError>;

/// How a log is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raw {
    Attachment,
    Inline,
}

/// What kind of endpoint it is.
#[derive(Clone, Copy)]
pub enum Kind {
    One(Read),
    Many(Read),
    /// The whole log as a stream.
    Log(Raw),
    /// The bytes of build data.
    Data,
}

/// One endpoint.
pub struct Route {
    pub pattern: &'static str,
    pub plural: &'static str,
    pub fields: &'static [Field],
    pub kind: Kind,
}

/// The values of a pattern's variables.
#[derive(Debug, Clone, Default)]
pub struct Captures(Vec<(&'static str, Captured)>);

#[derive(Debug, Clone)]
enum Captured {
    Number(i64),
    Text(String),
}

impl Captures {
    pub fn number(&self, name: &str) -> Option<i64> {
        self.0.iter().find_map(|(key, value)| match value {
            Captured::Number(number) if *key == name => Some(*number),
            _ => None,
        })
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(key, value)| match value {
            Captured::Text(text) if *key == name => Some(text.as_str()),
            _ => None,
        })
    }
}

const fn one<T: Listed>(plural: &'static str, pattern: &'static str, read: Read) -> Route {
    Route { pattern, plural, fields: T::FIELDS, kind: Kind::One(read) }
}

const fn many<T: Listed>(plural: &'static str, pattern: &'static str, read: Read) -> Route {
    Route { pattern, plural, fields: T::FIELDS, kind: Kind::Many(read) }
}

const fn bare(plural: &'static str, pattern: &'static str, kind: Kind) -> Route {
    Route { pattern, plural, fields: &[], kind }
}

const fn contents(pattern: &'static str) -> Route {
    Route { pattern, plural: "logchunks", fields: logs::FIELDS, kind: Kind::One(logs::contents) }
}

const fn raw(pattern: &'static str, kind: Raw) -> Route {
    Route { pattern, plural: "", fields: &[], kind: Kind::Log(kind) }
}

/// Every endpoint; the first pattern that matches wins, so numbers come before names.
pub static ROUTES: &[Route] = &[
    bare("rootlinks", "", Kind::Many(nouns::root_links)),
    many::<BuilderRow>("builders", "builders", nouns::builders),
    one::<BuilderRow>("builders", "builders/n:builderid", nouns::builder),
    one::<BuilderRow>("builders", "builders/s:buildername", nouns::builder),
    many::<BuilderRow>("builders", "masters/n:masterid/builders", nouns::builders),
    one::<BuilderRow>("builders", "masters/n:masterid/builders/n:builderid", nouns::builder),
    many::<BuilderRow>("builders", "workers/n:workerid/builders", nouns::builders),
    Route {
        pattern: "forceschedulers",
        plural: "forceschedulers",
        fields: force_fields::FIELDS,
        kind: Kind::Many(force_fields::all),
    },
    Route {
        pattern: "forceschedulers/i:schedulername",
        plural: "forceschedulers",
        fields: force_fields::FIELDS,
        kind: Kind::One(force_fields::one),
    },
    Route {
        pattern: "builders/n:builderid/forceschedulers",
        plural: "forceschedulers",
        fields: force_fields::FIELDS,
        kind: Kind::Many(force_fields::of_builder),
    },
    many::<BuildRow>("builds", "builds", nouns::builds),
    one::<BuildRow>("builds", "builds/n:buildid", nouns::build),
    many::<BuildRow>("builds", "builders/n:builderid/builds", nouns::builds),
    many::<BuildRow>("builds", "builders/s:buildername/builds", nouns::builds),
    one::<BuildRow>("builds", "builders/n:builderid/builds/n:number", nouns::build),
    one::<BuildRow>("builds", "builders/s:buildername/builds/n:number", nouns::build),
    many::<BuildRow>("builds", "buildrequests/n:buildrequestid/builds", nouns::builds),
    many::<BuildRow>("builds", "workers/n:workerid/builds", nouns::builds),
    many::<BuildRow>("builds", "changes/n:changeid/builds", nouns::builds),
    many::<BuildRow>("builds", "builds/n:parent/triggered_builds", nouns::builds),
    bare("properties", "builds/n:buildid/properties", Kind::One(nouns::build_properties)),
    bare(
        "properties",
        "builders/n:builderid/builds/n:number/properties",
        Kind::One(nouns::build_properties),
    ),
    bare("properties", "buildsets/n:bsid/properties", Kind::One(nouns::buildset_properties)),
    property_list("builds/n:buildid/property_list", nouns::build_property_list),
    property_list("buildsets/n:bsid/properties_list", nouns::buildset_property_list),
    property_list("changes/n:changeid/properties_list", nouns::change_property_list),
    many::<RequestRow>("buildrequests", "buildrequests", nouns::requests),
    one::<RequestRow>("buildrequests", "buildrequests/n:buildrequestid", nouns::request),
    many::<RequestRow>("buildrequests", "builders/n:builderid/buildrequests", nouns::requests),
    many::<BuildsetRow>("buildsets", "buildsets", nouns::buildsets),
    one::<BuildsetRow>("buildsets", "buildsets/n:bsid", nouns::buildset),
    one::<StepRow>("steps", "steps/n:stepid", nouns::step),
    many::<StepRow>("steps", "builds/n:buildid/steps", nouns::steps),
    one::<StepRow>("steps", "builds/n:buildid/steps/n:step_number", nouns::step),
    one::<StepRow>("steps", "builds/n:buildid/steps/i:step_name", nouns::step),
    many::<StepRow>("steps", "builders/n:builderid/builds/n:number/steps", nouns::steps),
    one::<StepRow>(
        "steps",
        "builders/n:builderid/builds/n:number/steps/n:step_number",
        nouns::step,
    ),
    one::<StepRow>("steps", "builders/n:builderid/builds/n:number/steps/i:step_name", nouns::step),
    many::<StepRow>("steps", "builders/s:buildername/builds/n:number/steps", nouns::steps),
    one::<StepRow>(
        "steps",
        "builders/s:buildername/builds/n:number/steps/n:step_number",
        nouns::step,
    ),
    one::<StepRow>(
        "steps",
        "builders/s:buildername/builds/n:number/steps/i:step_name",
        nouns::step,
    ),
    one::<LogRow>("logs", "logs/n:logid", nouns::log),
    many::<LogRow>("logs", "steps/n:stepid/logs", nouns::logs),
    one::<LogRow>("logs", "steps/n:stepid/logs/i:slug", nouns::log),
    many::<LogRow>("logs", "builds/n:buildid/steps/n:step_number/logs", nouns::logs),
    many::<LogRow>("logs", "builds/n:buildid/steps/i:step_name/logs", nouns::logs),
    one::<LogRow>("logs", "builds/n:buildid/steps/n:step_number/logs/i:slug", nouns::log),
    one::<LogRow>("logs", "builds/n:buildid/steps/i:step_name/logs/i:slug", nouns::log),
    many::<LogRow>(
        "logs",
        "builders/n:builderid/builds/n:number/steps/n:step_number/logs",
        nouns::logs,
    ),
    many::<LogRow>(
        "logs",
        "builders/n:builderid/builds/n:number/steps/i:step_name/logs",
        nouns::logs,
    ),
    one::<LogRow>(
        "logs",
        "builders/n:builderid/builds/n:number/steps/n:step_number/logs/i:slug",
        nouns::log,
    ),
    one::<LogRow>(
        "logs",
        "builders/n:builderid/builds/n:number/steps/i:step_name/logs/i:slug",
        nouns::log,
    ),
    many::<LogRow>(
        "logs",
        "builders/s:buildername/builds/n:number/steps/n:step_number/logs",
        nouns::logs,
    ),
    many::<LogRow>(
        "logs",
        "builders/s:buildername/builds/n:number/steps/i:step_name/logs",
        nouns::logs,
    ),
    one::<LogRow>(
        "logs",
        "builders/s:buildername/builds/n:number/steps/n:step_number/logs/i:slug",
        nouns::log,
    ),
    one::<LogRow>(
        "logs",
        "builders/s:buildername/builds/n:number/steps/i:step_name/logs/i:slug",
        nouns::log,
    ),
    contents("logs/n:logid/contents"),
    contents("steps/n:stepid/logs/i:slug/contents"),
    contents("builds/n:buildid/steps/n:step_number/logs/i:slug/contents"),
    contents("builds/n:buildid/steps/i:step_name/logs/i:slug/contents"),
    contents("builders/n:builderid/builds/n:number/steps/n:step_number/logs/i:slug/contents"),
    contents("builders/n:builderid/builds/n:number/steps/i:step_name/logs/i:slug/contents"),
    raw("logs/n:logid/raw", Raw::Attachment),
    raw("steps/n:stepid/logs/i:slug/raw", Raw::Attachment),
    raw("builds/n:buildid/steps/n:step_number/logs/i:slug/raw", Raw::Attachment),
    raw("builds/n:buildid/steps/i:step_name/logs/i:slug/raw", Raw::Attachment),
    raw(
        "builders/n:builderid/builds/n:number/steps/n:step_number/logs/i:slug/raw",
        Raw::Attachment,
    ),
    raw("builders/n:builderid/builds/n:number/steps/i:step_name/logs/i:slug/raw", Raw::Attachment),
    raw("logs/n:logid/raw_inline", Raw::Inline),
    raw("steps/n:stepid/logs/i:slug/raw_inline", Raw::Inline),
    raw("builds/n:buildid/steps/n:step_number/logs/i:slug/raw_inline", Raw::Inline),
    raw("builds/n:buildid/steps/i:step_name/logs/i:slug/raw_inline", Raw::Inline),
    raw(
        "builders/n:builderid/builds/n:number/steps/n:step_number/logs/i:slug/raw_inline",
        Raw::Inline,
    ),
    raw(
        "builders/n:builderid/builds/n:number/steps/i:step_name/logs/i:slug/raw_inline",
        Raw::Inline,
    ),
    test_result_sets("test_result_sets"),
    test_result_sets("builders/n:builderid/test_result_sets"),
    test_result_sets("builders/s:buildername/test_result_sets"),
    test_result_sets("builds/n:buildid/test_result_sets"),
    test_result_sets("steps/n:stepid/test_result_sets"),
    one::<TestResultSetRow>(
        "test_result_sets",
        "test_result_sets/n:test_result_setid",
        nouns::test_result_set,
    ),
    many::<TestResultRow>(
        "test_results",
        "test_result_sets/n:test_result_setid/results",
        nouns::test_results,
    ),
    many::<ChangeRow>("changes", "changes", nouns::changes),
    one::<ChangeRow>("changes", "changes/n:changeid", nouns::change),
    many::<ChangeRow>("changes", "builds/n:buildid/changes", nouns::changes_of_build),
    many::<ChangeRow>(
        "changes",
        "builders/n:builderid/builds/n:number/changes",
        nouns::changes_of_build,
    ),
    many::<ChangeRow>("changes", "sourcestamps/n:ssid/changes", nouns::changes),
    many::<SourceStampRow>("sourcestamps", "sourcestamps", nouns::sourcestamps),
    one::<SourceStampRow>("sourcestamps", "sourcestamps/n:ssid", nouns::sourcestamp),
    many::<SourceStampRow>("sourcestamps", "buildsets/n:bsid/sourcestamps", nouns::sourcestamps),
    many::<BuilderRow>("builders", "projects/n:projectid/builders", nouns::builders_of_project),
    many::<BuilderRow>("builders", "projects/i:projectname/builders", nouns::builders_of_project),
    many::<ProjectRow>("projects", "projects", data::projects),
    one::<ProjectRow>("projects", "projects/n:projectid", data::project),
    one::<ProjectRow>("projects", "projects/i:projectname", data::project),
    build_data("builds/n:buildid/data"),
    build_datum("builds/n:buildid/data/i:name"),
    build_value("builds/n:buildid/data/i:name/value"),
    build_data("builders/n:builderid/builds/n:number/data"),
    build_datum("builders/n:builderid/builds/n:number/data/i:name"),
    build_value("builders/n:builderid/builds/n:number/data/i:name/value"),
    build_data("builders/s:buildername/builds/n:number/data"),
    build_datum("builders/s:buildername/builds/n:number/data/i:name"),
    build_value("builders/s:buildername/builds/n:number/data/i:name/value"),
    many::<MasterRow>("masters", "masters", nouns::masters),
    one::<MasterRow>("masters", "masters/n:masterid", nouns::master),
    many::<MasterRow>("masters", "builders/n:builderid/masters", nouns::masters),
    one::<MasterRow>("masters", "builders/n:builderid/masters/n:masterid", nouns::master),
    many::<WorkerRow>("workers", "workers", nouns::workers),
    many::<WorkerRow>("workers", "masters/n:masterid/workers", nouns::workers),
    many::<WorkerRow>("workers", "builders/n:builderid/workers", nouns::workers),
    many::<WorkerRow>("workers", "masters/n:masterid/builders/n:builderid/workers", nouns::workers),
    one::<WorkerRow>("workers", "workers/n:workerid", nouns::worker),
    one::<WorkerRow>("workers", "workers/i:workername", nouns::worker),
    one::<WorkerRow>("workers", "masters/n:masterid/workers/n:workerid", nouns::worker),
    one::<WorkerRow>("workers", "masters/n:masterid/workers/i:workername", nouns::worker),
    one::<WorkerRow>("workers", "builders/n:builderid/workers/n:workerid", nouns::worker),
    one::<WorkerRow>("workers", "builders/n:builderid/workers/i:workername", nouns::worker),
    one::<WorkerRow>(
        "workers",
        "masters/n:masterid/builders/n:builderid/workers/n:workerid",
        nouns::worker,
    ),
    one::<WorkerRow>(
        "workers",
        "masters/n:masterid/builders/n:builderid/workers/i:workername",
        nouns::worker,
    ),
    many::<SchedulerRow>("schedulers", "schedulers", nouns::schedulers),
    one::<SchedulerRow>("schedulers", "schedulers/n:schedulerid", nouns::scheduler),
    many::<SchedulerRow>("schedulers", "masters/n:masterid/schedulers", nouns::schedulers),
    one::<SchedulerRow>(
        "schedulers",
        "masters/n:masterid/schedulers/n:schedulerid",
        nouns::scheduler,
    ),
    many::<ChangeSourceRow>("changesources", "changesources", nouns::change_sources),
    one::<ChangeSourceRow>("changesources", "changesources/n:changesourceid", nouns::change_source),
    many::<ChangeSourceRow>(
        "changesources",
        "masters/n:masterid/changesources",
        nouns::change_sources,
    ),
    one::<ChangeSourceRow>(
        "changesources",
        "masters/n:masterid/changesources/n:changesourceid",
        nouns::change_source,
    ),
    many::<ProblemRow>("rs_problems", "rs_problems", problems::all),
    one::<ProblemRow>("rs_problems", "rs_problems/n:problemid", problems::one),
    many::<ProblemRow>("rs_problems", "builders/n:builderid/rs_problems", problems::all),
    many::<ProblemRow>("rs_problems", "builders/s:buildername/rs_problems", problems::all),
    Route {
        pattern: "rs_locks",
        plural: "rs_locks",
        fields: locks::FIELDS,
        kind: Kind::Many(locks::all),
    },
];

const fn build_data(pattern: &'static str) -> Route {
    many::<BuildDataRow>("build_data", pattern, data::all)
}

const fn build_datum(pattern: &'static str) -> Route {
    one::<BuildDataRow>("build_data", pattern, data::one)
}

const fn build_value(pattern: &'static str) -> Route {
    Route { pattern, plural: "", fields: &[], kind: Kind::Data }
}

const fn test_result_sets(pattern: &'static str) -> Route {
    many::<TestResultSetRow>("test_result_sets", pattern, nouns::test_result_sets)
}

const fn property_list(pattern: &'static str, read: Read) -> Route {
    Route { pattern, plural: "_properties", fields: nouns::PROPERTY, kind: Kind::Many(read) }
}

/// The endpoint of a path below `/api/v2` and the values of its variables. Segments are split
/// before they are decoded.
pub fn find(path: &str) -> Option<(&'static Route, Captures)> {
    let segments: Vec<String> = path.split('/').map(|segment| decode(segment, false)).collect();
    ROUTES.iter().find_map(|route| capture(route.pattern, &segments).map(|found| (route, found)))
}

fn capture(pattern: &'static str, segments: &[String]) -> Option<Captures> {
    let mut captures = Captures::default();
    let mut parts = pattern.split('/');
    for segment in segments {
        let part = parts.next()?;
        let captured = match part.split_once(':') {
            None if part == segment => continue,
            None => return None,
            Some(("n", name)) => (name, Captured::Number(integer(segment)?)),
            Some(("i", name)) if is_identifier(segment) => (name, Captured::Text(segment.clone())),
            Some(("s", name)) if !segment.is_empty() => (name, Captured::Text(segment.clone())),
            Some(_) => return None,
        };
        captures.0.push(captured);
    }
    parts.next().is_none().then_some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_pattern_wins() {
        let table = [
            ("", Some("")),
            ("builders/5", Some("builders/n:builderid")),
            ("builders/foo", Some("builders/s:buildername")),
            ("builders/multi%20cb%2F%C3%A9", Some("builders/s:buildername")),
            ("builds/1_0", Some("builds/n:buildid")),
            ("builds/-1", Some("builds/n:buildid")),
            ("builds/abc", None),
            ("builds/", None),
            ("masters/", None),
            ("nopath", None),
            ("builds/2/steps/skipped%20step", None),
            (
                "builds/2/steps/3/logs/stdio/raw",
                Some("builds/n:buildid/steps/n:step_number/logs/i:slug/raw"),
            ),
        ];
        for (path, pattern) in table {
            assert_eq!(find(path).map(|(route, _)| route.pattern), pattern, "{path}");
        }
        let (_, captures) = find("builders/multi%20cb%2F%C3%A9").expect("matches");
        assert_eq!(captures.text("buildername"), Some("multi cb/é"));
    }

    #[test]
    fn patterns_are_unique() {
        let mut patterns: Vec<&str> = ROUTES.iter().map(|route| route.pattern).collect();
        patterns.sort_unstable();
        let all = patterns.len();
        patterns.dedup();
        assert_eq!(patterns.len(), all);
    }
}
