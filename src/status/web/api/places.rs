//! Which entity a path's variables mean: `builders/runtests/builds/3` is a build.

use crate::db::listing::{self, BuildRow, BuilderRow, LogRow, Scope, StepRow, WorkerRow, build_of};
use crate::db::{Conn, DbError};

use super::Ask;

impl Ask {
    /// The builder's id as given, or the one of the name.
    pub fn builder_id(&self, conn: &mut Conn) -> Result<Option<i64>, DbError> {
        if let Some(id) = self.captures.number("builderid") {
            return Ok(Some(id));
        }
        let Some(name) = self.captures.text("buildername") else { return Ok(None) };
        let row = listing::one::<BuilderRow>(conn, &Scope::text("builders.name", name))?;
        Ok(row.map(|row| row.builderid))
    }

    /// The build's id as given, or the one of builder and number.
    pub fn build_id(&self, conn: &mut Conn) -> Result<Option<i64>, DbError> {
        if let Some(id) = self.captures.number("buildid") {
            return Ok(Some(id));
        }
        let Some(number) = self.captures.number("number") else { return Ok(None) };
        let Some(builder) = self.builder_id(conn)? else { return Ok(None) };
        let row = listing::one::<BuildRow>(conn, &build_of(builder, number))?;
        Ok(row.map(|row| row.buildid))
    }

    /// The scope of the step that is meant; `None` when its build is unknown.
    pub fn step_scope(&self, conn: &mut Conn) -> Result<Option<Scope>, DbError> {
        if let Some(id) = self.captures.number("stepid") {
            return Ok(Some(Scope::is("steps.id", id)));
        }
        let Some(build) = self.build_id(conn)? else { return Ok(None) };
        let step = match (self.captures.number("step_number"), self.captures.text("step_name")) {
            (Some(number), _) => Scope::is("steps.number", number),
            (None, Some(name)) => Scope::text("steps.name", name),
            (None, None) => return Ok(None),
        };
        Ok(Some(StepRow::of_build(build).and(step)))
    }

    pub fn step_id(&self, conn: &mut Conn) -> Result<Option<i64>, DbError> {
        let Some(scope) = self.step_scope(conn)? else { return Ok(None) };
        Ok(listing::one::<StepRow>(conn, &scope)?.map(|row| row.stepid))
    }

    /// The scope of the log that is meant; `None` when its step is unknown.
    pub fn log_scope(&self, conn: &mut Conn) -> Result<Option<Scope>, DbError> {
        if let Some(id) = self.captures.number("logid") {
            return Ok(Some(Scope::is("logs.id", id)));
        }
        let Some(slug) = self.captures.text("slug") else { return Ok(None) };
        let slug = Scope::text("logs.slug", slug);
        Ok(self.step_id(conn)?.map(|step| Scope::is("logs.stepid", step).and(slug)))
    }

    pub fn log_id(&self, conn: &mut Conn) -> Result<Option<i64>, DbError> {
        let Some(scope) = self.log_scope(conn)? else { return Ok(None) };
        Ok(listing::one::<LogRow>(conn, &scope)?.map(|row| row.logid))
    }

    /// The scope of the worker that is meant.
    pub fn worker_scope(&self) -> Scope {
        match (self.captures.number("workerid"), self.captures.text("workername")) {
            (Some(id), _) => Scope::is("workers.id", id),
            (None, name) => Scope::text("workers.name", name.unwrap_or_default()),
        }
    }

    pub fn worker_id(&self, conn: &mut Conn) -> Result<Option<i64>, DbError> {
        Ok(listing::one::<WorkerRow>(conn, &self.worker_scope())?.map(|row| row.workerid))
    }
}
