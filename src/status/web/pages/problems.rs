//! `/problems` and `/problems/ID`: which builders are in trouble, by whom, and who was told.

use std::collections::HashMap;

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::{Page, PageError, local};
use crate::db::listing::{
    self, ChangeRow, ProblemPerson, ProblemRow, Scope, Spec, all, in_list, problem_people,
};
use crate::db::{Conn, DbError, blame};
use crate::model::{BuildId, now};
use crate::status::problem::commands::HOURS;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Problems of each kind on the page.
const OPEN: i64 = 50;
const CLOSED: i64 = 30;
/// Changes listed of one problem.
const CHANGES: usize = 20;

#[derive(Serialize)]
struct List {
    open: Vec<View>,
    closed: Vec<ProblemRow>,
}

#[derive(Serialize)]
struct View {
    problem: ProblemRow,
    /// Class of its edge.
    style: &'static str,
    silenced: bool,
    is_open: bool,
    people: Vec<PersonView>,
    /// What was new in the first bad build, newest first.
    changes: Vec<ChangeRow>,
    /// How many more there are.
    more: usize,
    /// Offered for a silence.
    hours: i64,
}

#[derive(Serialize)]
struct PersonView {
    person: ProblemPerson,
    /// `95 %`
    seen: Option<String>,
    /// They are told again at `due_at`.
    waits: bool,
}

pub async fn list(request: HttpRequest, site: web::Data<Site>) -> Page {
    let list = site.db.read(load_list).await?;
    let frame = Frame::new("problems", "Problems", "problems").local(local(&request));
    Ok(frame.render(&site, &list))
}

fn load_list(conn: &mut Conn) -> Result<List, DbError> {
    let newest = |conn: &mut Conn, condition: &str, field, limit| {
        let scope = Scope::condition(condition);
        listing::list::<ProblemRow>(conn, &scope, &Spec::newest(field, limit))
    };
    let open = newest(conn, "rs_problems.state <> 'closed'", "problemid", OPEN)?.rows;
    let closed = newest(conn, "rs_problems.state = 'closed'", "closed_at", CLOSED)?.rows;
    Ok(List { open: views(conn, open)?, closed })
}

pub async fn one(request: HttpRequest, site: web::Data<Site>, path: web::Path<i64>) -> Page {
    let id = path.into_inner();
    let load = move |conn: &mut Conn| {
        let rows = all(conn, &Scope::is("rs_problems.id", id))?;
        Ok(views(conn, rows)?.pop())
    };
    let view = site.db.read(load).await?;
    let view = view.ok_or_else(|| PageError::NotFound(format!("problem {id}")))?;
    let title = format!("Problem {id}");
    let events = format!("builder={}", view.problem.builderid);
    let frame = Frame::new("problem", &title, "problems").local(local(&request));
    Ok(frame.events(events).render(&site, &view))
}

fn views(conn: &mut Conn, rows: Vec<ProblemRow>) -> Result<Vec<View>, DbError> {
    let mut people = problem_people(conn, rows.iter().map(|row| row.problemid))?;
    let builds: Vec<BuildId> = rows.iter().map(|row| BuildId(row.first_bad_buildid)).collect();
    let blamed = blame::of_builds(conn, &builds)?;
    let shown = blamed.values().flat_map(|blame| blame.changes.iter().take(CHANGES));
    let ids = in_list("changes.changeid", shown.map(|id| id.0));
    let changes: Vec<ChangeRow> = all(conn, &Scope::condition(ids))?;
    let changes: HashMap<i64, ChangeRow> =
        changes.into_iter().map(|change| (change.changeid, change)).collect();
    let now = now();
    let view = |problem: ProblemRow| {
        let blame = blamed.get(&BuildId(problem.first_bad_buildid));
        let culprits = blame.map(|blame| &blame.changes[..]).unwrap_or_default();
        let shown = culprits.iter().take(CHANGES);
        let speaks = problem.state == "open";
        let people = people.remove(&problem.problemid).unwrap_or_default();
        View {
            changes: shown.filter_map(|id| changes.get(&id.0)).cloned().collect(),
            more: culprits.len().saturating_sub(CHANGES),
            style: match problem.state.as_str() {
                "open" => "failure",
                "acknowledged" => "warnings",
                _ => "success",
            },
            silenced: problem.silenced_until.is_some_and(|until| until > now),
            is_open: problem.closed_at.is_none(),
            people: people.into_iter().map(|person| person_view(person, speaks)).collect(),
            hours: HOURS,
            problem,
        }
    };
    Ok(rows.into_iter().map(view).collect())
}

fn person_view(person: ProblemPerson, speaks: bool) -> PersonView {
    PersonView {
        seen: person.irc_seen.map(|seen| format!("{:.0} %", seen * 100.0)),
        waits: speaks && person.due_at.is_some(),
        person,
    }
}
