//! The listener: one port for HTTP and WebSocket.

use crate::connection::{Connection, Guarded, Waiting};
use crate::context::Context;
use crate::error::RpcError;
use crate::guard::GuardLayer;
use crate::listener::Served;
use crate::middleware::CallRules;
use crate::page::PageLayer;
use crate::{RpcBackend, RpcConfig, methods};
use http::{HeaderValue, Method, header::CONTENT_TYPE};
use hyper::body::Incoming;
use jsonrpsee::core::BoxError;
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::server::middleware::rpc::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, HttpBody, PingConfig, RandomStringIdProvider, Server, ServerConfig,
    ServerHandle, StopHandle, serve_with_graceful_shutdown, stop_channel,
};
use jsonrpsee::types::SubscriptionId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::util::MapRequest;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Entries of a batch that are looked at before it is refused as a whole.
const BATCH_PARSED_MAX: u32 = 10_000;

/// Messages that wait for a slow WebSocket reader, besides those that wait for a place among them.
const MESSAGES_BUFFERED: u32 = 64;

/// How long accepting rests after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server.
#[derive(Debug)]
pub struct RpcServer {
    local_addr: SocketAddr,
    handle: ServerHandle,
}

impl RpcServer {
    /// The address that the server listens on.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting and waits until the calls in progress are answered.
    pub async fn stop(self) {
        // An error says that it has stopped already.
        let _ = self.handle.stop();
        self.handle.stopped().await;
    }
}

/// Starts the server on the current tokio runtime.
///
/// # Errors
/// [`RpcError`] when the address cannot be bound, or the origins or namespaces make no sense.
pub async fn serve(config: RpcConfig, backend: RpcBackend) -> Result<RpcServer, RpcError> {
    let address = config.listen;
    let cors = cors_layer(&config.cors)?;
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => RpcError::PortInUse { address },
        _ => RpcError::Bind { address, reason: error.to_string() },
    })?;
    let bound = |error: std::io::Error| RpcError::Bind { address, reason: error.to_string() };
    let local_addr = listener.local_addr().map_err(bound)?;

    let (batch_max, connections_max) = (config.batch_max, config.connections_max as usize);
    let response_bytes_max = config.response_bytes_max as usize;
    let served = Served::new(&config)?;
    let context = Arc::new(Context::new(config.clone(), served, backend));
    let methods = methods::all(Arc::clone(&context));
    let builder = Server::builder()
        .set_config(server_config(&config))
        .set_http_middleware(
            tower::ServiceBuilder::new()
                .option_layer(cors)
                .option_layer((config.devnet && !config.public).then_some(PageLayer))
                .layer(GuardLayer::new(&config)),
        )
        .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(move |inner| CallRules {
            inner,
            context: Arc::clone(&context),
            batch_max,
            response_bytes_max,
        }))
        .to_service_builder();
    let (stop, handle) = stop_channel();
    let service = move |stop| builder.clone().build(methods.clone(), stop);
    tokio::spawn(accept(listener, connections_max, service, stop));
    tracing::info!(%local_addr, "rpc server listens");
    Ok(RpcServer { local_addr, handle })
}

fn server_config(config: &RpcConfig) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(config.request_bytes_max)
        .max_response_body_size(config.response_bytes_max)
        .max_connections(config.connections_max)
        .max_subscriptions_per_connection(config.subscriptions_max)
        .set_message_buffer_capacity(MESSAGES_BUFFERED)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_PARSED_MAX))
        .enable_ws_ping(heartbeat(config.heartbeat_ms))
        .set_id_provider(SubscriptionIds)
        .build()
}

/// Pings keep a connection alive through proxies and find those whose other end is gone.
fn heartbeat(interval_ms: u64) -> PingConfig {
    let interval = Duration::from_millis(interval_ms.max(1));
    PingConfig::new().ping_interval(interval).inactive_limit(interval * 2)
}

fn cors_layer(origins: &[String]) -> Result<Option<CorsLayer>, RpcError> {
    if origins.is_empty() {
        return Ok(None);
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let values = origins.iter().map(|origin| {
            let malformed = || RpcError::Origin { origin: origin.clone() };
            if !origin.contains("://") || origin.ends_with('/') {
                return Err(malformed());
            }
            HeaderValue::from_str(origin).map_err(|_| malformed())
        });
        AllowOrigin::list(values.collect::<Result<Vec<_>, _>>()?)
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::POST])
        .allow_headers([CONTENT_TYPE]);
    Ok(Some(layer))
}

/// Accepts connections until the server is stopped. Above the limit a connection is answered and
/// closed at once: a caller that finds the node full learns it immediately.
async fn accept<M, S>(listener: TcpListener, connections_max: usize, service: M, stop: StopHandle)
where
    M: Fn(StopHandle) -> S,
    S: tower::Service<
            http::Request<Incoming>,
            Response = http::Response<HttpBody>,
            Error = BoxError,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let places = Arc::new(Semaphore::new(connections_max));
    let waiting = Arc::<Waiting>::default();
    let mut stopped = std::pin::pin!(stop.clone().shutdown());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return,
        };
        let socket = match accepted {
            Ok((socket, _)) => {
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "rpc connection keeps Nagle's algorithm");
                }
                socket
            }
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only spin.
                tracing::warn!(%error, "rpc connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::debug!("rpc connection refused: all connections are in use");
            refuse(&socket, connections_max);
            continue;
        };
        let connection = Connection::new(Arc::clone(&waiting), place);
        let socket = Guarded::new(socket, Arc::clone(&connection));
        let note = move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&connection));
            request
        };
        let service = MapRequest::new(service(stop.clone()), note);
        tokio::spawn(serve_connection(socket, service, stop.clone()));
    }
}

/// Says why the connection is closed, as far as that fits into the socket at once.
fn refuse(socket: &TcpStream, connections_max: usize) {
    let body = format!("too many connections: limit {connections_max}, try again later\n");
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{body}"
    );
    // A caller that is gone already needs no answer.
    let _ = socket.try_write(answer.as_bytes());
}

async fn serve_connection<S>(socket: Guarded, service: S, stop: StopHandle)
where
    S: tower::Service<
            http::Request<Incoming>,
            Response = http::Response<HttpBody>,
            Error = BoxError,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    if let Err(error) = serve_with_graceful_shutdown(socket, service, stop.shutdown()).await {
        tracing::debug!(%error, "rpc connection ended");
    }
}

/// Subscription ids as Ethereum clients expect them: unpredictable hex strings.
#[derive(Debug)]
struct SubscriptionIds;

impl IdProvider for SubscriptionIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(random_id().into())
    }
}

/// An unpredictable id for a filter or a subscription.
pub(crate) fn random_id() -> String {
    const LENGTH: usize = 16;
    match RandomStringIdProvider::new(LENGTH).next_id() {
        SubscriptionId::Str(text) => alloy_primitives::hex::encode_prefixed(text.as_bytes()),
        SubscriptionId::Num(number) => format!("{number:#x}"),
    }
}
