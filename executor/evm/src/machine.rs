//! One execution of one transaction: the same machine for the parallel run, the run with a list, the oracle and the system
//! calls.

use crate::base::Base;
use crate::effects::{Effects, Surroundings, Wanted, collect, depend_on_all};
use crate::environment::Environment;
use crate::error::Failure;
use crate::instructions::Instructions;
use crate::place::{Cell, Place};
use crate::tracker::{Source, Tracker, Unanswered};
use alloy_primitives::{Address, Bytes, U256};
use revm::context::result::{EVMError, ExecutionResult, HaltReason};
use revm::context::{
    BlockEnv, CfgEnv, Evm, FrameStack, Journal, JournalInner, LocalContext, TxEnv,
};
use revm::context_interface::journaled_state::account::JournaledAccountTr;
use revm::context_interface::{Block, ContextTr, JournalTr, Transaction};
use revm::handler::{
    EthFrame, EthPrecompiles, EvmTr, FrameTr, Handler, SystemCallTx, post_execution, pre_execution,
};
use revm::interpreter::InitialAndFloorGas;
use revm::interpreter::interpreter::EthInterpreter;
use revm::primitives::hardfork::SpecId;
use revm::state::TransactionId;
use revm::{Database, JournalEntry};
use std::cell::RefCell;
use std::marker::PhantomData;
use weft_stm::Stop;

/// The machine's context over a database.
pub(crate) type Context<D> = revm::Context<BlockEnv, TxEnv, CfgEnv, D, Journal<D>, ()>;

/// The machine over a database.
type Evms<D> = Evm<Context<D>, (), Instructions<D>, EthPrecompiles, EthFrame<EthInterpreter>>;

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

/// The buffers of a machine, which one thread uses again for block after block.
pub(crate) struct Buffers {
    pub(crate) journal: JournalInner<JournalEntry>,
    pub(crate) local: LocalContext,
    pub(crate) frames: FrameStack<EthFrame<EthInterpreter>>,
}

/// Gas of a system call (EIP-4788, EIP-2935, EIP-7002, EIP-7251).
const SYSTEM_CALL_GAS: u64 = 30_000_000;

thread_local! {
    // Taken out for the time of a block. They carry capacity, never content, from one block to the next.
    static BUFFERS: RefCell<Option<Buffers>> = const { RefCell::new(None) };
}

impl Buffers {
    /// Those of this thread, or new ones.
    pub(crate) fn take(spec: SpecId) -> Self {
        let mut buffers = BUFFERS.with_borrow_mut(Option::take).unwrap_or_else(|| Self {
            journal: JournalInner::new(),
            local: LocalContext::default(),
            frames: FrameStack::new_prealloc(8),
        });
        if buffers.journal.cfg.spec != spec {
            // Another fork has other precompiles.
            buffers.journal = JournalInner::new();
        }
        buffers.journal.set_spec_id(spec);
        buffers
    }

    /// Keeps what a machine leaves for the next one on this thread.
    pub(crate) fn keep(
        journal: &mut JournalInner<JournalEntry>,
        local: &mut LocalContext,
        frames: &mut FrameStack<EthFrame<EthInterpreter>>,
    ) {
        BUFFERS.set(Some(Self {
            journal: std::mem::take(journal),
            local: std::mem::take(local),
            frames: std::mem::replace(frames, FrameStack::new()),
        }));
    }
}

/// Makes a journal as new, whatever the execution left in it (hazard 48), but keeps its memory.
pub(crate) fn renew(journal: &mut JournalInner<JournalEntry>) {
    const KEPT_MAX: usize = 1024;
    journal.warm_addresses.clear_coinbase_and_access_list();
    journal.selfdestructed_addresses.clear();
    if journal.state.capacity() > KEPT_MAX {
        journal.state = Default::default();
    }
    journal.state.clear();
    journal.logs.clear();
    journal.transient_storage.clear();
    journal.journal.clear();
    journal.depth = 0;
    journal.transaction_id = TransactionId::ZERO;
}

/// Executes transaction after transaction of one block, on one thread, over sources of one kind.
pub(crate) struct Machine<'b, S: Source> {
    evm: Evms<Tracker<'b, S>>,
    wanted: Wanted,
}

impl<'b, S: Source> Machine<'b, S> {
    pub(crate) fn new(base: &'b Base<'b>, environment: &Environment, wanted: Wanted) -> Self {
        let spec = environment.cfg.spec;
        let Buffers { journal, local, frames } = Buffers::take(spec);
        let mut tracker = Tracker::new(base, spec);
        tracker.senders_with_code = environment.senders_with_code;
        // An unreadable account will say so when it is read.
        let beneficiary = base.cell(&Place::Account(environment.block.beneficiary));
        tracker.fee_sees = matches!(beneficiary, Ok(Cell::Account(fields)) if fields.is_rich());
        let ctx = revm::Context {
            block: environment.block.clone(),
            tx: TxEnv::default(),
            cfg: environment.cfg.clone(),
            journaled_state: Journal::new_with_inner(tracker, journal),
            chain: (),
            local,
            error: Ok(()),
        };
        let evm = Evm {
            ctx,
            inspector: (),
            instruction: Instructions::new(spec),
            precompiles: EthPrecompiles::new(spec),
            frame_stack: frames,
        };
        Self { evm, wanted }
    }

    /// Executes a transaction on the values of `source`. The result is an error when there is none: whom to wait for, or
    /// an operational failure. The source comes back in any case.
    pub(crate) fn execute(
        &mut self,
        source: S,
        transaction: TxEnv,
        index: u32,
    ) -> (S, Result<Output, Stop<Failure>>) {
        let sender = (transaction.caller, transaction.nonce);
        self.evm.ctx.journaled_state.database.begin(source, Some(sender));
        self.evm.ctx.tx = transaction;
        let result = self.run_transaction(index);
        self.reset();
        (self.evm.ctx.journaled_state.database.end(), result)
    }

    fn run_transaction(&mut self, index: u32) -> Result<Output, Stop<Failure>> {
        let base = self.evm.ctx.journaled_state.database.base();
        let result = TransactionHandler::default().run(&mut self.evm);
        let revm::Context { journaled_state, tx, block, .. } = &mut self.evm.ctx;
        let Journal { database: tracker, inner } = journaled_state;
        match result {
            Ok(result) => {
                let around = Surroundings {
                    spec: tracker.spec(),
                    transaction: Some((tx, block)),
                    index,
                    wanted: self.wanted,
                };
                let effects = collect(tracker, &inner.state, result, around)?;
                base.produce(&effects.codes);
                Ok(Output::Executed(Box::new(effects)))
            }
            Err(EVMError::Transaction(invalid)) => match depend_on_all(tracker) {
                Some(blocked) => Err(Stop::Blocked(blocked)),
                None => Ok(Output::Invalid { reason: invalid.to_string() }),
            },
            Err(error) => Err(interruption(&error, tracker.stop.take())),
        }
    }

    /// Executes a system call (EIP-4788, 2935, 7002, 7251) on the values of `source`, which comes back with the changes.
    pub(crate) fn execute_system_call(
        &mut self,
        source: S,
        contract: Address,
        input: Bytes,
    ) -> Result<(ExecutionResult, Effects, S), Failure> {
        self.evm.ctx.journaled_state.database.begin(source, None);
        let mut call = TxEnv::new_system_tx(contract, input);
        if !self.evm.ctx.cfg.enable_amsterdam_eip8037 {
            call.gas_limit = SYSTEM_CALL_GAS;
        }
        self.evm.ctx.tx = call;
        let result = TransactionHandler::default().run_system_call(&mut self.evm);
        let Journal { database: tracker, inner } = &mut self.evm.ctx.journaled_state;
        let base = tracker.base();
        let result = match result {
            Ok(result) => {
                let around = Surroundings {
                    spec: tracker.spec(),
                    transaction: None,
                    index: 0,
                    wanted: self.wanted,
                };
                collect(tracker, &inner.state, result.clone(), around)
                    .map(|effects| (result, effects))
            }
            Err(error) => Err(interruption(&error, tracker.stop.take())),
        };
        self.reset();
        let source = self.evm.ctx.journaled_state.database.end();
        match result {
            Ok((result, effects)) => {
                base.produce(&effects.codes);
                Ok((result, effects, source))
            }
            Err(Stop::Fatal(failure)) => Err(failure),
            Err(Stop::Blocked(_)) => {
                Err(Failure::Machine { reason: "a system call waits for a transaction".to_owned() })
            }
        }
    }

    fn reset(&mut self) {
        // A read that was not answered may have left the context with its error.
        self.evm.ctx.error = Ok(());
        renew(&mut self.evm.ctx.journaled_state.inner);
    }
}

impl<S: Source> Drop for Machine<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.reset();
        let ctx = &mut self.evm.ctx;
        Buffers::keep(&mut ctx.journaled_state.inner, &mut ctx.local, &mut self.evm.frame_stack);
    }
}

/// The fee, in wei, of a beneficiary that the transaction has not loaded; zero for one that it has.
pub(crate) fn fee_of_stranger<D: Database>(ctx: &Context<D>, gas_used: u64) -> U256 {
    if ctx.journaled_state.inner.state.contains_key(&ctx.block.beneficiary) {
        return U256::ZERO;
    }
    let base_fee = u128::from(ctx.block.basefee());
    let tip = ctx.tx.effective_gas_price(base_fee).saturating_sub(base_fee);
    U256::from(tip) * U256::from(gas_used)
}

/// Ethereum's check of the sender, which may have code if `coded`, and the payment in advance.
pub(crate) fn charge_sender<D: Database>(
    ctx: &mut Context<D>,
    coded: bool,
) -> Result<(), EVMError<D::Error>> {
    if !coded {
        return pre_execution::validate_against_state_and_deduct_caller(ctx);
    }
    let (block, tx, cfg, journal, ..) = ctx.all_mut();
    let mut sender = journal.load_account_with_code_mut(tx.caller())?.data;
    let info = &sender.account().info;
    pre_execution::validate_account_nonce_and_code(info, tx.nonce(), true, false)?;
    let balance = pre_execution::calculate_caller_fee(*sender.balance(), tx, block, cfg)?;
    sender.set_balance(balance);
    if tx.kind().is_call() {
        sender.bump_nonce();
    }
    Ok(())
}

/// Why an execution has no result.
fn interruption(error: &EVMError<Unanswered>, stop: Option<Stop<Failure>>) -> Stop<Failure> {
    stop.unwrap_or_else(|| Stop::Fatal(Failure::Machine { reason: error.to_string() }))
}

/// Ethereum's handler, except that the fee of a beneficiary which the transaction has not loaded is set aside instead of
/// loading it (hazard 1). One that it has loaded is credited at once, so that whatever else happens to the account (it may
/// be destroyed) happens to the fee as well (hazard 4). A fee of nothing goes the ordinary way, too: what it touches may
/// have to vanish, or to appear (hazard 3).
struct TransactionHandler<D>(PhantomData<D>);

impl<D> Default for TransactionHandler<D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'b, S: Source> Handler for TransactionHandler<Tracker<'b, S>> {
    type Evm = Evms<Tracker<'b, S>>;
    type Error = EVMError<Unanswered>;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(
        &self,
        machine: &mut Self::Evm,
        _: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        let coded = machine.ctx_ref().journaled_state.database.senders_with_code;
        charge_sender(machine.ctx(), coded)
    }

    fn reward_beneficiary(
        &self,
        machine: &mut Self::Evm,
        result: &mut <<Self::Evm as EvmTr>::Frame as FrameTr>::FrameResult,
    ) -> Result<(), Self::Error> {
        let ctx = machine.ctx();
        let fee = fee_of_stranger(ctx, result.gas().used());
        if fee.is_zero() || ctx.journaled_state.database.fee_sees {
            return post_execution::reward_beneficiary(ctx, result.gas()).map_err(From::from);
        }
        ctx.journal_mut().db_mut().fee = fee;
        Ok(())
    }
}
