//! Pages for people: one file per page, each with its view model; readable without scripts.

mod about;
mod actions;
mod builders;
mod builds;
mod changes;
mod error;
mod force;
mod force_inputs;
mod home;
mod lines;
mod locks;
mod targets;
mod log;
mod pending;
mod problems;
mod projects;
mod requests;
mod schedulers;
mod statics;
pub mod text;
mod tree;
mod waterfall;
mod waterfall_grid;
mod workers;

use actix_web::{HttpRequest, web};

pub use error::PageError;

use super::guard;

/// What a page handler gives.
type Page = Result<actix_web::HttpResponse, PageError>;

/// May the client of this request control? Decides whether buttons are shown.
fn local(request: &HttpRequest) -> bool {
    guard::may_control(request).is_ok()
}

/// Every page and form.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(home::page))
        .route("/waterfall", web::get().to(waterfall::page))
        .route("/builders", web::get().to(builders::list))
        .route("/builders/{builder}", web::get().to(builders::one))
        .route("/builders/{builder}/builds/{number}", web::get().to(builds::page))
        .route("/builds/{build}", web::get().to(builds::canonical))
        .route("/builds/{build}/stop", web::post().to(actions::stop))
        .route("/builds/{build}/rebuild", web::post().to(actions::rebuild))
        .route("/logs/{log}", web::get().to(log::page))
        .route("/changes", web::get().to(changes::list))
        .route("/changes/{change}", web::get().to(changes::one))
        .route("/workers", web::get().to(workers::list))
        .route("/workers/{worker}", web::get().to(workers::one))
        .route("/workers/{worker}/{order}", web::post().to(actions::worker))
        .route("/pending", web::get().to(pending::page))
        .route("/problems", web::get().to(problems::list))
        .route("/problems/{problem}", web::get().to(problems::one))
        .route("/problems/{problem}/{order}", web::post().to(actions::problem))
        .route("/projects", web::get().to(projects::list))
        .route("/projects/{project}", web::get().to(projects::one))
        .route("/requests/{request}", web::get().to(requests::page))
        .route("/requests/{request}/priority", web::post().to(requests::prioritize))
        .route("/requests/{request}/cancel", web::post().to(actions::cancel))
        .route("/schedulers", web::get().to(schedulers::page))
        .route("/schedulers/{name}/force", web::get().to(force::form))
        .route("/schedulers/{name}/force", web::post().to(force::submit))
        .route("/schedulers/{scheduler}/{order}", web::post().to(actions::scheduler))
        .route("/locks", web::get().to(locks::page))
        .route("/targets", web::get().to(targets::page))
        .route("/targets/messages/{message}/again", web::post().to(targets::again))
        .route("/tree", web::get().to(tree::page))
        .route("/about", web::get().to(about::page))
        .route("/robots.txt", web::get().to(statics::robots))
        .route("/static/{file}", web::get().to(statics::file))
        .default_service(web::route().to(statics::nowhere));
}
