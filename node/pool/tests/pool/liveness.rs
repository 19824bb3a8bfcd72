//! Whatever is pending is included once blocks are built.

use crate::support::{CHAIN_ID, State, address, hash, sign, transfer};
use alloy_consensus::Transaction as _;
use proptest::prelude::*;
use std::collections::BTreeSet;
use weft_pool::{Origin, Pool, PoolLimits, Standing, Waiting};
use weft_types::header::next_base_fee;
use weft_types::{B256, Header, U256};

const SENDERS: u8 = 5;
/// Room for three transfers, so that blocks are full and the base fee moves.
const BLOCK_GAS: u64 = 3 * 21_000;
/// Lowest base fee: an eighth of it is nothing (EIP-1559).
const BASE_FEE_MIN: u64 = 7;
/// More blocks than the base fee needs from its highest value in this test to the lowest, and than
/// all transactions need.
const BLOCKS: u64 = 150;

/// One transaction: sender, nonce, fee cap, tip.
type Wanted = (u8, u64, u128, u128);

struct Chain {
    pool: Pool,
    state: State,
    head: Header,
    included: BTreeSet<B256>,
}

impl Chain {
    fn new(base_fee: u64) -> Self {
        let senders: Vec<u8> = (1..=SENDERS).collect();
        let head = Header {
            number: 1,
            gas_limit: BLOCK_GAS,
            gas_used: BLOCK_GAS / 2,
            base_fee_per_gas: Some(base_fee),
            ..Header::default()
        };
        let state = State::rich(&senders, 1_000_000_000_000);
        let pool = Pool::new(CHAIN_ID, PoolLimits::default());
        Self { pool, state, head, included: BTreeSet::new() }
    }

    /// Builds a block of the best, pays for them, and moves the head.
    fn build(&mut self) {
        let base_fee = next_base_fee(&self.head);
        let mut gas_used = 0;
        let mut included = Vec::new();
        for tx in self.pool.best(base_fee, BLOCK_GAS) {
            if gas_used + tx.gas_limit() > BLOCK_GAS {
                break;
            }
            gas_used += tx.gas_limit();
            let account = self.state.accounts.get_mut(&tx.signer()).unwrap();
            assert_eq!(account.nonce, tx.nonce(), "no gaps within a block");
            account.nonce += 1;
            let price = tx.effective_gas_price(Some(base_fee));
            account.balance -= U256::from(price) * U256::from(tx.gas_limit());
            included.push((hash(&tx), tx.signer(), tx.nonce()));
            self.included.insert(hash(&tx));
        }
        let number = self.head.number + 1;
        self.head =
            Header { number, gas_used, base_fee_per_gas: Some(base_fee), ..self.head.clone() };
        self.pool.on_block(&included, &[], &self.state, &self.head);
    }
}

proptest! {
    #[test]
    fn whatever_is_pending_is_included_once_blocks_are_built(
        wanted in prop::collection::vec(
            (1..=SENDERS, 0u64..8, 7u128..2_000, 0u128..50), 1..60
        ) ,
        base_fee in 7u64..2_500,
    ) {
        let wanted: Vec<Wanted> = wanted;
        let mut chain = Chain::new(base_fee);
        let mut promised = BTreeSet::new();
        for (place, (sender, nonce, max_fee, tip)) in wanted.into_iter().enumerate() {
            let tx = sign(sender, transfer(nonce, max_fee, tip.min(max_fee)));
            let admitted = chain.pool.admit(tx, Origin::Rpc, &chain.state, &chain.head);
            if let Ok(admitted) = admitted {
                promised.insert(admitted.hash);
                if let Some(replaced) = admitted.replaced {
                    promised.remove(&replaced);
                }
            }
            if place % 16 == 15 {
                chain.build();
            }
        }
        for _ in 0..BLOCKS {
            chain.build();
            chain.pool.expire(chain.head.number);
        }
        prop_assert_eq!(next_base_fee(&chain.head), BASE_FEE_MIN);
        for hash in promised {
            if chain.included.contains(&hash) {
                continue;
            }
            // Only those stay behind that wait for a nonce which nobody sent.
            let Some(Standing::Queued(Waiting::Nonce { missing })) = chain.pool.standing(&hash) else {
                return Err(TestCaseError::fail(format!("{:?}", chain.pool.standing(&hash))));
            };
            let sender = chain.pool.get(&hash).unwrap().signer();
            prop_assert_eq!(chain.state.accounts[&sender].nonce, missing);
            prop_assert!(chain.pool.get_by_nonce(&sender, missing).is_none());
        }
        prop_assert_eq!(chain.pool.ready_count(), 0);
        prop_assert!((1..=SENDERS).all(|s| chain.pool.content_from(&address(s)).ready.is_empty()));
    }
}
