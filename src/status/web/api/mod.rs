//! The REST interface `/api/v2` in the shape of Buildbot 4.3: GET reads, POST controls.

mod answer;
mod control;
mod data;
mod error;
mod force_fields;
pub mod json;
mod locks;
mod logs;
mod method;
mod nouns;
mod places;
mod problems;
mod query;
mod routes;

pub use answer::{Answer, Ask};
pub use control::OWNER;
pub use error::ApiError;
pub use force_fields::{force_schedulers, offers};
pub use method::{api_versions, endpoint};
pub use nouns::entity;
pub use query::decode;
