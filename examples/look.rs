//! Shows the database of a stopped master in the browser: nothing runs, nothing can be commanded.
//!
//! `cargo run --example look -- path/to/master.toml path/to/state.sqlite`; the page is at the
//! configured www port.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use buildbot::actors::announcer::Announcer;
use buildbot::db::Db;
use buildbot::status::web::server::{Door, serve};
use buildbot::status::web::site::{Master, Site};
use buildbot::status::web::spectator::Spectator;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let config = arguments.next().context("name the configuration file")?;
    let database = arguments.next().context("name the database file")?;
    let config = buildbot::config::load(Path::new(&config), Path::new("."))?;
    let www = config.www.as_ref().context("the configuration has no [www]")?;
    let door = Door::bind(&www.listen)?;
    println!("http://{}/", door.address());
    let (_keep, config) = tokio::sync::watch::channel(Arc::new(config));
    actix::System::new().block_on(async {
        let db = Db::open(&database)?;
        let master = Master { name: database, started_at: buildbot::model::now() };
        let site = Site::new(db, Announcer::default(), config, Arc::new(Spectator), master);
        Ok(serve(&door, site)?.await?)
    })
}
