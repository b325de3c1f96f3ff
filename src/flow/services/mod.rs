//! `services`: what listens to the facts of a master and wishes for something, such as that old
//! builds are cancelled. A service decides here; one actor carries each of them.

mod failing_buildset_canceller;
mod old_build_canceller;
pub mod registry;

use std::fmt::Debug;

use crate::model::{BuildRequestId, BuildsetId, SourceStamp};

/// A configured service.
pub trait ServicePlan: Debug + Send + Sync {
    /// Begins to listen; nothing has been seen yet.
    fn begin(&self) -> Box<dyn Service>;
    /// The builders it names, for a check of the configuration.
    fn builders(&self) -> Vec<&str>;
}

/// A service that listens.
pub trait Service: Send {
    /// Answers what the service wishes after this fact.
    ///
    /// # Errors
    /// What is wrong with an expression; the fact is lost on the service then.
    fn hear(&mut self, fact: &Fact) -> Result<Vec<Wish>, String>;
}

/// What a service hears of.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A change came in, of this source stamp.
    Changed(SourceStamp),
    /// A request came in, or is incomplete when the service begins.
    Requested(Request),
    RequestCompleted(BuildRequestId),
    /// A build ended as FAILURE.
    Failed {
        request: Request,
        /// Other incomplete requests of its buildset, with the names of their builders.
        siblings: Vec<(BuildRequestId, String)>,
    },
}

/// A request as services see it.
#[derive(Debug, Clone)]
pub struct Request {
    pub id: BuildRequestId,
    pub buildset: BuildsetId,
    pub builder: String,
    pub sources: Vec<SourceStamp>,
}

/// What a service wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    Cancel { request: BuildRequestId, reason: String },
}
