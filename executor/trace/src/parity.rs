//! Parity's traces: what the `trace_*` methods answer.

use crate::bounds::{Budget, StepSize};
use crate::error::TraceError;
use crate::machine::Checks;
use crate::world::World;
use alloy_primitives::map::HashSet;
use alloy_rpc_types_eth::TransactionInfo;
use alloy_rpc_types_trace::parity::{LocalizedTransactionTrace, TraceResults, TraceType};
use revm::context::TxEnv;
use revm::context::result::ExecutionResult;
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};
use weft_evm::Environment;

/// Runs a transaction in `world`, keeps what it did there, and gives its calls, one trace each, depth first.
///
/// # Errors
/// [`TraceError`].
pub fn call_traces(
    world: &mut World<'_>,
    environment: &Environment,
    transaction: TxEnv,
    place: TransactionInfo,
    budget: &mut Budget,
) -> Result<Vec<LocalizedTransactionTrace>, TraceError> {
    let mut inspector = TracingInspector::new(TracingInspectorConfig::default_parity());
    let watch = (&mut inspector, StepSize::NONE);
    let done = world.run(environment, transaction, Checks::Protocol, watch, budget)?;
    world.commit(done.state);
    Ok(inspector.into_parity_builder().into_localized_transaction_traces(place))
}

/// Runs a transaction in `world`, keeps what it did there, and gives the kinds of traces that are asked for.
///
/// # Errors
/// [`TraceError`].
pub fn trace_results(
    world: &mut World<'_>,
    environment: &Environment,
    transaction: TxEnv,
    checks: Checks,
    kinds: &HashSet<TraceType>,
    budget: &mut Budget,
) -> Result<(TraceResults, ExecutionResult), TraceError> {
    let config = TracingInspectorConfig::from_parity_config(kinds);
    let size = StepSize {
        steps: config.record_steps,
        // Pushed values and written memory only.
        stack: false,
        memory: config.record_memory_snapshots,
        steps_max: u64::MAX,
    };
    let mut inspector = TracingInspector::new(config);
    let done = world.run(environment, transaction, checks, (&mut inspector, size), budget)?;
    let results = inspector
        .into_parity_builder()
        .into_trace_results_with_state(&done, kinds, &*world)
        .map_err(|unread| TraceError::State(unread.0))?;
    world.commit(done.state);
    Ok((results, done.result))
}
