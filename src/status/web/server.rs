//! In: requests of browsers and programs. Out: answers, and commands through the backstage.
//! Owns: the listening socket's server for one life. Dies: with its server; the socket itself
//! outlives it, so that a restart keeps the port.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, WrapFuture};
use actix_web::dev::ServerHandle;
use actix_web::http::header;
use actix_web::middleware::{Compress, DefaultHeaders};
use actix_web::{App, HttpServer, web};

use super::site::Site;
use super::{api, live, pages};
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::config::checked::Listen;

/// Its name among the children of the master.
pub const NAME: &str = "web";

/// Threads that answer requests. Rendering is quick; the database has threads of its own.
const WORKERS: usize = 2;

/// How long open answers may take when the server stops, in seconds.
const PATIENCE_S: u64 = 3;

/// What a page may do: nothing but what this server sends.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "port {port} of the web server ({address}) is in use by another program; stop it or \
         choose another www port"
    )]
    InUse { port: u16, address: String },
    #[error("the web server cannot listen on {address}: {reason}")]
    Other { address: String, reason: String },
}

/// A bound listening socket.
#[derive(Clone)]
pub struct Door {
    listener: Arc<TcpListener>,
    address: SocketAddr,
}

impl Door {
    /// Binds the configured address; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the port is in use, or the interface is not an address of this machine.
    pub fn bind(listen: &Listen) -> Result<Door, BindError> {
        let interface = listen.interface.as_deref().unwrap_or("0.0.0.0");
        let address = format!("{interface}:{}", listen.port);
        let other = |error: std::io::Error| BindError::Other {
            address: address.clone(),
            reason: error.to_string(),
        };
        let listener =
            TcpListener::bind((listen.host(), listen.port)).map_err(|error| {
                match error.kind() {
                    ErrorKind::AddrInUse => {
                        BindError::InUse { port: listen.port, address: address.clone() }
                    }
                    _ => other(error),
                }
            })?;
        listener.set_nonblocking(true).map_err(other)?;
        let bound = listener.local_addr().map_err(other)?;
        Ok(Door { listener: Arc::new(listener), address: bound })
    }

    /// The real address, also for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Starts the web server as the child `web` of `supervisor`.
pub fn start(supervisor: &Supervisor, door: Door, site: Site) {
    let mut spec = ChildSpec::essential(NAME);
    spec.stop_within = Duration::from_secs(PATIENCE_S + 5);
    let mailbox = Mailbox::new(NAME);
    supervisor.start(spec, &mailbox, move || WebServer {
        door: door.clone(),
        site: site.clone(),
        handle: None,
    });
}

/// The actor around actix-web's server.
pub struct WebServer {
    door: Door,
    site: Site,
    handle: Option<ServerHandle>,
}

impl Actor for WebServer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.site.feed.set_closing(false);
        let feed = self.site.feed.clone().run(self.site.clone());
        ctx.spawn(feed.into_actor(self));
        match serve(&self.door, self.site.clone()) {
            Ok(server) => {
                self.handle = Some(server.handle());
                let address = self.door.address();
                tracing::info!(%address, "the web server listens");
                let served = server.into_actor(self);
                ctx.spawn(actix::fut::ActorFutureExt::map(served, |outcome, _, ctx| {
                    if let Err(error) = outcome {
                        tracing::error!(%error, "the web server ended");
                    }
                    ctx.stop();
                }));
            }
            Err(error) => {
                tracing::error!(%error, "the web server cannot start");
                ctx.stop();
            }
        }
    }
}

impl Child for WebServer {
    /// Ends event streams at once and lets other answers finish; then the server's future ends.
    fn stop(&mut self, ctx: &mut Context<Self>) {
        self.site.feed.set_closing(true);
        match self.handle.take() {
            Some(handle) => {
                let stopping = async move { handle.stop(true).await }.into_actor(self);
                ctx.spawn(actix::fut::ActorFutureExt::map(stopping, |(), _, ctx| ctx.stop()));
            }
            None => ctx.stop(),
        }
    }
}

crate::receives!(WebServer:);

/// The server on the door's socket, not yet running.
///
/// # Errors
/// When the socket cannot be shared.
pub fn serve(door: &Door, site: Site) -> std::io::Result<actix_web::dev::Server> {
    let site = web::Data::new(site);
    let app = move || {
        App::new()
            .app_data(site.clone())
            .wrap(Compress::default())
            .wrap(security_headers())
            .configure(routes)
    };
    let server = HttpServer::new(app)
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(PATIENCE_S)
        .listen(door.listener.try_clone()?)?;
    Ok(server.run())
}

fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, POLICY))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "same-origin"))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api", web::get().to(api::api_versions))
        .route("/api/v2", web::route().to(api::endpoint))
        .route("/api/v2/{path:.*}", web::route().to(api::endpoint))
        .route("/api/latest", web::route().to(api::endpoint))
        .route("/api/latest/{path:.*}", web::route().to(api::endpoint))
        .route("/sse", web::route().to(live::sse))
        .route("/sse/{path:.*}", web::route().to(live::sse))
        .route("/events", web::get().to(live::events))
        .route("/logs/{log:[0-9]+}/follow", web::get().to(live::follow))
        .configure(pages::routes);
}
