//! `/events`: a lean stream for our own pages. It says that something changed, not what; the page
//! fetches itself again.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use super::stream::{Gone, SIGN_OF_LIFE, Writer, respond};
use crate::events::Event;
use crate::status::web::site::Site;

/// What a page is about; nothing given is everything.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct About {
    build: Option<i64>,
    builder: Option<i64>,
    worker: Option<i64>,
    /// Progress inside builds: steps and state strings.
    #[serde(default)]
    steps: u8,
}

/// `/events?build=N`
pub async fn events(site: web::Data<Site>, about: web::Query<About>) -> HttpResponse {
    let about = about.into_inner();
    let announcer = site.announcer.clone();
    respond(site.feed.closing(), move |mut writer: Writer| async move {
        let mut facts = announcer.listen();
        writer.event("hello", "").await?;
        loop {
            tokio::select! {
                fact = facts.recv() => match fact {
                    Ok(event) if !about.concerns(&event) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => writer.event("changed", "").await?,
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = tokio::time::sleep(SIGN_OF_LIFE) => writer.sign_of_life().await?,
                () = writer.gone() => return Err(Gone),
            }
        }
    })
}

impl About {
    fn concerns(self, event: &Event) -> bool {
        let steps = self.steps > 0 || self.build.is_some();
        match event {
            // Log pages follow the log itself.
            Event::LogAppended { .. } => false,
            Event::LogAdded { .. } | Event::LogFinished { .. } => steps,
            Event::StepAdded { build, .. }
            | Event::StepStarted { build, .. }
            | Event::StepUpdated { build, .. }
            | Event::StepFinished { build, .. }
            | Event::TestSetAdded { build, .. }
            | Event::TestSetCompleted { build, .. }
            | Event::PropertiesChanged { build, .. } => {
                steps && self.build.is_none_or(|wanted| wanted == build.0)
            }
            Event::BuildUpdated { build, builder, worker, .. } => {
                steps && self.matches(build.0, builder.0, worker.0)
            }
            Event::BuildStarted { build, builder, worker, .. }
            | Event::BuildFinished { build, builder, worker, .. } => {
                self.matches(build.0, builder.0, worker.0)
            }
            _ => self.build.is_none(),
        }
    }

    fn matches(self, build: i64, builder: i64, worker: i64) -> bool {
        self.build.is_none_or(|wanted| wanted == build)
            && self.builder.is_none_or(|wanted| wanted == builder)
            && self.worker.is_none_or(|wanted| wanted == worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BuildId, BuilderId, Results, StepId, WorkerId};

    #[test]
    fn a_page_hears_what_concerns_it() {
        let started = Event::BuildStarted {
            build: BuildId(1),
            builder: BuilderId(2),
            number: 3,
            worker: WorkerId(4),
        };
        let step =
            Event::StepFinished { step: StepId(9), build: BuildId(1), results: Results::Success };
        let all = About::default();
        let table = [
            (all, true, false),
            (About { steps: 1, ..all }, true, true),
            (About { build: Some(1), ..all }, true, true),
            (About { build: Some(2), ..all }, false, false),
            (About { builder: Some(2), ..all }, true, false),
            (About { worker: Some(5), ..all }, false, false),
        ];
        for (about, hears_start, hears_step) in table {
            assert_eq!(about.concerns(&started), hears_start, "{about:?}");
            assert_eq!(about.concerns(&step), hears_step, "{about:?}");
        }
    }
}
