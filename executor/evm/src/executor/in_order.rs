//! Executing a block by the oracle.

use super::results::Executed;
use super::{BlockInput, Executor, Products};
use crate::base::Base;
use crate::effects::Wanted;
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::ledger::{Below, Ledger};
use crate::oracle::{Oracle, net_change};
use crate::profile::profile_of;
use crate::receipts::Receipts;
use crate::settle::{Admission, Policy};
use crate::system::{self, Phase};
use crate::value::Value;
use crate::vm::BlockVm;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Bytes, keccak256};
use revm::primitives::hardfork::SpecId;
use weft_stm::run_sequential;
use weft_types::{Location, StateReader};

impl Executor {
    /// The oracle.
    pub(super) fn execute_in_order(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let empty_exists = !block.rules.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let environment = Environment::new(block.header, block.rules);
        let base = Base::new(state, block.header, &self.codes);
        let mut before = Phase::new(&environment, block, Ledger::new(&base));
        before.before_transactions()?;
        base.set_before_transactions(before.ledger.values().clone());

        let wanted = Wanted { facts: true, reads: true, accesses: true, ..Wanted::NOTHING };
        let vm = BlockVm::new(&base, &environment, block.transactions, wanted, None);
        let admission = Admission::new(block.transactions, Policy::Reject, block.header.gas_limit);
        let mut oracle = Oracle::new(&base, admission);
        let Phase { ledger, accesses, .. } = before;
        oracle.take_phase(0, accesses, ledger)?;
        let result = run_sequential(&vm, &mut oracle);
        if let Some(failure) = oracle.admission.failure.take() {
            return Err(failure);
        }
        let profile = profile_of(&result?, &oracle.admission.included);

        let values = oracle.values.clone();
        let below = OracleValues(&values);
        let mut after = Phase::new(&environment, block, Ledger::above(&base, &below));
        let requests = after.after_transactions(oracle.admission.logs())?;
        let index = oracle.admission.included.len() as u64 + 1;
        let Phase { ledger, accesses, .. } = after;
        oracle.take_phase(index, accesses, ledger)?;

        let Oracle { admission, recorder, record, values, codes, .. } = oracle;
        let (diff, wiped) = net_change(&base, &values, &codes, empty_exists)?;
        let access_list = Bytes::from(alloy_rlp::encode(recorder.finish()));
        let Receipts { receipts, logs_bloom, receipts_root } = Receipts::of(admission.outcomes);
        let mut executed = Executed {
            transactions: block.pick(&admission.included),
            skipped: admission.skipped,
            receipts,
            gas_used: admission.gas_used,
            logs_bloom,
            receipts_root,
            requests_hash: system::requests_hash(&requests),
            requests,
            access_list_hash: keccak256(&access_list),
            access_list,
            access_record: record,
            wiped,
            diff,
            profile,
        };
        executed.keep(products);
        Ok(executed)
    }
}

/// The oracle's values, below what comes after the transactions.
struct OracleValues<'o>(&'o HashMap<Location, Value>);

impl Below for OracleValues<'_> {
    fn written(&self, location: &Location) -> Option<Value> {
        self.0.get(location).copied()
    }
}
