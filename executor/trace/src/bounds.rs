//! What one request may cost: time, and memory for what it records.

use crate::error::TraceError;
use alloy_primitives::{Address, Log, U256};
use revm::context_interface::{ContextError, ContextTr};
use revm::handler::FrameResult;
use revm::inspector::Inspector;
use revm::interpreter::interpreter_types::{LoopControl, MemoryTr};
use revm::interpreter::{
    CallInputs, CallOutcome, CreateInputs, CreateOutcome, FrameInput, Interpreter,
};
use std::time::{Duration, Instant};

/// Steps between two looks at the clock.
const STEPS_PER_LOOK: u32 = 1024;
/// What an inspector keeps of a call besides its bytes, roughly.
const CALL_BYTES: usize = 512;
/// What an inspector keeps of a step besides stack and memory, roughly.
const STEP_BYTES: usize = 256;

/// What is left of what a request may cost. One budget covers all transactions of a request.
#[derive(Clone, Debug)]
pub struct Budget {
    started: Instant,
    timeout: Duration,
    bytes_max: usize,
    bytes: usize,
    steps: u32,
    failure: Option<TraceError>,
}

impl Budget {
    /// A budget that begins now: so much time, and so many bytes of recorded steps, stacks, memory and calldata.
    #[must_use]
    pub fn new(timeout: Duration, bytes_max: usize) -> Self {
        let started = Instant::now();
        Self { started, timeout, bytes_max, bytes: 0, steps: 0, failure: None }
    }

    /// Fails when the time is over: between transactions.
    ///
    /// # Errors
    /// [`TraceError::Timeout`], [`TraceError::TooLarge`].
    pub fn check(&mut self) -> Result<(), TraceError> {
        self.look();
        self.exhausted()
    }

    pub(crate) fn exhausted(&self) -> Result<(), TraceError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn look(&mut self) {
        if self.failure.is_none() && self.started.elapsed() > self.timeout {
            let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
            self.failure = Some(TraceError::Timeout { timeout_ms });
        }
    }

    fn record(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.failure.is_none() && self.bytes > self.bytes_max {
            self.failure = Some(TraceError::TooLarge { bytes_max: self.bytes_max });
        }
    }
}

/// What an inspector keeps of each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepSize {
    /// It keeps something at all.
    pub steps: bool,
    /// The whole stack.
    pub stack: bool,
    /// The whole memory.
    pub memory: bool,
    /// The most steps that it keeps.
    pub steps_max: u64,
}

impl StepSize {
    /// Nothing: only calls are kept, or not even those.
    pub const NONE: Self = Self { steps: false, stack: false, memory: false, steps_max: u64::MAX };
}

/// An inspector that runs within a budget: whatever it watches is stopped when that is spent.
pub(crate) struct Bounded<'b, I> {
    inner: I,
    size: StepSize,
    kept: u64,
    budget: &'b mut Budget,
}

impl<'b, I> Bounded<'b, I> {
    pub(crate) fn new(inner: I, size: StepSize, budget: &'b mut Budget) -> Self {
        Self { inner, size, kept: 0, budget }
    }

    fn count(&mut self, interp: &Interpreter) {
        self.budget.steps = self.budget.steps.wrapping_add(1);
        if self.budget.steps.is_multiple_of(STEPS_PER_LOOK) {
            self.budget.look();
        }
        if self.size.steps && self.kept < self.size.steps_max {
            self.kept += 1;
            let stack = if self.size.stack { interp.stack.len() * 32 } else { 0 };
            let memory = if self.size.memory { interp.memory.size() } else { 0 };
            self.budget.record(STEP_BYTES + stack + memory);
        }
    }

    /// Whether the budget is spent; then the machine stops with an error that nobody sees, because the budget has the
    /// reason.
    fn stop<C: ContextTr>(&self, context: &mut C) -> bool {
        let spent = self.budget.failure.is_some();
        if spent && context.error().is_ok() {
            *context.error() = Err(ContextError::Custom("budget spent".to_owned()));
        }
        spent
    }
}

impl<C: ContextTr, I: Inspector<C>> Inspector<C> for Bounded<'_, I> {
    fn initialize_interp(&mut self, interp: &mut Interpreter, context: &mut C) {
        self.inner.initialize_interp(interp, context);
    }

    fn step(&mut self, interp: &mut Interpreter, context: &mut C) {
        self.count(interp);
        self.inner.step(interp, context);
        if self.stop(context) {
            interp.bytecode.action().take();
            interp.bytecode.reset_action();
            interp.halt_fatal();
        }
    }

    fn step_end(&mut self, interp: &mut Interpreter, context: &mut C) {
        self.inner.step_end(interp, context);
    }

    fn log(&mut self, context: &mut C, log: Log) {
        self.budget.record(CALL_BYTES + log.data.data.len());
        self.inner.log(context, log);
    }

    fn log_full(&mut self, interp: &mut Interpreter, context: &mut C, log: Log) {
        self.budget.record(CALL_BYTES + log.data.data.len());
        self.inner.log_full(interp, context, log);
    }

    fn frame_start(&mut self, context: &mut C, input: &mut FrameInput) -> Option<FrameResult> {
        self.inner.frame_start(context, input)
    }

    fn frame_end(&mut self, context: &mut C, input: &FrameInput, result: &mut FrameResult) {
        self.inner.frame_end(context, input, result);
    }

    fn call(&mut self, context: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.budget.record(CALL_BYTES + inputs.input.len());
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut C, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.budget.record(outcome.result.output.len());
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut C, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.budget.record(CALL_BYTES + inputs.init_code().len());
        self.inner.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut C, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.budget.record(outcome.result.output.len());
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.inner.selfdestruct(contract, target, value);
    }
}
