//! The methods, one family per file.

use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use jsonrpsee::RpcModule;
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

mod access_list;
mod account;
mod accounts;
mod block;
mod bounded;
mod call;
mod capabilities;
mod chain;
mod cheats;
mod debug;
pub(crate) mod fees;
mod fill;
pub(crate) mod filters;
mod logs;
mod otterscan;
mod overrides;
mod pending;
mod proof;
mod raw;
mod record;
mod refused;
mod replay;
mod send;
mod simulate;
mod subscribe;
mod trace;
mod transaction;
mod transaction_status;
mod txpool;
mod uncle;
mod unlocked;
mod web3;

pub(crate) use replay::console_lines_of_block;

pub(crate) type Module = RpcModule<Context>;

/// What a method does: reads its parameters, answers or fails.
type Handler<R> = fn(&Context, &mut Args<'_>) -> Result<R, Failure>;

/// Every method of the server.
pub(crate) fn all(context: Arc<Context>) -> Module {
    if context.config.console.is_some() {
        let heads = context.backend.heads.subscribe();
        tokio::spawn(crate::console::follow(Arc::downgrade(&context), heads));
    }
    let mut module = RpcModule::from_arc(context);
    access_list::register(&mut module);
    account::register(&mut module);
    accounts::register(&mut module);
    block::register(&mut module);
    call::register(&mut module);
    cheats::register(&mut module);
    capabilities::register(&mut module);
    chain::register(&mut module);
    debug::register(&mut module);
    fees::register(&mut module);
    fill::register(&mut module);
    filters::register(&mut module);
    logs::register(&mut module);
    otterscan::register(&mut module);
    pending::register(&mut module);
    proof::register(&mut module);
    raw::register(&mut module);
    record::register(&mut module);
    refused::register(&mut module);
    send::register(&mut module);
    simulate::register(&mut module);
    subscribe::register(&mut module);
    trace::register(&mut module);
    transaction::register(&mut module);
    transaction_status::register(&mut module);
    txpool::register(&mut module);
    unlocked::register(&mut module);
    uncle::register(&mut module);
    web3::register(&mut module);
    module
}

/// Registers a method that answers from memory, on the thread of the connection.
fn quick<R: Serialize + 'static>(
    module: &mut Module,
    name: &'static str,
    parameters: usize,
    handler: Handler<R>,
) {
    module
        .register_method(name, move |params, context, _| {
            let answer = Args::new(&params, parameters)
                .and_then(|mut args| handler(context, &mut args))
                .and_then(|answer| encode(&answer));
            answer.map_err(ErrorObjectOwned::from)
        })
        .expect("every method is registered once");
}

/// Registers a method that runs on a blocking thread of a lane. The answer is encoded there too:
/// it can be large.
fn blocking<R: Serialize + 'static>(
    module: &mut Module,
    name: &'static str,
    parameters: usize,
    lane: Work,
    handler: Handler<R>,
) {
    module
        .register_async_method(name, move |params, context, _| async move {
            let worker = Arc::clone(&context);
            let answer = context
                .run(lane, move || {
                    let mut args = Args::new(&params, parameters)?;
                    encode(&handler(&worker, &mut args)?)
                })
                .await
                .and_then(|answer| answer);
            answer.map_err(ErrorObjectOwned::from)
        })
        .expect("every method is registered once");
}

fn encode<R: Serialize>(answer: &R) -> Result<Box<RawValue>, Failure> {
    to_raw_value(answer).map_err(Failure::internal)
}
