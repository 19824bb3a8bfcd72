//! Geth's tracers: what the `debug_trace*` methods answer.

use crate::bounds::{Budget, StepSize};
use crate::error::TraceError;
use crate::machine::Checks;
use crate::world::World;
use alloy_rpc_types_trace::geth::{
    GethDebugTracerType, GethDebugTracingOptions, GethDefaultTracingOptions, GethTrace,
};
use revm::context::TxEnv;
use revm::context::result::ExecutionResult;
use revm_inspectors::tracing::{
    DebugInspector, DebugInspectorError, TracingInspector, TransactionContext,
};
use weft_evm::Environment;

/// The tracers that there are, as callers name them. Without a name: struct logs.
pub const TRACERS: [&str; 8] = [
    "callTracer",
    "prestateTracer",
    "4byteTracer",
    "flatCallTracer",
    "muxTracer",
    "noopTracer",
    "erc7562Tracer",
    "stateGasTracer",
];

/// A tracer that a caller asked for. One of them traces any number of transactions, one after the other.
#[derive(Debug)]
pub struct GethTracer {
    inspector: DebugInspector,
    size: StepSize,
}

impl GethTracer {
    /// The tracer that `options` name.
    ///
    /// # Errors
    /// [`TraceError::Tracer`] for one that there is not, or options that do not fit it.
    pub fn new(options: GethDebugTracingOptions) -> Result<Self, TraceError> {
        let refuse = |reason: String| Err(TraceError::Tracer { reason });
        if let Some(GethDebugTracerType::JsTracer(name)) = &options.tracer
            && !name.is_empty()
        {
            let known = TRACERS.join(", ");
            if name.contains(['{', '(', ' ']) {
                return refuse(format!(
                    "javascript tracers are not supported; there are {known}, and struct logs without a tracer"
                ));
            }
            return refuse(format!(
                "tracer {name} not found; there are {known}, and struct logs without a tracer"
            ));
        }
        let logs = options.config;
        let named = options.tracer.as_ref().map(|tracer| tracer.as_str().to_owned());
        match DebugInspector::new(options) {
            Ok(inspector) => Ok(Self { size: size(&inspector, &logs), inspector }),
            Err(error) => {
                let named = named.unwrap_or_default();
                let reason = match error {
                    DebugInspectorError::InvalidTracerConfig => {
                        "its tracerConfig is malformed".to_owned()
                    }
                    other => other.to_string(),
                };
                refuse(format!("tracer {named}: {reason}"))
            }
        }
    }

    /// Runs a transaction in `world`, keeps what it did there, and gives its trace.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn trace(
        &mut self,
        world: &mut World<'_>,
        environment: &Environment,
        transaction: TxEnv,
        checks: Checks,
        place: TransactionContext,
        budget: &mut Budget,
    ) -> Result<(GethTrace, ExecutionResult), TraceError> {
        self.inspector.fuse().map_err(|error| TraceError::Tracer { reason: error.to_string() })?;
        let watch = (&mut self.inspector, self.size);
        let done = world.run(environment, transaction.clone(), checks, watch, budget)?;
        let mut trace = self
            .inspector
            .get_result(Some(place), &transaction, &environment.block, &done, world)
            .map_err(|error| match error {
                DebugInspectorError::Database(unread) => TraceError::State(unread.0),
                other => TraceError::Machine { reason: other.to_string() },
            })?;
        if let GethTrace::FlatCallTracer(calls) = &mut trace
            && let Some(root) = calls.first_mut().and_then(|call| call.trace.result.as_mut())
        {
            // As in geth, the first call used what the receipt says.
            root.set_gas_used(done.result.tx_gas_used());
        }
        world.commit(done.state);
        Ok((trace, done.result))
    }
}

/// What a tracer keeps of each step.
fn size(inspector: &DebugInspector, logs: &GethDefaultTracingOptions) -> StepSize {
    let of = |tracing: &TracingInspector| {
        let config = tracing.config();
        StepSize {
            steps: config.record_steps,
            stack: config.record_stack_snapshots.is_all()
                || config.record_stack_snapshots.is_full(),
            memory: config.record_memory_snapshots,
            steps_max: u64::MAX,
        }
    };
    match inspector {
        DebugInspector::Default(tracing, _) => {
            let limit = logs.limit.filter(|limit| *limit > 0);
            StepSize { steps_max: limit.unwrap_or(u64::MAX), ..of(tracing) }
        }
        DebugInspector::CallTracer(tracing, _)
        | DebugInspector::PreStateTracer(tracing, _)
        | DebugInspector::FlatCallTracer(tracing)
        | DebugInspector::Erc7562Tracer(tracing, _) => of(tracing),
        // What a mux combines keeps no steps.
        DebugInspector::Mux(..)
        | DebugInspector::FourByte(_)
        | DebugInspector::Noop(_)
        | DebugInspector::StateGasTracer(_) => StepSize::NONE,
    }
}
