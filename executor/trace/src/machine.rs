//! The machine: plain revm over a [`World`], with an inspector.

use crate::bounds::{Bounded, Budget, StepSize};
use crate::error::TraceError;
use crate::precompiles::Precompiles;
use crate::world::{Unread, World};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_primitives::{Address, B256, Bytes};
use revm::context::result::{EVMError, ExecutionResult, HaltReason, ResultAndState};
use revm::context::{Context, ContextTr, Evm, TxEnv};
use revm::context_interface::JournalTr;
use revm::handler::instructions::EthInstructions;
use revm::handler::{
    EthFrame, EvmTr, Handler, MainContext, MainnetContext, SystemCallTx, pre_execution, validation,
};
use revm::inspector::{Inspector, InspectorHandler, NoOpInspector};
use revm::interpreter::InitialAndFloorGas;
use revm::interpreter::interpreter::EthInterpreter;
use revm::primitives::hardfork::SpecId;
use std::marker::PhantomData;
use weft_evm::{CallRequest, Environment, Rules, check_call, prepare_caller};
use weft_types::Header;

/// The machine's context over a world.
pub type TraceContext<'s> = MainnetContext<World<'s>>;

type Machine<'s, I> = Evm<
    TraceContext<'s>,
    I,
    EthInstructions<EthInterpreter, TraceContext<'s>>,
    Precompiles,
    EthFrame<EthInterpreter>,
>;

/// What is judged before a transaction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// All that the protocol judges: for transactions of blocks, and for simulations that ask for it.
    Protocol,
    /// What `eth_call` judges: not the nonce, the sender's code and the block's gas limit; the balance must cover what the
    /// call names.
    Call,
}

/// Ethereum's handler, with the checks that are asked for.
struct Rerun<'s, I> {
    checks: Checks,
    world: PhantomData<World<'s>>,
    inspector: PhantomData<I>,
}

impl<'s, I: Inspector<TraceContext<'s>>> Handler for Rerun<'s, I> {
    type Evm = Machine<'s, I>;
    type Error = EVMError<Unread>;
    type HaltReason = HaltReason;

    fn validate_env(&self, machine: &mut Self::Evm) -> Result<(), Self::Error> {
        match self.checks {
            Checks::Protocol => validation::validate_env(machine.ctx()),
            Checks::Call => Ok(check_call(machine.ctx_ref())?),
        }
    }

    fn validate_against_state_and_deduct_caller(
        &self,
        machine: &mut Self::Evm,
        _: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        match self.checks {
            Checks::Protocol => {
                pre_execution::validate_against_state_and_deduct_caller(machine.ctx())
            }
            Checks::Call => prepare_caller(machine.ctx()),
        }
    }
}

impl<'s, I: Inspector<TraceContext<'s>>> InspectorHandler for Rerun<'s, I> {
    type IT = EthInterpreter;
}

impl<'s> World<'s> {
    /// Runs a transaction, within `budget`, and shows it to `inspector`. Nothing is kept; see [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`TraceError`]; a revert is a result.
    pub fn run<I: Inspector<TraceContext<'s>>>(
        &mut self,
        environment: &Environment,
        transaction: TxEnv,
        checks: Checks,
        (inspector, size): (I, StepSize),
        budget: &mut Budget,
    ) -> Result<ResultAndState, TraceError> {
        let bounded = Bounded::new(inspector, size, budget);
        let mut machine = self.machine(environment, transaction, bounded);
        let mut handler = Rerun { checks, world: PhantomData, inspector: PhantomData };
        let result = handler.inspect_run(&mut machine);
        let state = machine.ctx.journal_mut().finalize();
        *self = machine.ctx.journaled_state.database;
        budget.exhausted()?;
        Ok(ResultAndState { result: result?, state })
    }

    /// Runs a transaction that nobody watches, within `budget`, and keeps what it did.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn advance(
        &mut self,
        environment: &Environment,
        transaction: TxEnv,
        checks: Checks,
        budget: &mut Budget,
    ) -> Result<ExecutionResult, TraceError> {
        let nobody = (NoOpInspector, StepSize::NONE);
        let done = self.run(environment, transaction, checks, nobody, budget)?;
        self.commit(done.state);
        Ok(done.result)
    }

    /// A call as a transaction in this world, and the environment to run it in, with [`Checks::Call`]. Without a gas limit,
    /// or with a larger one, it gets `gas_cap`; without a nonce, the sender's next one here.
    ///
    /// # Errors
    /// [`TraceError`] when the request contradicts itself or the sender cannot be read.
    pub fn call(
        &self,
        request: &CallRequest,
        header: &Header,
        rules: &Rules,
        gas_cap: u64,
    ) -> Result<(Environment, TxEnv), TraceError> {
        let nonce = match request.nonce {
            Some(nonce) => nonce,
            None => self.account(request.from)?.unwrap_or_default().nonce,
        };
        let request = CallRequest { nonce: Some(nonce), ..request.clone() };
        let (environment, mut call) = request.environment(header, self.state, rules)?;
        call.gas_limit = request.gas.unwrap_or(gas_cap).min(gas_cap);
        Ok((environment, call))
    }

    /// Does what a block does before its transactions: the system calls of EIP-4788 and EIP-2935.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn begin_block(
        &mut self,
        environment: &Environment,
        header: &Header,
        rules: &Rules,
    ) -> Result<(), TraceError> {
        if !rules.system_calls {
            return Ok(());
        }
        let calls = [
            (SpecId::CANCUN, BEACON_ROOTS_ADDRESS, header.parent_beacon_block_root),
            (SpecId::PRAGUE, HISTORY_STORAGE_ADDRESS, Some(header.parent_hash)),
        ];
        for (spec, contract, word) in calls {
            let has_code =
                self.account(contract)?.is_some_and(|account| !account.is_empty_code_hash());
            if rules.spec.is_enabled_in(spec) && has_code {
                self.system_call(environment, contract, word.unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// What it returns, or that it reverts, does not matter.
    fn system_call(
        &mut self,
        environment: &Environment,
        contract: Address,
        word: B256,
    ) -> Result<(), TraceError> {
        let input = Bytes::copy_from_slice(word.as_slice());
        let call = TxEnv::new_system_tx(contract, input);
        let mut machine = self.machine(environment, call, NoOpInspector);
        let mut handler =
            Rerun { checks: Checks::Protocol, world: PhantomData, inspector: PhantomData };
        let result = handler.run_system_call(&mut machine);
        let state = machine.ctx.journal_mut().finalize();
        *self = machine.ctx.journaled_state.database;
        result?;
        self.commit(state);
        Ok(())
    }

    /// Takes this world into a machine, and leaves a hollow one until it is put back.
    fn machine<I>(
        &mut self,
        environment: &Environment,
        transaction: TxEnv,
        inspector: I,
    ) -> Machine<'s, I> {
        let spec = environment.cfg.spec;
        let precompiles = Precompiles::new(spec, self);
        let hollow = World::new(self.state);
        let mut context = Context::mainnet()
            .with_cfg(environment.cfg.clone())
            .with_block(environment.block.clone())
            .with_db(std::mem::replace(self, hollow));
        context.tx = transaction;
        let instructions = EthInstructions::new_mainnet_with_spec(spec);
        Evm::new_with_inspector(context, inspector, instructions, precompiles)
    }
}
