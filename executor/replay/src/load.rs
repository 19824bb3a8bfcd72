//! One block to execute, with the state below it.

use alloy_eips::eip4895::Withdrawal;
use std::sync::Arc;
use weft_evm::{BlockInput, Rules};
use weft_types::{Header, RecoveredTransaction, StateReader};

/// A block, real or made, with everything that executing it needs.
#[derive(Clone)]
pub struct Load {
    /// What it is called: a real block by its number.
    pub name: String,
    /// The block's environment; in a real block also what its execution must give.
    pub header: Header,
    /// The transactions, in order.
    pub transactions: Vec<Arc<RecoveredTransaction>>,
    /// The withdrawals (EIP-4895).
    pub withdrawals: Vec<Withdrawal>,
    /// The state of the parent.
    pub state: Arc<dyn StateReader>,
    /// The rules that it is under.
    pub rules: Rules,
}

impl Load {
    /// The block as the executor takes it. Headers of ommers are not known, see [`crate::blocks`].
    #[must_use]
    pub fn input(&self) -> BlockInput<'_> {
        BlockInput {
            header: &self.header,
            transactions: &self.transactions,
            ommers: &[],
            withdrawals: &self.withdrawals,
            commands: &[],
            rules: &self.rules,
        }
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load")
            .field("name", &self.name)
            .field("transactions", &self.transactions.len())
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
