//! The conveniences of a development chain: `anvil_*`, `evm_*`, `hardhat_*`, `tenderly_*`.
//!
//! Each becomes one or more commands ([`weft_types::command`]), which consensus orders like transactions; a method answers
//! when its commands are committed, so that what is read next has their effect. Every one of them makes a block, if no
//! other block takes it along.

use super::{Module, encode};
use crate::HeadEvent;
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_primitives::B256;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, timeout_at};
use weft_types::command::COMMAND_HEIGHTS_MAX;
use weft_types::{Action, Command, Settings};

mod info;
mod state;
mod time;
mod token;

/// How long a caller waits for its command.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much longer for each block that it asks for.
const PATIENCE_PER_BLOCK: Duration = Duration::from_millis(500);

/// What a caller wants.
struct Wish {
    actions: Vec<Action>,
    answer: Answer,
}

/// Looks for the answer once the commands are committed.
type Search = Box<dyn FnOnce(&Context) -> Result<Value, Failure> + Send>;

/// What it is told when its commands are committed.
enum Answer {
    /// This.
    Value(Value),
    /// What is then found.
    Found(Search),
}

/// Reads the parameters, and refuses what is known to be impossible.
type Read = fn(&Context, &mut Args<'_>) -> Result<Wish, Failure>;

impl Wish {
    fn of(action: Action) -> Result<Self, Failure> {
        Ok(Self { actions: vec![action], answer: Answer::Value(Value::Null) })
    }

    fn answering(self, answer: impl Into<Value>) -> Self {
        Self { answer: Answer::Value(answer.into()), ..self }
    }

    fn finding(
        self,
        find: impl FnOnce(&Context) -> Result<Value, Failure> + Send + 'static,
    ) -> Self {
        Self { answer: Answer::Found(Box::new(find)), ..self }
    }
}

/// Spellings, number of parameters, and the method.
type Row = (&'static [&'static str], usize, Read);

const TABLE: &[Row] = &[
    (&["anvil_setBalance", "hardhat_setBalance", "tenderly_setBalance"], 2, state::set_balance),
    (&["anvil_addBalance", "hardhat_addBalance", "tenderly_addBalance"], 2, state::add_balance),
    (&["anvil_setCode", "hardhat_setCode", "tenderly_setCode"], 2, state::set_code),
    (
        &["anvil_setNonce", "hardhat_setNonce", "tenderly_setNonce", "evm_setAccountNonce"],
        2,
        state::set_nonce,
    ),
    (
        &["anvil_setStorageAt", "hardhat_setStorageAt", "tenderly_setStorageAt"],
        3,
        state::set_storage,
    ),
    (
        &["anvil_dealERC20", "anvil_dealErc20", "hardhat_dealERC20", "tenderly_setErc20Balance"],
        3,
        token::deal,
    ),
    (&["anvil_impersonateAccount", "hardhat_impersonateAccount"], 1, state::impersonate),
    (
        &["anvil_stopImpersonatingAccount", "hardhat_stopImpersonatingAccount"],
        1,
        state::stop_impersonating,
    ),
    (
        &["anvil_autoImpersonateAccount", "hardhat_autoImpersonateAccount"],
        1,
        state::impersonate_all,
    ),
    (&["anvil_mine", "hardhat_mine"], 2, time::mine),
    (&["evm_mine"], 1, time::mine_one),
    (&["evm_increaseTime", "anvil_increaseTime"], 1, time::increase),
    (&["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"], 1, time::set_next),
    (&["evm_setTime", "anvil_setTime"], 1, time::set),
    (
        &["anvil_setNextBlockBaseFeePerGas", "hardhat_setNextBlockBaseFeePerGas"],
        1,
        time::set_base_fee,
    ),
    (&["anvil_setBlockGasLimit", "evm_setBlockGasLimit"], 1, time::set_gas_limit),
    (&["anvil_setCoinbase", "hardhat_setCoinbase"], 1, time::set_coinbase),
    (&["evm_setAutomine", "anvil_setAutomine"], 1, time::set_automine),
    (&["evm_setIntervalMining", "anvil_setIntervalMining"], 1, time::set_interval),
    (&["anvil_dropTransaction", "hardhat_dropTransaction"], 1, state::drop_transaction),
    (&["anvil_dropAllTransactions", "hardhat_dropAllTransactions"], 0, state::drop_transactions),
];

const FINAL: &str = "weft cannot go back: a block is final when two thirds of the validators have signed it; start a fresh \
                     chain instead (weft devnet is ready within seconds), or keep a state with weft snapshot create";

/// Methods of other development chains that cannot mean anything here, and why.
const REFUSED: &[(&str, &str)] = &[
    (
        "anvil_reorg",
        "weft never reorgs: a block is final when it is there, so no client has to expect another one",
    ),
    ("anvil_rollback", FINAL),
    ("anvil_reset", FINAL),
    ("hardhat_reset", FINAL),
    ("evm_snapshot", FINAL),
    ("anvil_snapshot", FINAL),
    ("evm_revert", FINAL),
    ("anvil_revert", FINAL),
    (
        "anvil_setMinGasPrice",
        "anvil_setMinGasPrice is not supported when EIP-1559 is active; use anvil_setNextBlockBaseFeePerGas",
    ),
    (
        "hardhat_setMinGasPrice",
        "not supported when EIP-1559 is active; use anvil_setNextBlockBaseFeePerGas",
    ),
];

pub(super) fn register(module: &mut Module) {
    for (names, parameters, read) in TABLE {
        for name in *names {
            cheat(module, name, *parameters, *read);
        }
    }
    for (name, reason) in REFUSED {
        let refuse = move |_: Params<'_>, _: &Context, _: &_| {
            let failure = Failure::Unsupported { reason: (*reason).to_owned() };
            Err::<(), _>(ErrorObjectOwned::from(failure))
        };
        module.register_method(name, refuse).expect("every method is registered once");
    }
    info::register(module);
}

fn cheat(module: &mut Module, name: &'static str, parameters: usize, read: Read) {
    module
        .register_async_method(name, move |params, context, _| async move {
            let answer = grant(name, &params, parameters, read, &context).await;
            answer.map_err(ErrorObjectOwned::from)
        })
        .expect("every method is registered once");
}

async fn grant(
    name: &'static str,
    params: &Params<'static>,
    parameters: usize,
    read: Read,
    context: &Arc<Context>,
) -> Result<Box<RawValue>, Failure> {
    if context.backend.devnet.submit_command.is_none() {
        let reason = format!(
            "{name} is for development: this chain takes no commands, because its genesis does not say devnetCheats; \
             weft devnet starts a chain that does"
        );
        return Err(Failure::Unsupported { reason });
    }
    let (worker, params) = (Arc::clone(context), params.clone());
    let wish = context
        .run(Work::Call, move || read(&worker, &mut Args::new(&params, parameters)?))
        .await??;
    perform(context, wish.actions).await?;
    match wish.answer {
        Answer::Value(answer) => encode(&answer),
        Answer::Found(find) => {
            let worker = Arc::clone(context);
            encode(&context.run(Work::Read, move || find(&worker)).await??)
        }
    }
}

/// Submits commands and waits until all of them, and the blocks that they ask for, are committed.
async fn perform(context: &Arc<Context>, actions: Vec<Action>) -> Result<(), Failure> {
    let backend = &context.backend;
    let Some(submit) = &backend.devnet.submit_command else { return Ok(()) };
    // Before anything is submitted: no block may be missed.
    let mut heads = backend.heads.subscribe();
    let height = backend.store.head().block.height().0;
    let more = actions.iter().map(|action| match action {
        Action::Mine { blocks, .. } => blocks.saturating_sub(1),
        _ => 0,
    });
    let more: u32 = more.sum();
    let deadline = Instant::now() + PATIENCE + PATIENCE_PER_BLOCK * more;
    let mut missing = BTreeSet::new();
    for action in actions {
        let last_height = height + COMMAND_HEIGHTS_MAX / 2;
        let command =
            Command { salt: RandomState::new().build_hasher().finish(), last_height, action };
        let refused =
            |error: weft_types::CommandError| Failure::Parameters { reason: error.to_string() };
        backend.pool.commands().admit(command.clone(), height + 1).map_err(refused)?;
        missing.insert(command.id());
        submit(command);
    }
    let wait = async {
        let last = included(context, &mut heads, &mut missing, height).await?;
        while backend.store.head().block.height().0 < last + u64::from(more) {
            next(&mut heads).await?;
        }
        Ok(())
    };
    timeout_at(deadline, wait).await.unwrap_or_else(|_| {
        let waited = (PATIENCE + PATIENCE_PER_BLOCK * more).as_secs();
        Err(Failure::Refused {
            reason: format!("the command was not committed within {waited} s: do two thirds of the validators run?"),
        })
    })
}

/// Waits until blocks above `height` hold all `missing` commands; the height of the last of them.
async fn included(
    context: &Context,
    heads: &mut Receiver<Arc<HeadEvent>>,
    missing: &mut BTreeSet<B256>,
    mut height: u64,
) -> Result<u64, Failure> {
    let strike = |missing: &mut BTreeSet<B256>, commands: &[Command]| {
        commands.iter().for_each(|command| {
            missing.remove(&command.id());
        });
    };
    while !missing.is_empty() {
        match next(heads).await? {
            Some(event) => {
                height = event.block.height().0;
                strike(missing, event.block.commands());
            }
            // Too slow for the channel: what was missed is in the store.
            None => {
                while height < context.backend.store.head().block.height().0 {
                    height += 1;
                    strike(missing, context.block(height)?.block.commands());
                }
            }
        }
    }
    Ok(height)
}

/// The next block; `None` when some were missed.
async fn next(heads: &mut Receiver<Arc<HeadEvent>>) -> Result<Option<Arc<HeadEvent>>, Failure> {
    match heads.recv().await {
        Ok(event) => Ok(Some(event)),
        Err(RecvError::Lagged(_)) => Ok(None),
        Err(RecvError::Closed) => Err(Failure::internal("the node stops")),
    }
}

/// What commands have set, at the head.
pub(super) fn settings(context: &Context) -> Result<Settings, Failure> {
    let backend = &context.backend;
    Ok(Settings::read(&backend.params, &*backend.store.head().state)?)
}

fn refused<T>(reason: String) -> Result<T, Failure> {
    Err(Failure::Refused { reason })
}
