//! The listener: one port for HTTP and WebSocket.

use crate::context::Context;
use crate::error::RpcError;
use crate::guard::GuardLayer;
use crate::middleware::CallRules;
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

/// Messages that wait for a slow WebSocket reader.
const MESSAGES_BUFFERED: u32 = 1024;

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
/// [`RpcError`] when the address cannot be bound or the CORS list is malformed.
pub async fn serve(config: RpcConfig, backend: RpcBackend) -> Result<RpcServer, RpcError> {
    let address = config.listen;
    let cors = cors_layer(&config.cors)?;
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => RpcError::PortInUse { address },
        _ => RpcError::Bind { address, reason: error.to_string() },
    })?;
    let bound = |error: std::io::Error| RpcError::Bind { address, reason: error.to_string() };
    let local_addr = listener.local_addr().map_err(bound)?;

    let batch_max = config.batch_max;
    let context = Arc::new(Context::new(config.clone(), backend));
    let methods = methods::all(Arc::clone(&context));
    let connections = Arc::new(Semaphore::new(config.connections_max as usize));
    let builder = Server::builder()
        .set_config(server_config(&config))
        .set_http_middleware(
            tower::ServiceBuilder::new().option_layer(cors).layer(GuardLayer::new(&config)),
        )
        .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(move |inner| CallRules {
            inner,
            context: Arc::clone(&context),
            batch_max,
        }))
        .to_service_builder();
    let (stop, handle) = stop_channel();
    let service = move |stop| builder.clone().build(methods.clone(), stop);
    tokio::spawn(accept(listener, connections, service, stop));
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
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(SubscriptionIds)
        .build()
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

/// Accepts connections until the server is stopped. Above the limit a connection is closed at once:
/// a caller that finds the node full learns it immediately.
async fn accept<M, S>(
    listener: TcpListener,
    connections: Arc<Semaphore>,
    service: M,
    stop: StopHandle,
) where
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
    let mut stopped = std::pin::pin!(stop.clone().shutdown());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only spin.
                tracing::warn!(%error, "rpc connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::debug!("rpc connection refused: all connections are in use");
            continue;
        };
        // The permit travels with the requests: a WebSocket keeps those of its handshake, and with
        // them its place, until it is closed.
        let permit = Arc::new(permit);
        let hold = move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&permit));
            request
        };
        let service = MapRequest::new(service(stop.clone()), hold);
        tokio::spawn(serve_connection(socket, service, stop.clone()));
    }
}

async fn serve_connection<S>(socket: TcpStream, service: S, stop: StopHandle)
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
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "rpc connection keeps Nagle's algorithm");
    }
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
