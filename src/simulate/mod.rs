//! What would happen? Plays changes through a configuration without building anything.
//!
//! The schedulers are the real ones: they run over a database that is thrown away. So are the steps:
//! they run at a bench where every command succeeds at once and says nothing, and where what a step
//! would do in the master itself is only told ([`Step::in_master`](crate::steps::Step::in_master)).
//!
//! | module | what it holds |
//! |---|---|
//! | `world` | the database, and time, which stands still until it is moved |
//! | `course` | who submits what: changes, triggers, and what depends on it |
//! | `build` | one build, step by step |
//! | `bench` | where nothing happens |
//! | `acts` | a command in a line for people |
//! | `report`, `text` | the answer, as data and for people |

mod acts;
mod bench;
mod build;
mod course;
pub mod report;
mod text;
#[cfg(test)]
mod tests;
mod world;

use crate::config::MasterConfig;
use crate::db::DbError;
use crate::model::NewChange;
use report::Report;

/// Plays these changes, in their order, at one moment.
///
/// # Errors
/// When the temporary database cannot be made or used.
pub async fn simulate(config: &MasterConfig, changes: Vec<NewChange>) -> Result<Report, DbError> {
    let world = world::World::new(config).await?;
    course::run(&world, changes).await
}
