//! Console lines of contracts (`console.log` of Solidity frameworks), for a devnet that prints them.

use crate::HeadEvent;
use crate::context::{Context, Work};
use crate::methods::console_lines_of_block;
use std::sync::{Arc, Weak};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Who is told the lines. A node without one does nothing for them.
#[derive(Clone)]
pub struct ConsoleSink(Arc<dyn Fn(&str) + Send + Sync>);

impl ConsoleSink {
    /// Calls `print` with each line. It must not block.
    #[must_use]
    pub fn new(print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(print))
    }

    pub(crate) fn print(&self, lines: &[String]) {
        for line in lines {
            (self.0)(line);
        }
    }
}

impl std::fmt::Debug for ConsoleSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConsoleSink")
    }
}

/// Runs the transactions of each new block again and passes on what they log, until the node ends. Holds nothing of it.
pub(crate) async fn follow(context: Weak<Context>, mut heads: Receiver<Arc<HeadEvent>>) {
    loop {
        let event = match heads.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if event.block.transactions().is_empty() {
            continue;
        }
        let Some(context) = context.upgrade() else { return };
        let (worker, height) = (Arc::clone(&context), event.block.height().0);
        let lines = context.run(Work::Trace, move || console_lines_of_block(&worker, height)).await;
        match lines.and_then(|lines| lines) {
            Ok(lines) => {
                if let Some(sink) = &context.config.console {
                    sink.print(&lines);
                }
            }
            Err(failure) => tracing::debug!(height, %failure, "no console lines"),
        }
    }
}
