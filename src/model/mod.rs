//! Plain values of Buildbot's vocabulary: what a change, a build or a worker *is*.
//!
//! Nothing here knows the database, an actor or the web; every other module may use these types.

mod ids;
mod results;
mod properties;
mod change;
mod sourcestamp;
mod buildset;
mod buildrequest;
mod build;
mod step;
mod lock;
mod test_result;
mod user;
pub mod address;
mod who;
mod person;
mod log;
mod worker;
mod attendance;
mod clock;

pub use attendance::{Absence, Attendance};
pub use build::{Build, BuildProgress};
pub use buildrequest::{BuildRequest, Claim};
pub use buildset::{Buildset, NewBuildset};
pub use change::{Change, NewChange};
pub use clock::{Clock, Timestamp, now};
pub use ids::*;
pub use lock::{LockAccess, LockKind, LockMode};
pub use log::{Log, LogLines, LogType};
pub use person::Person;
pub use properties::{Properties, Property};
pub use results::Results;
pub use sourcestamp::{NewPatch, NewSourceStamp, Patch, SourceStamp};
pub use step::{Step, StepUrl};
pub use test_result::{TestResult, TestSet};
pub use user::User;
pub use who::{SYSTEMS, Who};
pub use worker::{Worker, WorkerInfo};
