//! The buildset of a try job, as the client sees it.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::broker::{Args, no_such_method};
use protocol::jelly::{Failure, Value};

use super::Sight;
use super::request::RequestView;
use crate::actors::worker::{Line, Perspective};
use crate::model::{BuildRequestId, BuilderId};

/// What the call of `try` gives.
pub struct BuildsetView {
    requests: Vec<(String, Arc<RequestView>)>,
}

impl BuildsetView {
    /// `requests` come with the names of their builders.
    pub fn new(sight: &Sight, requests: Vec<(String, BuilderId, BuildRequestId)>) -> BuildsetView {
        let view = |(name, builder, request): (String, _, _)| {
            let view = RequestView::new(sight.clone(), name.clone(), builder, request);
            (name, Arc::new(view))
        };
        BuildsetView { requests: requests.into_iter().map(view).collect() }
    }
}

#[async_trait]
impl Perspective for BuildsetView {
    async fn call(&self, method: &str, _: Args, line: &Line) -> Result<Value, Failure> {
        if method != "getBuildRequests" {
            return Err(no_such_method(method));
        }
        let mut pairs = Vec::new();
        for (name, request) in &self.requests {
            let request = line.show(request.clone()).await?;
            pairs.push(Value::Tuple(vec![Value::from(name.as_str()), request]));
        }
        Ok(Value::List(pairs))
    }
}
