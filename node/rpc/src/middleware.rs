//! What every JSON-RPC call passes: the limit of a batch, and a clear word for subscriptions that
//! are asked for over plain HTTP.

use crate::context::Context;
use crate::guard::Transport;
use crate::submission::Submissions;
use jsonrpsee::core::middleware::{Batch, Notification, RpcServiceT};
use jsonrpsee::server::MethodResponse;
use jsonrpsee::types::{ErrorObjectOwned, Id, Request};
use std::future::Future;
use std::sync::Arc;

/// Puts the rules before the methods.
#[derive(Clone)]
pub(crate) struct CallRules<S> {
    pub(crate) inner: S,
    pub(crate) context: Arc<Context>,
    pub(crate) batch_max: usize,
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
            let method = request.method_name();
            let needs_connection = method == "eth_subscribe" || method == "eth_unsubscribe";
            if needs_connection && request.extensions().get() == Some(&Transport::Http) {
                let error = ErrorObjectOwned::owned(
                    -32004,
                    "subscriptions need a WebSocket connection; over HTTP use eth_newFilter and eth_getFilterChanges",
                    None::<()>,
                );
                return MethodResponse::error(request.id().clone(), error);
            }
            inner.call(request).await
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (inner, batch_max) = (self.inner.clone(), self.batch_max);
        let context = Arc::clone(&self.context);
        async move {
            if batch.len() > batch_max {
                let text = format!(
                    "batch too large: expected at most {batch_max} calls, found {}",
                    batch.len()
                );
                let error = ErrorObjectOwned::owned(-32600, text, None::<()>);
                return MethodResponse::error(Id::Null, error);
            }
            match Submissions::of(&batch) {
                Some(submissions) => submissions.run(context).await,
                None => inner.batch(batch).await,
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}
