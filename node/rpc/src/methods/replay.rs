//! Running blocks again: the state before a transaction, and what a request may cost.

use super::bounded::{Bounded, Patience};
use crate::context::{At, Context};
use crate::error::Failure;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use alloy_rpc_types_eth::TransactionInfo;
use std::sync::Arc;
use std::time::Duration;
use weft_evm::{
    BlockInput, CallRequest, Environment, ExecutionError, Executor, Mode, Products, Rules,
};
use weft_trace::{
    Budget, Checks, ConsoleLines, ListedState, StepSize, TransactionContext, TxEnv, World,
};
use weft_types::{
    AccessRecord, Command, ForeignBody, Header, RecoveredTransaction, StateReader, Transaction,
};

/// Callers may ask for so many times the usual timeout.
const TIMEOUT_FACTOR_MAX: u32 = 10;

/// The rules that a block of this chain is under.
pub(super) fn rules(context: &Context, header: &Header) -> Rules {
    context.rules(header)
}

/// What one request may cost; `timeout` as Go writes durations.
///
/// # Errors
/// [`Failure::Parameters`] when `timeout` is not a duration.
pub(super) fn budget(context: &Context, timeout: Option<&str>) -> Result<Budget, Failure> {
    let usual = Duration::from_millis(context.config.trace_timeout_ms);
    let timeout = match timeout {
        None => usual,
        Some(text) => {
            let reason =
                || format!("timeout {text:?} is not a duration such as \"5s\" or \"500ms\"");
            let wanted = duration(text).ok_or_else(|| Failure::Parameters { reason: reason() })?;
            wanted.min(usual * TIMEOUT_FACTOR_MAX)
        }
    };
    Ok(Budget::new(timeout, context.config.trace_bytes_max))
}

/// A duration as Go writes it: `1m30s`, `500ms`, `1.5h`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let letters = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, behind) = unit.split_at(letters);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = number.parse::<f64>().ok()? * seconds;
        total = total.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(total)
}

/// A block that is run again.
pub(super) struct Replay {
    pub(super) hash: B256,
    pub(super) header: Header,
    pub(super) transactions: Vec<RecoveredTransaction>,
    pub(super) environment: Environment,
    rules: Rules,
    parent: Arc<dyn StateReader>,
    /// The state after what precedes the transactions, where that cannot be run again: a development
    /// chain's commands.
    begun: Option<ListedState>,
    /// Its access list (RLP), if it is kept.
    list: Option<Bytes>,
    commands: Vec<Command>,
    /// What a block of Ethereum has besides.
    foreign: ForeignBody,
}

impl Replay {
    /// A committed block.
    ///
    /// # Errors
    /// [`Failure::Refused`] for genesis; [`Failure::Pruned`] when the state of its parent is gone, or the access list of a
    /// block with commands.
    pub(super) fn of(context: &Context, height: u64) -> Result<Self, Failure> {
        let mut replay = Self::stored(context, height)?;
        if !replay.commands.is_empty() {
            if replay.list.is_none() {
                context.backend.store.access_list(height)?;
            }
            replay.begun = replay.listed(0)?;
        }
        Ok(replay)
    }

    /// A committed block whose commands, if it has any, are not taken from its list.
    fn stored(context: &Context, height: u64) -> Result<Self, Failure> {
        let Some(below) = height.checked_sub(1) else {
            return Err(Failure::Refused { reason: "genesis is not traceable".to_owned() });
        };
        let parent = context.backend.store.state_at(below)?;
        let stored = context.block(height)?;
        let list = match context.backend.store.access_list(height) {
            Ok(list) => list.filter(|list| !list.is_empty()),
            // Without it, what came before a transaction is run again.
            Err(weft_store::StoreError::Pruned { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let senders = stored.senders.iter();
        let pairs = stored.block.transactions().iter().zip(senders);
        let transactions = pairs
            .map(|(tx, sender)| RecoveredTransaction::new_unchecked(tx.clone(), *sender))
            .collect();
        let (hash, header) = (stored.block.hash(), stored.block.header().clone());
        let commands = stored.block.commands().to_vec();
        let foreign = stored.foreign.unwrap_or_default();
        let replay = Self::new(context, hash, header, transactions, parent, list);
        Ok(Self { commands, foreign, ..replay })
    }

    /// Who read and wrote what in a committed block, which is executed again for that: with its access list where that is
    /// kept.
    ///
    /// # Errors
    /// As [`Self::of`]; [`Failure::Internal`] also when the `patience` is over.
    pub(super) fn access_record(
        context: &Context,
        height: u64,
        executor: &Executor,
        patience: &Patience,
    ) -> Result<AccessRecord, Failure> {
        let replay = Self::stored(context, height)?;
        let transactions: Vec<_> = replay.transactions.into_iter().map(Arc::new).collect();
        let block = BlockInput {
            header: &replay.header,
            transactions: &transactions,
            ommers: &replay.foreign.ommers,
            withdrawals: replay.foreign.withdrawals.as_ref().map_or(&[], |list| list.as_slice()),
            commands: &replay.commands,
            rules: &replay.rules,
        };
        let state: Arc<dyn StateReader> = Arc::new(Bounded::new(replay.parent, patience));
        let mode = replay.list.as_deref().map_or(Mode::Verify, |list| Mode::WithList(list));
        let executed = match executor.execute(&block, &state, mode, Products::RECORD) {
            Ok(executed) => executed,
            Err(ExecutionError::State(error)) => return Err(error.into()),
            Err(error) => return Err(Failure::internal(error)),
        };
        let (expected, found) = (replay.header.gas_used, executed.gas_used);
        if expected != found {
            let reason = format!("block {height} used {expected} gas, and {found} when run again");
            return Err(Failure::internal(reason));
        }
        Ok(executed.access_record)
    }

    /// A block that need not be committed, in RLP, on a committed parent.
    ///
    /// # Errors
    /// [`Failure::Parameters`] for what is no block; [`Failure::Refused`] when the parent is unknown.
    pub(super) fn decode(context: &Context, rlp: &[u8]) -> Result<Self, Failure> {
        let malformed = |reason: String| Failure::Parameters { reason };
        let block = alloy_consensus::Block::<Transaction, Header>::decode(&mut &*rlp)
            .map_err(|error| malformed(format!("could not decode block: {error}")))?;
        let header = block.header;
        if header.number == 0 {
            return Err(Failure::Refused { reason: "genesis is not traceable".to_owned() });
        }
        if let Some(height) = context.backend.store.height_of(&header.hash_slow())? {
            return Self::of(context, height);
        }
        let parent = context.backend.store.height_of(&header.parent_hash)?;
        let parent = parent.ok_or_else(|| Failure::Refused {
            reason: format!("parent {:#x} not found", header.parent_hash),
        })?;
        let mut transactions = Vec::with_capacity(block.body.transactions.len());
        for (index, transaction) in block.body.transactions.into_iter().enumerate() {
            let signer = transaction
                .recover_signer()
                .map_err(|error| malformed(format!("transaction {index}: {error}")))?;
            transactions.push(RecoveredTransaction::new_unchecked(transaction, signer));
        }
        let parent = context.backend.store.state_at(parent)?;
        let hash = header.hash_slow();
        Ok(Self::new(context, hash, header, transactions, parent, None))
    }

    fn new(
        context: &Context,
        hash: B256,
        header: Header,
        transactions: Vec<RecoveredTransaction>,
        parent: Arc<dyn StateReader>,
        list: Option<Bytes>,
    ) -> Self {
        let rules = rules(context, &header);
        let environment = Environment::new(&header, &rules);
        let (commands, foreign) = (Vec::new(), ForeignBody::default());
        let begun = None;
        Self {
            hash,
            header,
            transactions,
            environment,
            rules,
            parent,
            begun,
            list,
            commands,
            foreign,
        }
    }

    /// The state before transaction `index`, from the access list; `None` when that is not kept.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the list does not decode.
    pub(super) fn listed(&self, index: usize) -> Result<Option<ListedState>, Failure> {
        let Some(list) = &self.list else { return Ok(None) };
        Ok(Some(ListedState::before(Arc::clone(&self.parent), list, index)?))
    }

    /// The world before transaction `index`: `listed`, or what running the earlier ones gives.
    ///
    /// # Errors
    /// [`Failure`] when the state cannot be read or the budget is spent.
    pub(super) fn world<'s>(
        &'s self,
        listed: Option<&'s ListedState>,
        index: usize,
        budget: &mut Budget,
    ) -> Result<World<'s>, Failure> {
        if let Some(listed) = listed {
            return Ok(World::new(listed));
        }
        let mut world = self.beginning()?;
        for transaction in self.transactions.iter().take(index) {
            budget.check()?;
            let transaction = Environment::transaction(transaction);
            world.advance(&self.environment, transaction, Checks::Protocol, budget)?;
        }
        Ok(world)
    }

    /// The world before the first transaction.
    ///
    /// # Errors
    /// [`Failure`] when the state cannot be read.
    pub(super) fn beginning(&self) -> Result<World<'_>, Failure> {
        if let Some(begun) = &self.begun {
            return Ok(World::new(begun));
        }
        let mut world = World::new(&*self.parent);
        world.begin_block(&self.environment, &self.header, &self.rules)?;
        Ok(world)
    }

    /// Transaction `index` in the machine's terms.
    ///
    /// # Errors
    /// [`Failure::Internal`] when there is none.
    pub(super) fn transaction(&self, index: usize) -> Result<TxEnv, Failure> {
        self.transactions.get(index).map(Environment::transaction).ok_or_else(|| {
            Failure::internal(format!("block {:#x} has no transaction {index}", self.hash))
        })
    }

    /// Where transaction `index` stands, as tracers want to know it.
    pub(super) fn place(&self, index: usize) -> TransactionContext {
        TransactionContext {
            block_hash: Some(self.hash),
            tx_index: Some(index),
            tx_hash: self.transactions.get(index).map(|tx| *tx.tx_hash()),
        }
    }

    /// The same, as parity's traces want to know it.
    pub(super) fn info(&self, index: usize) -> TransactionInfo {
        TransactionInfo {
            hash: self.transactions.get(index).map(|tx| *tx.tx_hash()),
            index: Some(index as u64),
            block_hash: Some(self.hash),
            block_number: Some(self.header.number),
            base_fee: self.header.base_fee_per_gas,
            ..TransactionInfo::default()
        }
    }
}

/// The state that simulated calls run on: after the block, or before one of its transactions.
///
/// # Errors
/// [`Failure`] when it cannot be served.
pub(super) fn state_within(
    context: &Context,
    at: &At,
    index: Option<usize>,
) -> Result<Arc<dyn StateReader>, Failure> {
    let Some(index) = index.filter(|_| !at.pending && at.height > 0) else {
        return context.state(at);
    };
    let replay = Replay::of(context, at.height)?;
    if index >= replay.transactions.len() {
        return context.state(at);
    }
    match replay.listed(index)? {
        Some(listed) => Ok(Arc::new(listed)),
        None => Err(Failure::Unsupported {
            reason: format!(
                "the access list of block {} is not kept, so that there is no state between its transactions; leave the index out",
                at.height
            ),
        }),
    }
}

/// What the contracts of a committed block logged for their developers.
pub(crate) fn console_lines_of_block(
    context: &Context,
    height: u64,
) -> Result<Vec<String>, Failure> {
    let replay = Replay::of(context, height)?;
    let mut budget = budget(context, None)?;
    let mut world = replay.beginning()?;
    let mut console = ConsoleLines::default();
    for transaction in &replay.transactions {
        let (environment, checks) = (&replay.environment, Checks::Protocol);
        let transaction = Environment::transaction(transaction);
        let watch = (&mut console, StepSize::NONE);
        let done = world.run(environment, transaction, checks, watch, &mut budget)?;
        world.commit(done.state);
    }
    Ok(console.into_lines())
}

/// Passes on what a simulated call logs, on a devnet. Whatever goes wrong, the caller has its answer from elsewhere.
pub(super) fn print_console(
    context: &Context,
    request: &CallRequest,
    header: &Header,
    state: &dyn StateReader,
) {
    let Some(sink) = &context.config.console else { return };
    let mut world = World::new(state);
    let mut console = ConsoleLines::default();
    let rules = rules(context, header);
    let (Ok(mut budget), Ok((environment, call))) =
        (budget(context, None), world.call(request, header, &rules, context.config.gas_cap))
    else {
        return;
    };
    let watch = (&mut console, StepSize::NONE);
    if world.run(&environment, call, Checks::Call, watch, &mut budget).is_ok() {
        sink.print(&console.into_lines());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let of = |text: &str| duration(text).map(|duration| duration.as_millis());
        let good = [("5s", 5_000), ("300ms", 300), ("1m30s", 90_000), ("1.5s", 1_500), ("0s", 0)];
        for (text, millis) in good {
            assert_eq!(of(text), Some(millis), "{text}");
        }
        for text in ["", "5", "s", "5x", "-1s", "1s2", "1..2s", "9e9h"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
