//! The web server: pages for people, the REST interface for programs, live updates for both.

pub mod ansi;
pub mod api;
pub mod backstage;
pub mod guard;
pub mod live;
pub mod multipart;
pub mod pages;
pub mod render;
pub mod server;
pub mod site;
pub mod spectator;
pub mod stage;
