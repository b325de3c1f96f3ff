//! The answer for people.

use std::fmt::{self, Display, Formatter};

use super::report::{BuildReport, BuildsetReport, ChangeReport, Report, StepReport};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            write!(f, "{change}")?;
        }
        if self.buildsets.is_empty() {
            writeln!(f, "\nNothing would be built.")?;
        }
        for set in &self.buildsets {
            write!(f, "\n{set}")?;
        }
        for note in &self.notes {
            writeln!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}

impl Display for ChangeReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let branch = self.branch.as_deref().unwrap_or("default branch");
        let revision = self.revision.as_deref().map(short).unwrap_or("newest");
        writeln!(f, "Change {revision} on {branch} by {}: {}", self.author, self.subject)?;
        for verdict in &self.schedulers {
            let sign = if verdict.takes { '+' } else { '-' };
            writeln!(f, "  {sign} {} ({}): {}", verdict.scheduler, verdict.class, verdict.why)?;
        }
        Ok(())
    }
}

impl Display for BuildsetReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Buildset {} of {}", self.number, self.scheduler)?;
        match self.after_s {
            0 => {}
            seconds => write!(f, ", {seconds} s later")?,
        }
        if let Some(asker) = &self.triggered_by {
            write!(f, ", triggered by {asker}")?;
        }
        if let Some(number) = self.depends_on {
            write!(f, ", when buildset {number} has succeeded")?;
        }
        writeln!(f, ": {}", self.reason)?;
        for stamp in &self.sourcestamps {
            let name = if stamp.codebase.is_empty() { "source" } else { &stamp.codebase };
            let branch = stamp.branch.as_deref().unwrap_or("default branch");
            let revision = stamp.revision.as_deref().map(short).unwrap_or("newest");
            writeln!(f, "  {name}: {revision} on {branch} of '{}'", stamp.repository)?;
        }
        self.builds.iter().try_for_each(|build| write!(f, "{build}"))
    }
}

impl Display for BuildReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  Builder {} on {}", self.builder, self.workers.join(" or "))?;
        if let Some(why) = &self.skipped {
            writeln!(f, "    skipped: {why}")?;
        }
        if !self.locks.is_empty() {
            writeln!(f, "    holds {}", self.locks.join(", "))?;
        }
        for (name, value) in &self.properties {
            writeln!(f, "    {name} = {value}")?;
        }
        self.steps.iter().enumerate().try_for_each(|(index, step)| {
            write!(f, "    {}. ", index + 1)?;
            write!(f, "{step}")
        })
    }
}

impl Display for StepReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.class)?;
        match (&self.why, self.runs) {
            (Some(why), false) => write!(f, ": skipped, {why}")?,
            (Some(why), true) => write!(f, ": {why}")?,
            (None, _) => {}
        }
        writeln!(f)?;
        if !self.locks.is_empty() {
            writeln!(f, "       holds {}", self.locks.join(", "))?;
        }
        for act in &self.acts {
            writeln!(f, "       {act}")?;
        }
        for (name, value) in &self.sets {
            writeln!(f, "       sets {name} = {value}")?;
        }
        Ok(())
    }
}

/// A hash as people quote it.
fn short(revision: &str) -> &str {
    let hash = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hash { &revision[..10] } else { revision }
}
