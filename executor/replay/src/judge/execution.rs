//! One block through the executor, in the ways that the checks ask for.

use super::rejection::{Rejection, Stage};
use super::{Finding, Fork, Judge};
use crate::difference::{Difference, difference};
use alloy_consensus::Header;
use std::sync::Arc;
use weft_evm::{BlockInput, Executed, ExecutionError, Mode, Products, SpecId};
use weft_types::StateReader;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The block is invalid: right or wrong, as the suite says.
    Rejected(Rejection),
    /// The test does not pass, whatever it expects.
    Failed(Finding),
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Finding> for Fault {
    fn from(finding: Finding) -> Self {
        Self::Failed(finding)
    }
}

impl Judge {
    /// Executes a block in parallel, and again in every other way that the checks ask for.
    ///
    /// # Errors
    /// [`Fault::Rejected`] when it is invalid, [`Fault::Failed`] when two ways differ.
    pub(crate) fn execute(
        &self,
        input: &BlockInput<'_>,
        state: &Arc<dyn StateReader>,
        fork: &Fork,
    ) -> Result<Executed, Fault> {
        let run = |mode| self.executor.execute(input, state, mode, Products::ALL);
        let verified = run(Mode::Verify);
        if self.checks.oracle {
            compare_runs("oracle", &verified, &run(Mode::Oracle))?;
        }
        if input.transactions.len() > 1 {
            for (seed, drawn) in self.drawn.iter().enumerate() {
                let other = drawn.execute(input, state, Mode::Verify, Products::ALL);
                compare_runs(&format!("schedule of seed {seed}"), &other, &verified)?;
            }
        }
        let verified = verified.map_err(|error| fault_of(&error))?;
        if self.checks.access_list && fork.has(SpecId::OSAKA) {
            let listed = run(Mode::WithList(&verified.access_list));
            compare_runs("with list", &Ok(verified.clone()), &listed)?;
        }
        Ok(verified)
    }

    /// Executes an invalid block with a wrong access list that came with it.
    ///
    /// # Errors
    /// A [`Finding`] when the list is accepted, or when the executor cannot tell.
    pub(crate) fn refuse_list(
        &self,
        input: &BlockInput<'_>,
        state: &Arc<dyn StateReader>,
        list: &[u8],
    ) -> Result<(), Finding> {
        let found = match self.executor.execute(input, state, Mode::WithList(list), Products::ALL) {
            Err(error) if error.is_verdict() => return Ok(()),
            Err(error) => error.to_string(),
            Ok(_) => "accepted".to_owned(),
        };
        Err(Finding::Contradiction(Difference::new("wrong list", "rejected", found)))
    }
}

/// What an error of the executor means for the block.
fn fault_of(error: &ExecutionError) -> Fault {
    match error {
        ExecutionError::Field(error) => Rejection::from(error.clone()).into(),
        error if error.is_verdict() => Rejection::new(Stage::Execution, error).into(),
        error => Finding::Contradiction(Difference::new("execution", "a verdict", error)).into(),
    }
}

/// Compares two runs of one block: equal results, or equal refusals.
pub(crate) fn compare_runs(
    name: &str,
    verified: &Result<Executed, ExecutionError>,
    other: &Result<Executed, ExecutionError>,
) -> Result<(), Finding> {
    let found = match (verified, other) {
        (Ok(verified), Ok(other)) => difference(other, verified).map(|found| found.at(name)),
        (Err(verified), Err(other)) if verified.to_string() == other.to_string() => None,
        (verified, other) => {
            let show = |run: &Result<Executed, ExecutionError>| match run {
                Ok(_) => "accepted".to_owned(),
                Err(error) => format!("rejected: {error}"),
            };
            Some(Difference::new(name, show(other), show(verified)))
        }
    };
    found.map_or(Ok(()), |found| Err(Finding::Contradiction(found)))
}

/// Compares what execution gave, the state root included, with the header.
///
/// # Errors
/// [`Rejection`] with every field that differs.
pub(crate) fn compare_header(
    header: &Header,
    executed: &Executed,
    state_root: alloy_primitives::B256,
    fork: &Fork,
) -> Result<(), Rejection> {
    let (mut fields, mut reasons) = (Vec::new(), Vec::new());
    let mut compare = |field, expected: Option<String>, found: String| {
        if expected.as_ref() != Some(&found) {
            fields.push(field);
            let expected = expected.unwrap_or_else(|| "none".to_owned());
            reasons.push(format!("{field}: expected {expected}, found {found}"));
        }
    };
    // Amsterdam counts the gas of a block in a way of its own: see `amsterdam`.
    if !fork.has_access_list() {
        compare("gasUsed", Some(header.gas_used.to_string()), executed.gas_used.to_string());
    }
    compare(
        "receiptsRoot",
        Some(header.receipts_root.to_string()),
        executed.receipts_root.to_string(),
    );
    compare("logsBloom", Some(header.logs_bloom.to_string()), executed.logs_bloom.to_string());
    if fork.has(SpecId::PRAGUE) {
        let expected = header.requests_hash.map(|hash| hash.to_string());
        compare("requestsHash", expected, executed.requests_hash.to_string());
    }
    if fork.has_access_list() {
        let expected = header.block_access_list_hash.map(|hash| hash.to_string());
        compare("blockAccessListHash", expected, executed.access_list_hash.to_string());
    }
    compare("stateRoot", Some(header.state_root.to_string()), state_root.to_string());
    if fields.is_empty() {
        return Ok(());
    }
    Err(Rejection { stage: Stage::Outcome, fields, reason: reasons.join("; ") })
}
