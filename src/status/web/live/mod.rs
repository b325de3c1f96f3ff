//! Live updates: server-sent events for API clients, for our own pages, and for running logs.

mod events;
mod feed;
mod follow;
mod sse;
mod stream;
mod topics;

pub use events::events;
pub use feed::Feed;
pub use follow::follow;
pub use sse::sse;
