//! Forms that change something: for local clients, and only from our own pages.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{Page, PageError};
use crate::model::{BuildId, BuildRequestId, ProblemId, SchedulerId, WorkerId};
use crate::status::problem::commands::{HOURS, Order};
use crate::status::web::api::{OWNER, decode};
use crate::status::web::backstage::WorkerOrder;
use crate::status::web::guard;
use crate::status::web::site::Site;

pub(super) fn check(request: &HttpRequest, site: &Site) -> Result<(), PageError> {
    guard::own_site(request.headers(), &site.config())?;
    Ok(guard::may_control(request)?)
}

pub(super) fn see(place: impl Into<String>) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, place.into())).finish()
}

/// The pairs of a posted form.
pub(super) fn form_pairs(body: &[u8]) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(body);
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name, true), decode(value, true))).collect()
}

/// The field `reason`, or stock's default.
fn reason(body: &[u8]) -> String {
    let given = form_pairs(body).into_iter().find(|(name, _)| name == "reason");
    let given = given.map(|(_, value)| value.trim().to_owned());
    given.filter(|reason| !reason.is_empty()).unwrap_or_else(|| "no reason".to_owned())
}

pub async fn stop(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<i64>,
    body: web::Bytes,
) -> Page {
    check(&request, &site)?;
    site.backstage.stop_build(BuildId(*path), &reason(&body)).await?;
    Ok(see(format!("/builds/{path}")))
}

pub async fn rebuild(request: HttpRequest, site: web::Data<Site>, path: web::Path<i64>) -> Page {
    check(&request, &site)?;
    let submitted = site.backstage.rebuild(BuildId(*path), OWNER).await?;
    Ok(see(match submitted.requests.first() {
        Some((builder, _)) => format!("/builders/{builder}"),
        None => "/pending".to_owned(),
    }))
}

pub async fn cancel(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<i64>,
    body: web::Bytes,
) -> Page {
    check(&request, &site)?;
    site.backstage.cancel_request(BuildRequestId(*path), &reason(&body)).await?;
    Ok(see("/pending"))
}

pub async fn worker(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<(i64, String)>,
    body: web::Bytes,
) -> Page {
    check(&request, &site)?;
    let (worker, order) = path.into_inner();
    let order = WorkerOrder::named(&order)
        .ok_or_else(|| PageError::NotFound(format!("order '{order}' for a worker")))?;
    site.backstage.tell_worker(WorkerId(worker), order, &reason(&body)).await?;
    Ok(see(format!("/workers/{worker}")))
}

pub async fn problem(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<(i64, String)>,
    body: web::Bytes,
) -> Page {
    check(&request, &site)?;
    let (problem, order) = path.into_inner();
    let pairs = form_pairs(&body);
    let field =
        |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
    let order = match order.as_str() {
        "acknowledge" => Order::Acknowledge { text: field("text").unwrap_or_default().to_owned() },
        // What is no number is a wrong one.
        "silence" => Order::Silence {
            hours: field("hours").map_or(HOURS, |hours| hours.parse().unwrap_or(-1)),
        },
        _ => return Err(PageError::NotFound(format!("order '{order}' for a problem"))),
    };
    site.backstage.problem(ProblemId(problem), OWNER, order).await?;
    Ok(see(format!("/problems/{problem}")))
}

pub async fn scheduler(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<(i64, String)>,
) -> Page {
    check(&request, &site)?;
    let (scheduler, order) = path.into_inner();
    let enabled = match order.as_str() {
        "enable" => true,
        "disable" => false,
        _ => return Err(PageError::NotFound(format!("order '{order}' for a scheduler"))),
    };
    site.backstage.enable_scheduler(SchedulerId(scheduler), enabled).await?;
    Ok(see("/schedulers"))
}
