//! How a simulated call differs from a transaction: sender and block gas limit are not judged.

use crate::tracker::Unanswered;
use revm::context::result::{EVMError, HaltReason, InvalidTransaction};
use revm::context::{Cfg, ContextTr};
use revm::context_interface::JournalTr;
use revm::context_interface::journaled_state::account::JournaledAccountTr;
use revm::handler::pre_execution::calculate_caller_fee;
use revm::handler::{EvmTr, Handler, MainnetContext, MainnetEvm};
use revm::interpreter::InitialAndFloorGas;

type CallMachine<D> = MainnetEvm<MainnetContext<D>>;

/// Ethereum's handler without the checks of the sender and of the block's gas limit.
pub(super) struct CallHandler<D>(std::marker::PhantomData<D>);

impl<D> Default for CallHandler<D> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<D: revm::Database<Error = Unanswered>> Handler for CallHandler<D> {
    type Evm = CallMachine<D>;
    type Error = EVMError<Unanswered>;
    type HaltReason = HaltReason;

    fn validate_env(&self, machine: &mut Self::Evm) -> Result<(), Self::Error> {
        Ok(check_call(machine.ctx_ref())?)
    }

    fn validate_against_state_and_deduct_caller(
        &self,
        machine: &mut Self::Evm,
        _: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        prepare_caller(machine.ctx())
    }
}

/// What is judged of a call before the state is looked at: the size of initcode (EIP-3860).
///
/// # Errors
/// [`InvalidTransaction::CreateInitCodeSizeLimit`].
pub fn check_call<D: revm::Database>(ctx: &MainnetContext<D>) -> Result<(), InvalidTransaction> {
    if ctx.tx.kind.is_create() && ctx.tx.data.len() > ctx.cfg().max_initcode_size() {
        return Err(InvalidTransaction::CreateInitCodeSizeLimit);
    }
    Ok(())
}

/// Charges the caller of a call for the gas that it names a price for. The nonce that a creation names becomes the caller's,
/// because it decides the address; that of a call is not looked at, and the caller's own one goes up, past the highest one
/// to zero (geth).
///
/// # Errors
/// When the caller cannot pay what it names, or the state cannot be read.
pub fn prepare_caller<D: revm::Database>(
    ctx: &mut MainnetContext<D>,
) -> Result<(), EVMError<D::Error>> {
    let (block, tx, cfg, journal, _, _) = ctx.all_mut();
    let mut caller = journal.load_account_mut(tx.caller)?.data;
    let balance = calculate_caller_fee(*caller.balance(), tx, block, cfg)?;
    caller.set_balance(balance);
    if tx.kind.is_call() {
        let next = caller.nonce().wrapping_add(1);
        caller.set_nonce(next);
    } else {
        caller.set_nonce(tx.nonce);
    }
    Ok(())
}
