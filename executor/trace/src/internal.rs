//! What happens inside of a transaction, for explorers: transfers of value, creations, self-destructions.

use crate::bounds::{Budget, StepSize};
use crate::error::TraceError;
use crate::machine::Checks;
use crate::world::World;
use alloy_rpc_types_trace::otterscan::InternalOperation;
use revm::context::TxEnv;
use revm_inspectors::otterscan::InternalOperationsInspector;
use weft_evm::Environment;

/// Runs a transaction of a block, keeps what it did, and gives the operations inside of it, in order.
///
/// # Errors
/// [`TraceError`].
pub fn internal_operations(
    world: &mut World<'_>,
    environment: &Environment,
    transaction: TxEnv,
    budget: &mut Budget,
) -> Result<Vec<InternalOperation>, TraceError> {
    let mut inspector = InternalOperationsInspector::default();
    let watch = (&mut inspector, StepSize::NONE);
    let done = world.run(environment, transaction, Checks::Protocol, watch, budget)?;
    world.commit(done.state);
    Ok(inspector.into_operations())
}
