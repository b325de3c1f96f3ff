//! What the chat bots ask: scopes of builds that pages do not need.

use super::sql::Scope;

/// Scope of a builder's builds that have not ended.
pub fn running_of(builder: i64) -> Scope {
    Scope::condition(format!("builds.complete_at IS NULL AND builds.builderid = {builder}"))
}

/// Scope of each builder's newest finished build, whatever its result.
pub fn last_per_builder() -> Scope {
    Scope::condition(
        "builds.id IN (SELECT (SELECT last.id FROM builds last \
         WHERE last.builderid = each.id AND last.complete_at IS NOT NULL \
         ORDER BY last.number DESC LIMIT 1) FROM builders each)",
    )
}

/// Scope of one builder's newest finished build.
pub fn last_of(builder: i64) -> Scope {
    Scope::condition(format!(
        "builds.id = (SELECT last.id FROM builds last WHERE last.builderid = {builder} \
         AND last.complete_at IS NOT NULL ORDER BY last.number DESC LIMIT 1)"
    ))
}
