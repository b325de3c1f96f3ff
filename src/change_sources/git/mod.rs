//! `GitPoller`: polls one repository for new commits.

mod auth;
mod options;
mod poll;

use std::sync::Arc;

use async_trait::async_trait;

use super::registry::Draft;
use super::{Desk, Found, Source, Trouble};
use crate::config::fields::Fields;
use auth::Auth;
use options::GitOptions;
use poll::Poll;

/// Reads the poller's own keys.
pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Source> {
    let options = GitOptions::parse(fields, draft);
    let auth = Auth::parse(fields, &options.repourl);
    Arc::new(GitPoller { options, auth })
}

#[derive(Debug)]
struct GitPoller {
    options: GitOptions,
    auth: Auth,
}

#[async_trait]
impl Source for GitPoller {
    async fn look(&self, desk: &dyn Desk) -> Result<Found, Trouble> {
        Poll::new(&self.options, &self.auth, desk).run().await
    }

    async fn renew(&self, desk: &dyn Desk) -> bool {
        Poll::new(&self.options, &self.auth, desk).drop_clone().await.unwrap_or(false)
    }
}
