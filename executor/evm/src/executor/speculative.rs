//! Executing a block by speculation (Block-STM), and making its products.

use super::results::Executed;
use super::{BlockInput, Executor, Products};
use crate::base::Base;
use crate::effects::Wanted;
use crate::environment::Environment;
use crate::error::{ExecutionError, Failure};
use crate::ledger::Ledger;
use crate::products::{Ingredients, Settled, each};
use crate::profile::profile_of;
use crate::receipts::{ReceiptWorks, Receipts};
use crate::settle::{Admission, Policy, Settler, Trace};
use crate::system::{self, Phase};
use crate::vm::BlockVm;
use alloy_primitives::{B256, Bytes, keccak256};
use revm::primitives::hardfork::SpecId;
use std::collections::BTreeMap;
use weft_stm::virtual_time::run_interleaved;
use weft_stm::{Options, Run, RunError, run};
use weft_types::{AccessRecord, StateReader};

/// Blocks with fewer transactions have their products made on the calling thread.
pub(super) const PARALLEL_PRODUCTS_MIN: usize = 32;

impl Executor {
    /// Block-STM.
    pub(super) fn execute_speculatively(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        policy: Policy,
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let environment = Environment::new(block.header, block.rules);
        let base = Base::new(state, block.header, &self.codes);
        let mut before = Phase::new(&environment, block, Ledger::new(&base));
        before.before_transactions()?;
        base.set_before_transactions(before.ledger.values().clone());

        let (facts, cells) = (products.access_record, products.access_list);
        let wanted = Wanted { facts, cells, ..Wanted::NOTHING };
        let works = ReceiptWorks::wanted(products);
        // Deposits are read from the logs of all transactions in their order: such blocks keep them until the end.
        let behind = works.as_ref().filter(|_| block.rules.deposits().is_none());
        let vm = BlockVm::new(&base, &environment, block.transactions, wanted, behind);
        let admission = Admission::new(block.transactions, policy, block.header.gas_limit);
        let mut settler = Settler::new(admission, behind, products.access_record);
        let options = Options {
            incarnations: products.incarnations,
            min_parallel_transactions: self.routing.speculative(block.transactions),
            ..self.options
        };
        let result = self.run_engine(&vm, &mut settler, &options);
        if let Some(failure) = settler.admission.failure.take() {
            return Err(failure);
        }
        let (report, versions) = result?;
        let Settler { admission, accessed, traces, codes, .. } = settler;
        let profile = profile_of(&report, &admission.included);

        let settled = Settled { versions: &versions };
        let mut after = Phase::new(&environment, block, Ledger::above(&base, &settled));
        let requests = after.after_transactions(admission.logs())?;
        let mut all_codes: BTreeMap<B256, Bytes> =
            codes.into_iter().map(|(hash, code)| (hash, code.original_bytes())).collect();
        let mut of = |phase: Phase<'_, '_>| {
            let (values, codes) = phase.ledger.into_parts();
            all_codes.extend(codes);
            (phase.accesses, values)
        };
        let (before, after) = (of(before), of(after));
        let Admission { included, outcomes, skipped, gas_used, .. } = admission;
        let ingredients = Ingredients {
            base: &base,
            versions: &versions,
            included: &included,
            accessed: &accessed,
            before,
            after,
            codes: all_codes,
            empty_exists: !block.rules.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON),
        };
        let receipts =
            || works.as_ref().map_or_else(Receipts::default, |works| works.finish(outcomes));
        let made = self.make_products(&ingredients, receipts, &traces, products)?;
        Ok(Executed {
            transactions: block.pick(&included),
            skipped,
            gas_used,
            requests_hash: system::requests_hash(&requests),
            requests,
            profile,
            ..made
        })
    }

    /// On the pool, or under a drawn schedule.
    fn run_engine<'v, 'b>(
        &self,
        vm: &'v BlockVm<'b>,
        settler: &mut Settler<'b>,
        options: &Options,
    ) -> Result<Run<'v, BlockVm<'b>>, RunError<Failure>> {
        match self.seed {
            None => run(&self.pool, vm, settler, options),
            Some(seed) => {
                let options = Options { workers: self.pool.workers(), ..*options };
                run_interleaved(vm, settler, &options, seed).result
            }
        }
    }

    /// Makes of a settled block what is asked for.
    fn make_products(
        &self,
        ingredients: &Ingredients<'_, '_>,
        receipts: impl FnOnce() -> Receipts + Send,
        traces: &[Trace<'_>],
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let list = || -> Result<(B256, Bytes), ExecutionError> {
            if !products.access_list {
                return Ok(Default::default());
            }
            let list = Bytes::from(alloy_rlp::encode(ingredients.access_list()?));
            Ok((keccak256(&list), list))
        };
        let record = || {
            let places: Vec<usize> = (0..traces.len()).collect();
            let access = |place: &usize| ingredients.transaction_access(*place, &traces[*place]);
            AccessRecord { transactions: each(&places, access) }
        };
        let net = || if products.diff { ingredients.net_change() } else { Ok(Default::default()) };
        let work = || {
            if rayon::current_thread_index().is_none() {
                return (list(), (record(), (net(), receipts())));
            }
            rayon::join(list, || rayon::join(record, || rayon::join(net, receipts)))
        };
        // A small block is not worth the call.
        let nothing = Products { incarnations: false, ..products } == Products::NONE;
        let small = ingredients.included.len() < PARALLEL_PRODUCTS_MIN || nothing;
        let (list, (access_record, (net, receipts))) =
            if small { work() } else { self.pool.install(work) };
        let ((access_list_hash, access_list), (diff, wiped)) = (list?, net?);
        let Receipts { receipts, logs_bloom, receipts_root } = receipts;
        Ok(Executed {
            receipts,
            logs_bloom,
            receipts_root,
            access_list_hash,
            access_list,
            access_record,
            wiped,
            diff,
            ..Executed::nothing()
        })
    }
}
