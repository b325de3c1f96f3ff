//! Control methods: JSON-RPC 2.0 over POST.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::method::{invalid_path, path_of};
use super::query::Query;
use super::routes;
use super::{Ask, json};
use crate::db::listing::{self, BuilderRow, Scope};
use crate::model::{BuildId, BuildRequestId, ProblemId, SchedulerId, WorkerId};
use crate::status::problem::commands::{HOURS, Order};
use crate::status::web::backstage::{Refusal, Submitted, Wish, WorkerOrder};
use crate::status::web::guard;
use crate::status::web::site::Site;

/// Who controls while there is no login, as stock calls it.
pub const OWNER: &str = "anonymous";

/// A failed call: HTTP status, JSON-RPC code and message.
struct Failure {
    status: StatusCode,
    code: i64,
    message: Value,
}

const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL: i64 = -32603;
const PARSE: i64 = -32700;

fn failure(status: StatusCode, code: i64, message: impl Into<Value>) -> Failure {
    Failure { status, code, message: message.into() }
}

fn invalid(message: impl Into<Value>) -> Failure {
    failure(StatusCode::BAD_REQUEST, INVALID_REQUEST, message)
}

fn unsupported(method: &str) -> Failure {
    let message = format!("action: {method} is not supported");
    failure(StatusCode::NOT_IMPLEMENTED, METHOD_NOT_FOUND, message)
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Invalid(fields) => {
                failure(StatusCode::BAD_REQUEST, INVALID_PARAMS, json!(fields))
            }
            Refusal::NotFound(_) => {
                failure(StatusCode::NOT_FOUND, INVALID_REQUEST, refusal.to_string())
            }
            Refusal::Failed(text) => failure(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, text),
        }
    }
}

impl From<crate::db::DbError> for Failure {
    fn from(error: crate::db::DbError) -> Failure {
        failure(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, error.to_string())
    }
}

/// The answer to a POST of another site.
pub fn origin_refused(message: &str) -> HttpResponse {
    respond(StatusCode::BAD_REQUEST, &json!({ "error": { "message": message } }))
}

fn respond(status: StatusCode, body: &Value) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(json::compact(body))
}

/// Answers one POST.
pub async fn call(request: &HttpRequest, site: &Site, body: &[u8]) -> HttpResponse {
    let (id, outcome) = match Call::read(request, body) {
        Ok(call) => (Some(call.id.clone()), run(request, site, call).await),
        Err(failure) => (None, Err(failure)),
    };
    match outcome {
        Ok(result) => {
            let id = id.unwrap_or_default();
            respond(StatusCode::OK, &json!({ "id": id, "jsonrpc": "2.0", "result": result }))
        }
        Err(Failure { status, code, message }) => {
            let error = json!({ "code": code, "message": message });
            let mut body = json!({ "jsonrpc": "2.0", "error": error });
            if let Some(id) = id {
                body["id"] = id;
            }
            respond(status, &body)
        }
    }
}

/// A well-formed call.
struct Call {
    method: String,
    id: Value,
    params: Map<String, Value>,
}

impl Call {
    /// Checks the body in stock's order. A failure here has no id.
    fn read(request: &HttpRequest, body: &[u8]) -> Result<Call, Failure> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if kind.trim() != "application/json" {
            return Err(invalid("Invalid content-type (use application/json)"));
        }
        let body = serde_json::from_slice(body).map_err(|error| {
            failure(StatusCode::BAD_REQUEST, PARSE, format!("JSON parse error: {error}"))
        })?;
        Call::of(body)
    }

    fn of(body: Value) -> Result<Call, Failure> {
        let mut body = match body {
            Value::Object(body) => body,
            Value::Array(_) => return Err(invalid("JSONRPC batch requests are not supported")),
            _ => return Err(invalid("JSONRPC root object must be an object")),
        };
        let is_id = |id: &Value| id.is_i64() || id.is_u64() || id.is_string() || id.is_null();
        check(&body, "jsonrpc", Value::is_string, "a string")?;
        check(&body, "method", Value::is_string, "a string")?;
        check(&body, "id", is_id, "a string, number, or null")?;
        check(&body, "params", Value::is_object, "an object")?;
        if body["jsonrpc"] != "2.0" {
            return Err(invalid("only JSONRPC 2.0 is supported"));
        }
        let method = body["method"].as_str().unwrap_or_default().to_owned();
        let params = match body.remove("params") {
            Some(Value::Object(params)) => params,
            _ => Map::new(),
        };
        Ok(Call { method, id: body.remove("id").unwrap_or_default(), params })
    }

    fn reason(&self) -> &str {
        self.params.get("reason").and_then(Value::as_str).unwrap_or("no reason")
    }
}

fn check(
    body: &Map<String, Value>,
    key: &str,
    fits: impl Fn(&Value) -> bool,
    what: &str,
) -> Result<(), Failure> {
    match body.get(key) {
        None => Err(invalid(format!("missing key '{key}'"))),
        Some(value) if fits(value) => Ok(()),
        Some(_) => Err(invalid(format!("'{key}' must be {what}"))),
    }
}

async fn run(request: &HttpRequest, site: &Site, call: Call) -> Result<Value, Failure> {
    guard::may_control(request)
        .map_err(|denied| failure(StatusCode::FORBIDDEN, INVALID_REQUEST, denied.to_string()))?;
    let path = path_of(request);
    let (route, captures) = routes::find(path).ok_or_else(|| {
        let message = invalid_path(path).to_string();
        failure(StatusCode::NOT_FOUND, INVALID_REQUEST, message)
    })?;
    if !matches!(route.kind, routes::Kind::One(_)) {
        return Err(unsupported(&call.method));
    }
    let pattern = route.pattern;
    let (query, backstage) = (Query::default(), site.backstage.clone());
    let ask = Ask { captures, query, config: site.config(), backstage, pattern };
    match route.plural {
        "forceschedulers" => force(site, &ask, call).await,
        "builds" => control_build(site, ask, call).await,
        "buildrequests" => control_request(site, &ask, &call).await,
        "workers" => control_worker(site, ask, &call).await,
        "schedulers" => control_scheduler(site, &ask, &call).await,
        "rs_problems" => control_problem(site, &ask, &call).await,
        _ => Err(unsupported(&call.method)),
    }
}

/// `[bsid, {"<builderid>": brid}]`
fn submitted(submitted: &Submitted) -> Value {
    let requests: Map<String, Value> = submitted
        .requests
        .iter()
        .map(|(builder, request)| (builder.to_string(), json!(request)))
        .collect();
    json!([submitted.buildset, requests])
}

async fn force(site: &Site, ask: &Ask, mut call: Call) -> Result<Value, Failure> {
    if call.method != "force" {
        // As stock: a force scheduler takes any other method and does nothing.
        return Ok(Value::Null);
    }
    let scheduler = ask.captures.text("schedulername").unwrap_or_default();
    let builders = wanted_builders(site, &mut call.params).await?;
    call.params.remove("owner");
    let wish = Wish { builders, values: call.params, owner: OWNER.to_owned() };
    Ok(submitted(&site.backstage.force(scheduler, wish).await?))
}

/// `builderid`, or `builderNames`, or nothing: all of the scheduler's.
async fn wanted_builders(
    site: &Site,
    params: &mut Map<String, Value>,
) -> Result<Vec<String>, Failure> {
    let names = params.remove("builderNames");
    let id = params.remove("builderid").filter(|id| !id.is_null());
    let Some(id) = id else {
        let names = names.as_ref().and_then(Value::as_array);
        let texts = names.into_iter().flatten().filter_map(Value::as_str);
        return Ok(texts.map(str::to_owned).collect());
    };
    let number = id.as_i64().or_else(|| id.as_str().and_then(super::query::integer));
    let bad = || invalid(format!("builderid {id} is not the id of a builder"));
    let number = number.ok_or_else(bad)?;
    let scope = Scope::is("builders.id", number);
    let row = site.db.read(move |conn| listing::one::<BuilderRow>(conn, &scope)).await?;
    Ok(vec![row.ok_or_else(bad)?.name])
}

async fn control_build(site: &Site, ask: Ask, call: Call) -> Result<Value, Failure> {
    let method = call.method.to_ascii_lowercase();
    if !matches!(method.as_str(), "stop" | "rebuild") {
        return Err(unsupported(&call.method));
    }
    let id = site.db.read(move |conn| ask.build_id(conn)).await?;
    match (method.as_str(), id) {
        // As stock: an unknown or finished build is no error.
        ("stop", None) => Ok(Value::Null),
        ("stop", Some(id)) => {
            forgive(site.backstage.stop_build(BuildId(id), call.reason()).await)?;
            Ok(Value::Null)
        }
        (_, None) => Err(Refusal::NotFound("such build".to_owned()).into()),
        (_, Some(id)) => Ok(submitted(&site.backstage.rebuild(BuildId(id), OWNER).await?)),
    }
}

/// Not found is no failure.
fn forgive(outcome: Result<(), Refusal>) -> Result<(), Failure> {
    match outcome {
        Err(Refusal::NotFound(_)) | Ok(()) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

async fn control_request(site: &Site, ask: &Ask, call: &Call) -> Result<Value, Failure> {
    let id = ask.captures.number("buildrequestid").unwrap_or(-1);
    match call.method.as_str() {
        "cancel" => {
            forgive(site.backstage.cancel_request(BuildRequestId(id), call.reason()).await)?;
        }
        "set_priority" => {
            let priority =
                call.params.get("priority").and_then(Value::as_i64).ok_or_else(|| {
                    let message = "'priority' must be a whole number";
                    failure(StatusCode::BAD_REQUEST, INVALID_PARAMS, message)
                })?;
            site.backstage.set_priority(BuildRequestId(id), priority).await?;
        }
        _ => return Err(unsupported(&call.method)),
    }
    Ok(Value::Null)
}

async fn control_worker(site: &Site, ask: Ask, call: &Call) -> Result<Value, Failure> {
    let order = WorkerOrder::named(&call.method).ok_or_else(|| unsupported(&call.method))?;
    let id = site.db.read(move |conn| ask.worker_id(conn)).await?;
    let id = id.ok_or_else(|| Refusal::NotFound("such worker".to_owned()))?;
    site.backstage.tell_worker(WorkerId(id), order, call.reason()).await?;
    Ok(Value::Null)
}

/// `acknowledge` with `text`, `silence` with `hours`.
async fn control_problem(site: &Site, ask: &Ask, call: &Call) -> Result<Value, Failure> {
    let order = match call.method.as_str() {
        "acknowledge" => {
            let text = call.params.get("text").and_then(Value::as_str).unwrap_or_default();
            Order::Acknowledge { text: text.to_owned() }
        }
        "silence" => {
            let hours = call.params.get("hours").map_or(Some(HOURS), Value::as_i64);
            let hours = hours.ok_or_else(|| {
                let message = "'hours' must be a whole number";
                failure(StatusCode::BAD_REQUEST, INVALID_PARAMS, message)
            })?;
            Order::Silence { hours }
        }
        _ => return Err(unsupported(&call.method)),
    };
    let id = ProblemId(ask.captures.number("problemid").unwrap_or(-1));
    site.backstage.problem(id, OWNER, order).await?;
    Ok(Value::Null)
}

async fn control_scheduler(site: &Site, ask: &Ask, call: &Call) -> Result<Value, Failure> {
    if call.method != "enable" {
        // As stock: a scheduler takes any other method and does nothing.
        return Ok(Value::Null);
    }
    let enabled = call.params.get("enabled").and_then(Value::as_bool).ok_or_else(|| {
        failure(StatusCode::BAD_REQUEST, INVALID_PARAMS, "'enabled' must be true or false")
    })?;
    let id = SchedulerId(ask.captures.number("schedulerid").unwrap_or(-1));
    forgive(site.backstage.enable_scheduler(id, enabled).await)?;
    Ok(Value::Null)
}
