//! What every JSON-RPC call passes: the limit of a batch, a clear word for subscriptions that are
//! asked for over plain HTTP, and the books of its connection.

use crate::connection::Connection;
use crate::context::Context;
use crate::guard::Transport;
use crate::submission::Submissions;
use http::Extensions;
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::core::server::BatchResponseBuilder;
use jsonrpsee::server::MethodResponse;
use jsonrpsee::types::{ErrorObjectOwned, Id, Request};
use std::future::Future;
use std::sync::Arc;

/// Methods that belong to a connection that stays.
const NEEDS_CONNECTION: [&str; 4] =
    ["eth_subscribe", "eth_unsubscribe", "weft_subscribe", "weft_unsubscribe"];

/// Puts the rules before the methods.
#[derive(Clone)]
pub(crate) struct CallRules<S> {
    pub(crate) inner: S,
    pub(crate) context: Arc<Context>,
    pub(crate) batch_max: usize,
    pub(crate) response_bytes_max: usize,
}

impl<S> RpcServiceT for CallRules<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let inner = self.inner.clone();
        async move {
            let connection = connection_of(request.extensions());
            let size = size_of(&request);
            let id = request.id().clone().into_owned();
            let running = connection.as_ref().map(Connection::begin);
            let answer = one(&inner, request).await;
            drop(running);
            announced(connection.as_deref(), id, size, answer)
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Self { inner, context, batch_max, response_bytes_max } = self.clone();
        async move {
            if batch.len() > batch_max {
                let text = format!(
                    "batch too large: expected at most {batch_max} calls, found {}",
                    batch.len()
                );
                let error = ErrorObjectOwned::owned(-32600, text, None::<()>);
                return MethodResponse::error(Id::Null, error);
            }
            let extensions = batch.iter().find_map(|entry| entry.as_ref().ok());
            let connection = extensions.and_then(|entry| connection_of(entry.extensions()));
            let running = connection.as_ref().map(Connection::begin);
            // A listener that does not serve the method refuses it call by call.
            let sends = context.served.refusal("eth_sendRawTransaction").is_none();
            let (answer, size) = match Submissions::of(&batch).filter(|_| sends) {
                Some(submissions) => (submissions.run(context).await, 0),
                None => all(&inner, batch, response_bytes_max).await,
            };
            drop(running);
            announced(connection.as_deref(), Id::Null, size, answer)
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

fn connection_of(extensions: &Extensions) -> Option<Arc<Connection>> {
    extensions.get::<Arc<Connection>>().cloned()
}

fn size_of(request: &Request<'_>) -> usize {
    request.params.as_ref().map_or(0, |params| params.get().len())
}

/// One call, alone or in a batch.
async fn one<S>(inner: &S, request: Request<'_>) -> MethodResponse
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Sync,
{
    let subscribes = NEEDS_CONNECTION.contains(&request.method_name());
    if subscribes && request.extensions().get() == Some(&Transport::Http) {
        let error = ErrorObjectOwned::owned(
            -32004,
            "subscriptions need a WebSocket connection; over HTTP use eth_newFilter and eth_getFilterChanges",
            None::<()>,
        );
        return MethodResponse::error(request.id().clone(), error);
    }
    inner.call(request).await
}

/// The calls of a batch, one after the other, and the size of what they asked.
async fn all<S>(inner: &S, batch: Batch<'_>, bytes_max: usize) -> (MethodResponse, usize)
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Sync,
{
    let mut answers = BatchResponseBuilder::new_with_limit(bytes_max);
    let (mut notified, mut size) = (false, 0);
    for entry in batch {
        let answer = match entry {
            Ok(BatchEntry::Call(request)) => {
                size += size_of(&request);
                one(inner, request).await
            }
            Ok(BatchEntry::Notification(notification)) => {
                notified = true;
                inner.notification(notification).await;
                continue;
            }
            Err(error) => {
                let (error, id) = error.into_parts();
                MethodResponse::error(id, error)
            }
        };
        if let Err(too_large) = answers.append(answer) {
            return (too_large, size);
        }
    }
    if answers.is_empty() && notified {
        return (MethodResponse::notification(), size);
    }
    (MethodResponse::from_batch(answers.finish()), size)
}

/// Puts an answer into the books of its connection, or refuses when too much waits there.
fn announced(
    connection: Option<&Connection>,
    id: Id<'static>,
    request_bytes: usize,
    answer: MethodResponse,
) -> MethodResponse {
    let Some(connection) = connection else { return answer };
    // A subscription's answer goes out by itself, before its events.
    if answer.is_notification() || answer.is_subscription() {
        return answer;
    }
    if connection.announce(answer.as_json().get().len(), request_bytes) {
        return answer;
    }
    let text = "too many bytes of answers wait to be read on this connection or on all; read them, or ask for less";
    MethodResponse::error(id, ErrorObjectOwned::owned(-32005, text, None::<()>))
}
