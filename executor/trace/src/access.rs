//! The access list that a transaction should carry (`eth_createAccessList`).

use crate::bounds::{Budget, StepSize};
use crate::error::TraceError;
use crate::machine::Checks;
use crate::world::World;
use alloy_eips::eip2930::AccessList;
use revm::context::TxEnv;
use revm::context::result::ExecutionResult;
use revm_inspectors::access_list::AccessListInspector;
use weft_evm::Environment;

/// Runs until the list does not change any more. A contract that looks at its gas could go on for ever.
const RUNS_MAX: usize = 8;

/// The places that a call touches besides sender, recipient and precompiles, and its result with a list of them. Nothing is
/// kept.
///
/// # Errors
/// [`TraceError`].
pub fn access_list(
    world: &mut World<'_>,
    environment: &Environment,
    mut call: TxEnv,
    budget: &mut Budget,
) -> Result<(AccessList, ExecutionResult), TraceError> {
    let mut last = None;
    for _ in 0..RUNS_MAX {
        let mut inspector = AccessListInspector::new(call.access_list.clone());
        let watch = (&mut inspector, StepSize::NONE);
        let done = world.run(environment, call.clone(), Checks::Call, watch, budget)?;
        let list = inspector.into_access_list();
        let settled = last.is_some() && list == call.access_list;
        last = Some((list.clone(), done.result));
        if settled {
            break;
        }
        if call.tx_type == 0 {
            call.tx_type = 1;
        }
        call.access_list = list;
    }
    last.ok_or_else(|| TraceError::Machine { reason: "nothing was run".to_owned() })
}
