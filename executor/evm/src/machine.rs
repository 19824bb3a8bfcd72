//! One execution of one transaction: the same function for the parallel run, the sequential run and the system calls.

use crate::base::Base;
use crate::effects::{Effects, Facts, collect};
use crate::environment::{Environment, SPEC};
use crate::error::Failure;
use crate::instructions::Instructions;
use crate::tracker::{Source, Tracker, Unanswered};
use alloy_primitives::{Address, Bytes, U256};
use revm::context::result::{EVMError, ExecutionResult, HaltReason};
use revm::context::{
    BlockEnv, CfgEnv, Evm, FrameStack, Journal, JournalInner, LocalContext, TxEnv,
};
use revm::context_interface::{Block, ContextTr, JournalTr, Transaction};
use revm::handler::{
    EthFrame, EthPrecompiles, EvmTr, FrameTr, Handler, SystemCallEvm, post_execution,
};
use revm::interpreter::interpreter::EthInterpreter;
use revm::{ExecuteEvm, JournalEntry};
use std::cell::RefCell;
use std::marker::PhantomData;
use weft_stm::Stop;

/// The machine's context over a database.
pub(crate) type Context<D> = revm::Context<BlockEnv, TxEnv, CfgEnv, D, Journal<D>, ()>;

/// The machine over a database.
pub(crate) type Machine<D> =
    Evm<Context<D>, (), Instructions<D>, EthPrecompiles, EthFrame<EthInterpreter>>;

/// What one execution gave, apart from what it depends on.
pub(crate) enum Output {
    /// The transaction must not be in the block, if what it observed is true.
    Invalid {
        /// Why.
        reason: String,
    },
    /// It was executed: succeeded, reverted or halted.
    Executed(Box<Effects>),
}

/// The buffers of a machine, which one thread uses again for every execution.
struct Buffers {
    journal: JournalInner<JournalEntry>,
    local: LocalContext,
    frames: FrameStack<EthFrame<EthInterpreter>>,
}

thread_local! {
    // Taken out for the time of an execution, so a panic throws the buffers away with whatever state they are in
    // (hazard 48). They carry capacity, never content, from one execution to the next.
    static BUFFERS: RefCell<Option<Buffers>> = const { RefCell::new(None) };
}

/// Executes one transaction on the values of `source`.
pub(crate) fn execute<S: Source>(
    base: &Base<'_>,
    environment: &Environment,
    transaction: &TxEnv,
    source: &mut S,
) -> Result<(Facts, Output), Stop<Failure>> {
    let tracker = Tracker::new(source, base, Some((transaction.caller, transaction.nonce)));
    let (result, state, mut tracker) = with_machine(tracker, environment, |machine| {
        machine.ctx.tx = transaction.clone();
        TransactionHandler::default().run(machine)
    });
    match result {
        Ok(result) => {
            let (facts, effects) =
                collect(tracker, result, state, Some((transaction, &environment.block)));
            base.produce(&effects.codes);
            Ok((facts, Output::Executed(Box::new(effects))))
        }
        Err(EVMError::Transaction(invalid)) => {
            Ok((Facts::of_invalid(&tracker), Output::Invalid { reason: invalid.to_string() }))
        }
        Err(error) => Err(interruption(error, tracker.stop.take())),
    }
}

/// Executes a system call (EIP-4788, 2935, 7002, 7251) on the values of `source` and returns what the contract returned.
pub(crate) fn execute_system_call<S: Source>(
    base: &Base<'_>,
    environment: &Environment,
    contract: Address,
    input: Bytes,
    source: &mut S,
) -> Result<(ExecutionResult, Effects), Failure> {
    let tracker = Tracker::new(source, base, None);
    let (result, state, mut tracker) =
        with_machine(tracker, environment, |machine| machine.system_call_one(contract, input));
    match result {
        Ok(result) => {
            let (_, effects) = collect(tracker, result.clone(), state, None);
            base.produce(&effects.codes);
            Ok((result, effects))
        }
        Err(error) => match interruption(error, tracker.stop.take()) {
            Stop::Fatal(failure) => Err(failure),
            Stop::Blocked(_) => {
                Err(Failure::Machine { reason: "a system call waits for a transaction".to_owned() })
            }
        },
    }
}

type RunResult = Result<ExecutionResult, EVMError<Unanswered>>;

/// Puts a machine together from the thread's buffers, runs it, and takes it apart again.
fn with_machine<'s, S: Source>(
    tracker: Tracker<'s, S>,
    environment: &Environment,
    run: impl FnOnce(&mut Machine<Tracker<'s, S>>) -> RunResult,
) -> (RunResult, revm::state::EvmState, Tracker<'s, S>) {
    let Buffers { mut journal, local, frames } =
        BUFFERS.with_borrow_mut(Option::take).unwrap_or_else(|| Buffers {
            journal: JournalInner::new(),
            local: LocalContext::default(),
            frames: FrameStack::new_prealloc(8),
        });
    journal.set_spec_id(SPEC);
    let ctx = revm::Context {
        block: environment.block.clone(),
        tx: TxEnv::default(),
        cfg: environment.cfg.clone(),
        journaled_state: Journal::new_with_inner(tracker, journal),
        chain: (),
        local,
        error: Ok(()),
    };
    let mut machine = Evm {
        ctx,
        inspector: (),
        instruction: Instructions::new(),
        precompiles: EthPrecompiles::new(SPEC),
        frame_stack: frames,
    };
    let result = run(&mut machine);
    let state = machine.finalize();
    let Evm { ctx, frame_stack, .. } = machine;
    let revm::Context { journaled_state, local, .. } = ctx;
    let Journal { database, inner } = journaled_state;
    BUFFERS.set(Some(Buffers { journal: inner, local, frames: frame_stack }));
    (result, state, database)
}

/// Why an execution has no result.
fn interruption(error: EVMError<Unanswered>, stop: Option<Stop<Failure>>) -> Stop<Failure> {
    match (error, stop) {
        (_, Some(stop)) => stop,
        (error, None) => Stop::Fatal(Failure::Machine { reason: error.to_string() }),
    }
}

/// Ethereum's handler, except that the fee of a beneficiary which the transaction has not loaded is set aside instead of
/// loading it (hazard 1). One that it has loaded is credited at once, so that whatever else happens to the account (it may
/// be destroyed) happens to the fee as well (hazard 4).
struct TransactionHandler<D>(PhantomData<D>);

impl<D> Default for TransactionHandler<D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'s, S: Source> Handler for TransactionHandler<Tracker<'s, S>> {
    type Evm = Machine<Tracker<'s, S>>;
    type Error = EVMError<Unanswered>;
    type HaltReason = HaltReason;

    fn reward_beneficiary(
        &self,
        machine: &mut Self::Evm,
        result: &mut <<Self::Evm as EvmTr>::Frame as FrameTr>::FrameResult,
    ) -> Result<(), Self::Error> {
        let ctx = machine.ctx();
        if ctx.journaled_state.inner.state.contains_key(&ctx.block.beneficiary) {
            return post_execution::reward_beneficiary(ctx, result.gas()).map_err(From::from);
        }
        let base_fee = u128::from(ctx.block().basefee());
        let tip = ctx.tx().effective_gas_price(base_fee).saturating_sub(base_fee);
        let fee = U256::from(tip) * U256::from(result.gas().used());
        ctx.journal_mut().db_mut().fee = fee;
        Ok(())
    }
}
