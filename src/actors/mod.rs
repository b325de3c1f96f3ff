//! Shells around `flow`, in the order of the flow: supervision first, then who carries what.
//!
//! ```text
//! master                  a loop: orders, alarms, heartbeat
//! ├─ log intake           essential, a thread of its own
//! ├─ roster               essential
//! │   ├─ listener ×L
//! │   └─ connection ×N    temporary, on a pool of threads
//! ├─ buildset closer
//! ├─ distributor
//! ├─ intake
//! ├─ builder ×M
//! │   └─ build ×K         temporary, under a supervisor that outlives the builder
//! ├─ scheduler ×S
//! ├─ service ×V
//! ├─ try jobs of a Try_Jobdir
//! ├─ change source ×C
//! └─ web                  essential; started last and stopped first, handed in by `cli`
//! ```

pub mod mail;
pub mod tree;
pub mod supervise;
pub mod turns;
pub mod master;
pub mod presence;
pub mod house;
pub mod handles;
pub mod memory;
pub mod control;
mod cancelling;
mod service;
pub mod announcer;
pub mod change_source;
pub mod intake;
pub mod scheduler;
pub mod try_jobs;
pub mod user_manager;
pub mod buildset_closer;
pub mod distributor;
pub mod surroundings;
pub mod builder;
pub mod locks;
pub mod running;
pub mod build;
pub mod worker;
pub mod log_intake;
