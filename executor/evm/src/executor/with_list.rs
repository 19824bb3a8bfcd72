//! Executing a block with its access list.

use super::results::Executed;
use super::speculative::PARALLEL_PRODUCTS_MIN;
use super::{BlockInput, Executor, Products};
use crate::base::Base;
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::listed::Listed;
use crate::receipts::{ReceiptWorks, Receipts};
use crate::settle::{Outcome, Policy};
use crate::system;
use crate::verification::{Agreed, Checked, Verdict, Verification};
use alloy_primitives::{Bytes, Log, keccak256};
use revm::primitives::hardfork::SpecId;
use std::sync::Arc;
use std::time::Instant;
use weft_types::{
    AccessRecord, RecoveredTransaction, RunMode, RunProfile, StateDiff, StateReader,
    TransactionAccess,
};

/// The executed transactions in the order of the block.
struct Admitted {
    gas_used: u64,
    transactions: Vec<Arc<RecoveredTransaction>>,
    /// Empty unless somebody asks for logs.
    outcomes: Vec<Outcome>,
    record: Vec<TransactionAccess>,
    /// How many listed writes each made.
    writes: Vec<u32>,
}

impl Executor {
    /// With a list: no speculation. Where the list cannot say what the block does, speculation and a comparison. `beside` is
    /// given the net change of the list while the block is executed; `true` says that it is that of the result.
    pub(super) fn execute_with_list(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        list: &[u8],
        products: Products,
        beside: Option<&(dyn Fn(&StateDiff) + Sync)>,
    ) -> Result<(Executed, bool), ExecutionError> {
        let environment = Environment::new(block.header, block.rules);
        let base = Base::new(state, block.header, &self.codes);
        let listed =
            Listed::new(list, block.transactions.len(), &base, &self.shelf).map_err(flawed)?;
        let verification = Verification {
            base: &base,
            environment: &environment,
            block,
            listed: &listed,
            min_parallel_transactions: self.routing.with_list(block.transactions),
            traced: products.access_record,
            timed: products.incarnations,
            logged: products.receipts || products.receipts_root || block.rules.deposits().is_some(),
        };
        let started = Instant::now();
        let (verdict, foreseen) = match beside {
            None => (verification.run(&self.pool), None),
            Some(beside) => rayon::join(
                || verification.run(&self.pool),
                || foresee(&listed).inspect(|diff| beside(diff)),
            ),
        };
        let mut agreed = match verdict? {
            Verdict::Agrees(agreed) => agreed,
            // Before Cancun it may differ only because a transaction below, not executed yet, destroys an account.
            Verdict::Differs(index, reason) if block.rules.spec.is_enabled_in(SpecId::CANCUN) => {
                return Err(ExecutionError::Invalid { index: Some(index), reason });
            }
            Verdict::Differs(..) | Verdict::Inexpressible => {
                let executed = self.execute_and_compare(block, state, list, products)?;
                let agrees = foreseen.is_some_and(|diff| diff == executed.diff);
                return Ok((executed, agrees));
            }
        };
        let wall = started.elapsed();
        let profile = RunProfile {
            mode: RunMode::AccessList,
            workers: self.pool.workers_for(block.transactions.len()) as u32,
            wall_us: wall.as_micros() as u64,
            incarnations: std::mem::take(&mut agreed.incarnations),
            ..RunProfile::empty()
        };
        let agrees = foreseen.is_some();
        let mut executed =
            self.finish_with_list(block, &verification, (agreed, foreseen), products)?;
        executed.profile = profile;
        if products.access_list {
            executed.access_list_hash = keccak256(list);
            executed.access_list = Bytes::copy_from_slice(list);
        }
        Ok((executed, agrees))
    }

    /// Takes the executed transactions into the block, holds the rest of it against the list, and makes the products.
    fn finish_with_list(
        &self,
        block: &BlockInput<'_>,
        verification: &Verification<'_>,
        (mut agreed, foreseen): (Agreed, Option<StateDiff>),
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let listed = verification.listed;
        let mut found = agreed.tally;
        let (before, after) = (std::mem::take(&mut agreed.before), agreed.after.take());
        let wiped = std::mem::take(&mut agreed.wiped);
        let admitted = admit(block, agreed, verification.logged)?;
        let after = match after {
            Some(after) => after,
            None => {
                let logs = admitted.outcomes.iter().flat_map(Outcome::logs);
                let after = verification.after(logs)?;
                found += after.tally;
                after
            }
        };
        if found != listed.total() {
            let each = (1..).zip(admitted.writes.iter().map(|writes| *writes as usize));
            let end = (block.transactions.len() + 1) as u32;
            let phases = [(0, before.tally.writes), (end, after.tally.writes)];
            return Err(verification.surplus(each.chain(phases)));
        }
        let requests = after.requests;
        let outcomes = admitted.outcomes;
        let net = || match foreseen {
            // The list is the one that it was taken from, and that list is right.
            Some(diff) => Ok(diff),
            None if products.diff => listed.net_change(),
            None => Ok(Default::default()),
        };
        let receipts = || {
            let works = ReceiptWorks::wanted(products);
            works.map_or_else(Receipts::default, |works| works.finish(outcomes))
        };
        let work = || {
            if rayon::current_thread_index().is_none() {
                return (net(), receipts());
            }
            rayon::join(net, receipts)
        };
        let nothing = !products.diff && !products.receipts && !products.receipts_root;
        let small = nothing || block.transactions.len() < PARALLEL_PRODUCTS_MIN;
        let (diff, receipts) = if small { work() } else { self.pool.install(work) };
        let Receipts { receipts, logs_bloom, receipts_root } = receipts;
        Ok(Executed {
            transactions: admitted.transactions,
            receipts,
            gas_used: admitted.gas_used,
            logs_bloom,
            receipts_root,
            requests_hash: system::requests_hash(&requests),
            requests,
            access_record: AccessRecord { transactions: admitted.record },
            diff: diff?,
            wiped: if products.diff { wiped } else { Vec::new() },
            ..Executed::nothing()
        })
    }

    /// Speculation, and a comparison of the list with the one that it gives.
    fn execute_and_compare(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        list: &[u8],
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let with_list = Products { access_list: true, ..products };
        let mut executed = self.execute_speculatively(block, state, Policy::Reject, with_list)?;
        if list != executed.access_list.as_ref() {
            return Err(flawed("it differs from the one that execution gives".to_owned()));
        }
        executed.keep(products);
        Ok(executed)
    }
}

/// The net change that a list tells of, if it can be read.
fn foresee(listed: &Listed<'_>) -> Option<StateDiff> {
    listed.decode();
    listed.check().ok()?;
    listed.net_change().ok()
}

/// Takes what the workers executed into the block, in its order: whether each transaction finds room.
fn admit(block: &BlockInput<'_>, agreed: Agreed, logged: bool) -> Result<Admitted, ExecutionError> {
    /// What the order of the block is needed for.
    #[derive(Clone, Copy, Default)]
    struct Gas {
        limit: u64,
        used: u64,
        success: bool,
    }
    let count = block.transactions.len();
    let mut gas = vec![Gas::default(); count];
    let mut writes = vec![0; count];
    let mut transactions: Vec<Option<Arc<RecoveredTransaction>>> = vec![None; count];
    for checked in agreed.checked.into_iter().flatten() {
        let at = checked.index as usize;
        let Checked { gas_limit: limit, gas_used: used, success, .. } = checked;
        gas[at] = Gas { limit, used, success };
        writes[at] = checked.writes;
        transactions[at] = Some(checked.transaction);
    }
    let transactions: Vec<_> = transactions.into_iter().flatten().collect();
    if transactions.len() != count {
        let reason = format!("{} of {count} transactions were executed", transactions.len());
        return Err(ExecutionError::Machine { index: None, reason });
    }
    let mut logs: Vec<Vec<Log>> = vec![Vec::new(); if logged { count } else { 0 }];
    for (index, of) in agreed.logs {
        logs[index as usize] = of;
    }
    let mut outcomes = Vec::with_capacity(logs.len());
    let mut logs = logs.into_iter();
    let mut gas_used = 0;
    for (index, Gas { limit, used, success }) in (0..).zip(gas) {
        // By gas limit, as the protocol says, not by gas used (hazard 53).
        let remaining = block.header.gas_limit - gas_used;
        if limit > remaining {
            let reason = format!("gas limit {limit} exceeds the block's remaining gas {remaining}");
            return Err(ExecutionError::Invalid { index: Some(index), reason });
        }
        gas_used += used;
        if let Some(logs) = logs.next() {
            let kind = transactions[index as usize].tx_type();
            outcomes.push(Outcome::new(kind, success, gas_used, logs));
        }
    }
    let mut record = agreed.accesses;
    record.sort_unstable_by_key(|(index, _)| *index);
    let record = record.into_iter().map(|(_, access)| access).collect();
    Ok(Admitted { gas_used, transactions, outcomes, record, writes })
}

/// The verdict on a block whose list is wrong.
pub(crate) fn flawed(flaw: String) -> ExecutionError {
    ExecutionError::Invalid { index: None, reason: format!("access list: {flaw}") }
}
