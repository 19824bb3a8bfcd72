//! Random calls against a model that is too simple to be wrong.

use crate::support::{BLOCK_GAS, CHAIN_ID, State, address, hash, head, sign, transfer};
use alloy_consensus::Transaction as _;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use weft_pool::{Origin, Pool, PoolLimits, Standing};
use weft_types::{B256, RecoveredTransaction, StateReader, U256};

const SENDERS: u8 = 4;
const LIMITS: PoolLimits = PoolLimits {
    transactions: 10,
    per_sender: 5,
    price_bump_percent: 10,
    bytes_max: 9 * 118,
    senders_remembered: 64,
    drops_remembered: 64,
};

#[derive(Clone, Debug)]
enum Step {
    Admit {
        sender: u8,
        nonce: u64,
        max_fee: u128,
        tip: u128,
        data: usize,
    },
    /// A block that includes the best `count`, changes a balance and the base fee.
    Block {
        count: usize,
        sender: u8,
        balance: u128,
        base_fee: u64,
    },
    /// A block with transactions of one sender that the pool does not know.
    Foreign {
        sender: u8,
        count: u64,
    },
    Drop {
        places: Vec<usize>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let admit =
        (1..=SENDERS, 0u64..8, 1u128..60, 0u128..60, prop_oneof![Just(0usize), 0..200usize])
            .prop_map(|(sender, nonce, max_fee, tip, data)| Step::Admit {
                sender,
                nonce,
                max_fee,
                tip: tip.min(max_fee),
                data,
            });
    let block = (0usize..6, 1..=SENDERS, 0u128..4_000_000, 7u64..40).prop_map(
        |(count, sender, balance, base_fee)| Step::Block { count, sender, balance, base_fee },
    );
    let foreign =
        (1..=SENDERS, 1u64..3).prop_map(|(sender, count)| Step::Foreign { sender, count });
    let drop = prop::collection::vec(0usize..10, 0..4).prop_map(|places| Step::Drop { places });
    prop_oneof![12 => admit, 2 => block, 1 => foreign, 1 => drop]
}

/// What should be held, by hash, and the chain it stands on.
struct Model {
    pool: Pool,
    state: State,
    height: u64,
    base_fee: u64,
    held: BTreeMap<B256, RecoveredTransaction>,
    arrival: BTreeMap<B256, usize>,
    steps: usize,
}

impl Model {
    fn new() -> Self {
        let senders: Vec<u8> = (1..=SENDERS).collect();
        Self {
            pool: Pool::new(CHAIN_ID, LIMITS),
            state: State::rich(&senders, 2_500_000),
            height: 1,
            base_fee: 7,
            held: BTreeMap::new(),
            arrival: BTreeMap::new(),
            steps: 0,
        }
    }

    fn account(&self, sender: u8) -> (u64, U256) {
        let account = self.state.account(&address(sender)).unwrap().unwrap();
        (account.nonce, account.balance)
    }

    fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.steps += 1;
        match step {
            Step::Admit { sender, nonce, max_fee, tip, data } => {
                let mut tx = transfer(*nonce, *max_fee, *tip);
                tx.gas_limit = 21_000 + 10 * *data as u64;
                tx.input = vec![0; *data].into();
                self.admit(sign(*sender, tx))
            }
            Step::Block { count, sender, balance, base_fee } => {
                let mut best = self.pool.best(self.base_fee, BLOCK_GAS);
                best.truncate(*count);
                let included: Vec<_> =
                    best.iter().map(|tx| (hash(tx), tx.signer(), tx.nonce())).collect();
                for (hash, signer, nonce) in &included {
                    self.state.accounts.get_mut(signer).unwrap().nonce = nonce + 1;
                    self.held.remove(hash);
                }
                let changed = address(*sender);
                self.state.accounts.get_mut(&changed).unwrap().balance = U256::from(*balance);
                self.base_fee = *base_fee;
                self.next_head(&included, &[changed]);
                Ok(())
            }
            Step::Foreign { sender, count } => {
                let changed = address(*sender);
                self.state.accounts.get_mut(&changed).unwrap().nonce += count;
                self.next_head(&[], &[changed]);
                Ok(())
            }
            Step::Drop { places } => {
                self.drop_places(places);
                Ok(())
            }
        }
    }

    fn admit(&mut self, tx: RecoveredTransaction) -> Result<(), TestCaseError> {
        let (sender, nonce) = (tx.signer(), tx.nonce());
        let same_place = self.held.values().find(|t| t.signer() == sender && t.nonce() == nonce);
        let same_place = same_place.map(hash);
        let before = self.pool.status();
        let head = head(self.height, self.base_fee);
        match self.pool.admit(tx.clone(), Origin::Rpc, &self.state, &head) {
            Ok(admitted) => {
                prop_assert_eq!(admitted.hash, hash(&tx));
                prop_assert_eq!(admitted.replaced, same_place);
                for gone in admitted.replaced.iter().chain(&admitted.evicted) {
                    prop_assert!(self.held.remove(gone).is_some(), "only what is held can go");
                    let dropped =
                        matches!(self.pool.standing(gone), Some(Standing::Dropped { .. }));
                    prop_assert!(dropped);
                }
                self.arrival.insert(admitted.hash, self.steps);
                self.held.insert(admitted.hash, tx);
                let standing = self.pool.standing(&admitted.hash);
                prop_assert_eq!(standing == Some(Standing::Ready), admitted.ready);
            }
            Err(_) => prop_assert_eq!(self.pool.status(), before, "a refusal changes nothing"),
        }
        Ok(())
    }

    fn next_head(
        &mut self,
        included: &[(B256, weft_types::Address, u64)],
        changed: &[weft_types::Address],
    ) {
        self.height += 1;
        let head = head(self.height, self.base_fee);
        self.pool.on_block(included, changed, &self.state, &head);
        let nonces: BTreeMap<_, _> =
            self.state.accounts.iter().map(|(a, account)| (*a, account.nonce)).collect();
        self.held.retain(|_, tx| tx.nonce() >= nonces[&tx.signer()]);
    }

    fn drop_places(&mut self, places: &[usize]) {
        let named: BTreeSet<B256> =
            places.iter().filter_map(|place| self.held.keys().nth(*place)).copied().collect();
        let skipped: Vec<_> = named.iter().map(|hash| (*hash, "invalid".to_owned())).collect();
        self.pool.drop_invalid(&skipped);
        let mut lowest: BTreeMap<_, (u64, B256)> = BTreeMap::new();
        for hash in named {
            let tx = &self.held[&hash];
            let candidate = (tx.nonce(), hash);
            let first = lowest.entry(tx.signer()).or_insert(candidate);
            *first = (*first).min(candidate);
        }
        for (_, hash) in lowest.into_values() {
            self.held.remove(&hash);
        }
    }

    /// Transactions of one sender that can run at a base fee, by the definition.
    fn runnable(&self, sender: u8, base_fee: u64) -> Vec<B256> {
        let (mut nonce, mut left) = self.account(sender);
        let mut out = Vec::new();
        loop {
            let next = self.held.values();
            let mut next = next.filter(|tx| tx.signer() == address(sender) && tx.nonce() == nonce);
            let Some(tx) = next.next() else { return out };
            assert!(next.next().is_none(), "one transaction for each sender and nonce");
            let cost = U256::from(tx.gas_limit()) * U256::from(tx.max_fee_per_gas()) + tx.value();
            if cost > left || tx.max_fee_per_gas() < u128::from(base_fee) {
                return out;
            }
            left -= cost;
            nonce += 1;
            out.push(hash(tx));
        }
    }

    /// The order of the definition: again and again the best of all first ones.
    fn best(&self, base_fee: u64) -> Vec<B256> {
        let mut queues: Vec<Vec<B256>> =
            (1..=SENDERS).map(|sender| self.runnable(sender, base_fee)).collect();
        let mut out = Vec::new();
        loop {
            let rank = |hash: &B256| {
                let tip = self.held[hash].effective_tip_per_gas(base_fee).unwrap();
                (std::cmp::Reverse(tip), self.arrival[hash])
            };
            let firsts = queues.iter_mut().filter(|queue| !queue.is_empty());
            let Some(first) = firsts.min_by_key(|queue| rank(&queue[0])) else { return out };
            out.push(first.remove(0));
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for base_fee in [self.base_fee, self.base_fee + 5, 0] {
            let best = self.pool.best(base_fee, BLOCK_GAS);
            let best: Vec<B256> = best.iter().map(|tx| hash(tx)).collect();
            prop_assert_eq!(best, self.best(base_fee), "best at {}", base_fee);
        }
        let mut ready = BTreeSet::new();
        for sender in 1..=SENDERS {
            ready.extend(self.runnable(sender, self.base_fee));
            let held: BTreeSet<u64> = self
                .held
                .values()
                .filter(|tx| tx.signer() == address(sender))
                .map(|tx| tx.nonce())
                .collect();
            prop_assert!(held.len() <= LIMITS.per_sender);
            let nonce = self.account(sender).0;
            let free = (nonce..).find(|nonce| !held.contains(nonce)).unwrap();
            prop_assert_eq!(self.pool.pending_nonce(&address(sender), nonce), free);
        }
        for (hash, tx) in &self.held {
            let got = self.pool.get(hash);
            prop_assert_eq!(got.as_deref(), Some(tx));
            prop_assert_eq!(self.pool.sender(hash), Some(tx.signer()));
            let found = self.pool.get_by_nonce(tx.signer_ref(), tx.nonce());
            prop_assert_eq!(found.as_deref(), Some(tx));
            let is_ready = self.pool.standing(hash) == Some(Standing::Ready);
            prop_assert_eq!(is_ready, ready.contains(hash));
        }
        let status = self.pool.status();
        prop_assert_eq!(self.pool.len(), self.held.len());
        prop_assert_eq!(
            (status.ready, status.queued),
            (ready.len(), self.held.len() - ready.len())
        );
        prop_assert_eq!(self.pool.ready_hashes().len(), ready.len());
        prop_assert!(status.bytes <= LIMITS.bytes_max && self.pool.len() <= LIMITS.transactions);
        let content = self.pool.content();
        let listed: usize = content.values().map(|c| c.ready.len() + c.queued.len()).sum();
        prop_assert_eq!(listed, self.held.len());
        prop_assert!(content.values().all(|c| c.ready.len() + c.queued.len() > 0));
        Ok(())
    }
}

proptest! {
    #[test]
    fn any_sequence_of_calls_agrees_with_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model::new();
        for step in &steps {
            model.apply(step)?;
            model.check()?;
        }
    }
}
