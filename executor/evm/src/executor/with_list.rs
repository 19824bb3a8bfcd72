//! Executing a block with its access list.

use super::results::{Executed, Receipts};
use super::speculative::PARALLEL_PRODUCTS_MIN;
use super::{BlockInput, Executor, Products};
use crate::base::Base;
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::ledger::Ledger;
use crate::listed::{Listed, describe};
use crate::settle::{Admission, Policy};
use crate::system::{self, Phase};
use crate::verification::{Checked, ListedValues, Verdict, Verification};
use alloy_eip7928::AccountChanges;
use alloy_primitives::{Bytes, keccak256};
use std::time::{Duration, Instant};
use weft_types::{AccessRecord, Incarnation, RunMode, RunProfile, StateReader};

/// A received list.
#[derive(Clone, Copy)]
struct Given<'l> {
    list: &'l [u8],
    /// Nothing follows the list.
    is_whole: bool,
    decoded: &'l Vec<AccountChanges>,
}

impl Executor {
    /// With a list: no speculation. Where the list cannot say what the block does, speculation and a comparison.
    pub(super) fn execute_with_list(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        list: &[u8],
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let mut rest = list;
        let decoded: Vec<AccountChanges> = alloy_rlp::Decodable::decode(&mut rest)
            .map_err(|error| flawed(format!("it cannot be decoded: {error}")))?;
        let listed = Listed::new(&decoded, block.transactions.len()).map_err(flawed)?;
        let environment = Environment::new(block.header, block.rules);
        let base = Base::new(state, block.header, &self.codes);
        let mut before = Phase::new(&environment, block, Ledger::new(&base));
        before.before_transactions()?;
        base.set_before_transactions(before.ledger.values().clone());
        let verification = Verification {
            base: &base,
            environment: &environment,
            transactions: block.transactions,
            listed: &listed,
            min_parallel_transactions: self.options.min_parallel_transactions,
            traced: products.access_record,
            timed: products.incarnations,
        };
        verification.check_phase(0, &before.accesses, &before.ledger)?.map_err(flawed)?;
        let given = Given { list, is_whole: rest.is_empty(), decoded: &decoded };
        let started = Instant::now();
        match verification.run(&self.pool)? {
            Verdict::Agrees(checked, incarnations) => {
                let run = (checked, incarnations, started.elapsed());
                self.finish_with_list(block, &verification, given, run, products)
            }
            Verdict::Differs(index, reason) => {
                Err(ExecutionError::Invalid { index: Some(index), reason })
            }
            Verdict::Inexpressible => self.execute_and_compare(block, state, list, products),
        }
    }

    /// Takes the executed transactions into the block, holds the rest of it against the list, and makes the products.
    fn finish_with_list(
        &self,
        block: &BlockInput<'_>,
        verification: &Verification<'_, '_>,
        given: Given<'_>,
        (checked, incarnations, wall): (Vec<Checked>, Vec<Incarnation>, Duration),
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let (base, listed) = (verification.base, verification.listed);
        let mut admission =
            Admission::new(block.transactions, Policy::Reject, block.header.gas_limit);
        let record = verification.admit(checked, &mut admission);
        if let Some(failure) = admission.failure.take() {
            return Err(failure);
        }
        let requests = self.check_rest(block, verification, &admission)?;
        let net = || if products.diff { listed.net_change(base) } else { Ok(Default::default()) };
        // The same values in another encoding would be another list.
        let canonical = || given.is_whole && alloy_rlp::encode(given.decoded) == given.list;
        let gas_used = admission.gas_used;
        let outcomes = admission.outcomes;
        let receipts = || Receipts::of(outcomes, products);
        let small = block.transactions.len() < PARALLEL_PRODUCTS_MIN;
        let work = || {
            if rayon::current_thread_index().is_none() {
                return ((canonical(), net()), receipts());
            }
            rayon::join(|| rayon::join(canonical, net), receipts)
        };
        let ((canonical, diff), receipts) = if small { work() } else { self.pool.install(work) };
        if !canonical {
            return Err(flawed("it is not in its canonical encoding".to_owned()));
        }
        let Receipts { receipts, logs_bloom, receipts_root } = receipts;
        let mut executed = Executed {
            transactions: block.transactions.to_vec(),
            receipts,
            gas_used,
            logs_bloom,
            receipts_root,
            requests_hash: system::requests_hash(&requests),
            requests,
            access_record: AccessRecord { transactions: record },
            diff: diff?,
            profile: RunProfile {
                mode: RunMode::AccessList,
                workers: self.pool.workers_for(block.transactions.len()) as u32,
                wall_us: wall.as_micros() as u64,
                incarnations,
                ..RunProfile::empty()
            },
            ..Executed::nothing()
        };
        if products.access_list {
            executed.access_list_hash = keccak256(given.list);
            executed.access_list = Bytes::copy_from_slice(given.list);
        }
        Ok(executed)
    }

    /// What comes after the transactions, held against the list; and whether everything listed has been accessed.
    fn check_rest(
        &self,
        block: &BlockInput<'_>,
        verification: &Verification<'_, '_>,
        admission: &Admission<'_>,
    ) -> Result<Vec<Bytes>, ExecutionError> {
        let (base, listed) = (verification.base, verification.listed);
        let at = block.transactions.len() + 1;
        let index = u32::try_from(at).expect("access indices have 32 bits");
        let values = ListedValues { listed, base, at: index };
        let ledger = Ledger::above(base, &values);
        let mut after = Phase::new(verification.environment, block, ledger);
        let requests = after.after_transactions(admission.logs())?;
        verification.check_phase(at, &after.accesses, &after.ledger)?.map_err(flawed)?;
        match listed.unseen() {
            Some(place) => Err(flawed(format!("{} is listed and not accessed", describe(place)))),
            None => Ok(requests),
        }
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

/// The verdict on a block whose list is wrong.
pub(super) fn flawed(flaw: String) -> ExecutionError {
    ExecutionError::Invalid { index: None, reason: format!("access list: {flaw}") }
}
