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
#[cfg(test)]
mod completeness;
mod debug;
pub(crate) mod fees;
mod fill;
pub(crate) mod filters;
mod logs;
mod node;
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

/// The methods of one listener. Those that it does not serve answer -32601 and say why: a client
/// that knows them elsewhere must take its other way, and its user should learn the reason.
pub(crate) fn all(context: Arc<Context>) -> Module {
    if context.config.console.is_some() {
        let heads = context.backend.heads.subscribe();
        tokio::spawn(crate::console::follow(Arc::downgrade(&context), heads));
    }
    let served = context.served.clone();
    let mut module = RpcModule::from_arc(context);
    register(&mut module);
    let names: Vec<&'static str> = module.method_names().collect();
    for name in names {
        let Some(reason) = served.refusal(name) else { continue };
        module.remove_method(name);
        module
            .register_method(name, move |_, _, _| {
                Err::<(), _>(ErrorObjectOwned::owned(-32601, reason.clone(), None::<()>))
            })
            .expect("its place is free");
    }
    module
}

/// Every method of the server.
fn register(module: &mut Module) {
    access_list::register(module);
    account::register(module);
    accounts::register(module);
    block::register(module);
    call::register(module);
    capabilities::register(module);
    chain::register(module);
    cheats::register(module);
    debug::register(module);
    fees::register(module);
    fill::register(module);
    filters::register(module);
    logs::register(module);
    node::register(module);
    otterscan::register(module);
    pending::register(module);
    proof::register(module);
    raw::register(module);
    record::register(module);
    refused::register(module);
    send::register(module);
    simulate::register(module);
    subscribe::register(module);
    trace::register(module);
    transaction::register(module);
    transaction_status::register(module);
    txpool::register(module);
    uncle::register(module);
    unlocked::register(module);
    web3::register(module);
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
