//! Change sources against real repositories and scripted servers, with a real database.

mod gerrit;
mod git;
mod github;
mod hg;
mod server;
mod svn;
mod watcher;
mod world;
