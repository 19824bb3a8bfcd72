//! Random calls against a model that is too simple to be wrong: it says what is admitted, what that
//! replaces and pushes out, what is ready at which base fee and in which order, and what grows old.

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
    lifetime_s: 100,
    announcements_max: 8,
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
    /// Time passes.
    Wait {
        seconds: u64,
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
    let wait = (0u64..90).prop_map(|seconds| Step::Wait { seconds });
    prop_oneof![12 => admit, 2 => block, 1 => foreign, 1 => drop, 1 => wait]
}

/// What should be held, by hash, and the chain it stands on.
struct Model {
    pool: Pool,
    state: State,
    height: u64,
    base_fee: u64,
    held: BTreeMap<B256, RecoveredTransaction>,
    arrival: BTreeMap<B256, usize>,
    /// When each was last seen ready, or arrived.
    since: BTreeMap<B256, u64>,
    now_s: u64,
    /// Everything that was ever ready.
    announced: BTreeSet<B256>,
    steps: usize,
}

/// What the model says of a transaction that wants to get in.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// With what it replaces and what has to go, in that order.
    Admitted { replaced: Option<B256>, evicted: Vec<B256> },
    /// The code of the error.
    Refused(i32),
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
            since: BTreeMap::new(),
            now_s: 0,
            announced: BTreeSet::new(),
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
            Step::Wait { seconds } => {
                self.now_s += seconds;
                self.wait()
            }
        }
    }

    /// Takes out what has waited for the lifetime.
    fn wait(&mut self) -> Result<(), TestCaseError> {
        let ready: BTreeSet<B256> =
            (1..=SENDERS).flat_map(|sender| self.runnable(sender, self.base_fee)).collect();
        for hash in &ready {
            self.since.insert(*hash, self.now_s);
        }
        let (since, oldest) = (&self.since, self.now_s.checked_sub(LIMITS.lifetime_s));
        let is_old = |hash: &B256| oldest.is_some_and(|oldest| since[hash] <= oldest);
        let old: Vec<B256> = self.held.keys().filter(|hash| is_old(hash)).copied().collect();
        prop_assert_eq!(self.pool.expire(self.now_s), old.len());
        for hash in old {
            self.held.remove(&hash);
            let dropped = matches!(self.pool.standing(&hash), Some(Standing::Dropped { .. }));
            prop_assert!(dropped);
        }
        Ok(())
    }

    fn admit(&mut self, tx: RecoveredTransaction) -> Result<(), TestCaseError> {
        let before = self.pool.status();
        let head = head(self.height, self.base_fee);
        let expected = self.judge(&tx);
        let outcome = self.pool.admit(tx.clone(), Origin::Rpc, &self.state, &head);
        let found = match &outcome {
            Ok(a) => Verdict::Admitted { replaced: a.replaced, evicted: a.evicted.clone() },
            Err(error) => Verdict::Refused(error.code()),
        };
        prop_assert_eq!(found, expected);
        match outcome {
            Ok(admitted) => {
                prop_assert_eq!(admitted.hash, hash(&tx));
                for gone in admitted.replaced.iter().chain(&admitted.evicted) {
                    prop_assert!(self.held.remove(gone).is_some(), "only what is held can go");
                    let dropped =
                        matches!(self.pool.standing(gone), Some(Standing::Dropped { .. }));
                    prop_assert!(dropped);
                }
                self.arrival.insert(admitted.hash, self.steps);
                self.since.insert(admitted.hash, self.now_s);
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

    /// What should come of a transaction, by the rules as they are written down.
    fn judge(&self, tx: &RecoveredTransaction) -> Verdict {
        let (nonce, balance) = self.account(tx.signer()[0]);
        let (fee, tip) = (tx.max_fee_per_gas(), tx.max_priority_fee_per_gas().unwrap());
        let cost = U256::from(tx.gas_limit()) * U256::from(fee) + tx.value();
        if self.held.contains_key(&hash(tx)) {
            return Verdict::Refused(1000);
        }
        if tx.nonce() < nonce {
            return Verdict::Refused(1);
        }
        if 2 * fee < u128::from(self.base_fee) {
            return Verdict::Refused(806);
        }
        if cost > balance {
            return Verdict::Refused(809);
        }
        let own = self.of(tx.signer());
        let old = own.iter().copied().find(|old| old.nonce() == tx.nonce());
        if let Some(old) = old {
            let rises = |old: u128, new: u128| new > old && 100 * new >= 110 * old;
            let old_tip = old.max_priority_fee_per_gas().unwrap();
            if !rises(old.max_fee_per_gas(), fee) || !rises(old_tip, tip) {
                return Verdict::Refused(-32_000);
            }
        }
        let mut evicted: Vec<&RecoveredTransaction> = Vec::new();
        if old.is_none() && own.len() == LIMITS.per_sender {
            match own.last() {
                Some(last) if last.nonce() > tx.nonce() => evicted.push(last),
                _ => return Verdict::Refused(-32_000),
            }
        }
        let replaced = old.map(hash);
        loop {
            let gone = |tx: &RecoveredTransaction| {
                Some(hash(tx)) == replaced || evicted.iter().any(|other| hash(other) == hash(tx))
            };
            let stay: Vec<_> = self.held.values().filter(|tx| !gone(tx)).collect();
            let bytes: usize = stay.iter().copied().chain([tx]).map(size).sum();
            if stay.len() < LIMITS.transactions && bytes <= LIMITS.bytes_max {
                let evicted = evicted.into_iter().map(hash).collect();
                return Verdict::Admitted { replaced, evicted };
            }
            match self.worst(&stay, tx) {
                Some(worst) => evicted.push(worst),
                None => return Verdict::Refused(802),
            }
        }
    }

    /// Of those that stay, the worst end of another sender's queue, if it is worse than `tx`.
    fn worst<'a>(
        &self,
        stay: &[&'a RecoveredTransaction],
        tx: &RecoveredTransaction,
    ) -> Option<&'a RecoveredTransaction> {
        let is_end = |end: &&&RecoveredTransaction| {
            end.signer() != tx.signer()
                && !stay.iter().any(|o| o.signer() == end.signer() && o.nonce() > end.nonce())
        };
        let rank = |tx: &RecoveredTransaction, ready: bool| {
            let left = tx.max_fee_per_gas() as i128 - i128::from(self.base_fee);
            (ready, left.min(tx.max_priority_fee_per_gas().unwrap() as i128))
        };
        let standing = |end: &RecoveredTransaction| {
            let ready = self.runnable(end.signer()[0], self.base_fee).contains(&hash(end));
            let arrival = std::cmp::Reverse(self.arrival[&hash(end)]);
            (rank(end, ready), arrival)
        };
        let worst = stay.iter().filter(is_end).min_by_key(|end| standing(end))?;
        (standing(worst).0 < rank(tx, self.would_be_ready(tx))).then_some(*worst)
    }

    fn would_be_ready(&self, tx: &RecoveredTransaction) -> bool {
        let sender = tx.signer()[0];
        let mut held = self.held.clone();
        held.retain(|_, other| other.signer() != tx.signer() || other.nonce() != tx.nonce());
        held.insert(hash(tx), tx.clone());
        runnable(&held, self.account(sender), sender, self.base_fee).contains(&hash(tx))
    }

    /// Transactions of one sender in nonce order.
    fn of(&self, sender: weft_types::Address) -> Vec<&RecoveredTransaction> {
        let mut own: Vec<_> = self.held.values().filter(|tx| tx.signer() == sender).collect();
        own.sort_by_key(|tx| tx.nonce());
        own
    }

    /// Transactions of one sender that can run at a base fee, by the definition.
    fn runnable(&self, sender: u8, base_fee: u64) -> Vec<B256> {
        runnable(&self.held, self.account(sender), sender, base_fee)
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

    /// The feed has each transaction that was ever ready exactly once.
    fn check_feed(&mut self, before: u64) -> Result<(), TestCaseError> {
        let news = self.pool.announcements(before, 100);
        prop_assert_eq!(news.next, self.pool.announcements_end());
        let count = news.hashes.len() as u64 + news.missed;
        let mut fresh = 0;
        for sender in 1..=SENDERS {
            for hash in self.runnable(sender, self.base_fee) {
                fresh += u64::from(self.announced.insert(hash));
            }
        }
        prop_assert_eq!(count, fresh);
        prop_assert!(news.hashes.iter().all(|hash| self.announced.contains(hash)));
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for base_fee in [self.base_fee, self.base_fee + 5, 0] {
            let best = self.pool.best(base_fee, BLOCK_GAS);
            let best: Vec<B256> = best.iter().map(|tx| hash(tx)).collect();
            prop_assert_eq!(&best, &self.best(base_fee), "best at {}", base_fee);
            if base_fee == self.base_fee {
                for (place, hash) in best.iter().enumerate() {
                    prop_assert_eq!(self.pool.position(hash), Some(place));
                }
            }
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

fn size(tx: &RecoveredTransaction) -> usize {
    weft_types::transaction::encode_transaction(tx.inner()).len()
}

/// Of what is held, the sender's transactions that can run at a base fee.
fn runnable(
    held: &BTreeMap<B256, RecoveredTransaction>,
    (mut nonce, mut left): (u64, U256),
    sender: u8,
    base_fee: u64,
) -> Vec<B256> {
    let mut out = Vec::new();
    loop {
        let next = held.values();
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

proptest! {
    #[test]
    fn any_sequence_of_calls_agrees_with_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model::new();
        for step in &steps {
            let announced = model.pool.announcements_end();
            model.apply(step)?;
            model.check()?;
            model.check_feed(announced)?;
        }
    }
}
