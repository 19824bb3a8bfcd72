//! A mix as on mainnet: mostly independent, with a few busy addresses.

use super::contracts::{Contract, call, collection_balance, token_balance};
use super::swaps::Pool;
use super::tokens::{deposit, hold, mint, token_transfer};
use super::transfers::transfer;
use super::world::{Call, ETHER, World};
use crate::load::Load;
use alloy_primitives::{Address, U256};

const TOKENS: u64 = 40;
const POOLS: u64 = 30;
const COLLECTIONS: u64 = 10;
const EXCHANGES: u64 = 10;

/// Users a hundred transactions: some send more than one.
const USERS_PERCENT: u64 = 70;

/// Numbers that look random and are the same everywhere (SplitMix64: Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, all equally likely.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number below `bound`; the n-th has 1/(n+1) of the first one's chance, as with busy contracts.
    fn skewed(&mut self, bound: u64) -> u64 {
        const SCALE: u64 = 1 << 20;
        let total: u64 = (1..=bound).map(|n| SCALE / n).sum();
        let mut left = self.below(total);
        for n in 0..bound {
            let weight = SCALE / (n + 1);
            if left < weight {
                return n;
            }
            left -= weight;
        }
        bound - 1
    }
}

/// The contracts that the mix uses.
struct Places {
    tokens: Vec<Address>,
    pools: Vec<Pool>,
    collections: Vec<Address>,
    exchanges: Vec<Address>,
    wrapped: Address,
    router: Address,
    grinder: Address,
}

impl Places {
    fn new(world: &mut World) -> Self {
        let tokens: Vec<Address> = (0..TOKENS).map(|n| world.deploy(Contract::Token, n)).collect();
        let pools = (0..POOLS)
            .map(|n| {
                // Half of the pools trade against the busiest token.
                let first = if n % 2 == 0 { 0 } else { n as usize };
                Pool::between(world, n, [tokens[first], tokens[n as usize + 1]])
            })
            .collect();
        let collections: Vec<Address> =
            (0..COLLECTIONS).map(|n| world.deploy(Contract::Collection, n)).collect();
        for collection in &collections {
            world.store(*collection, U256::ZERO, U256::from(1_000));
        }
        let wrapped = world.deploy(Contract::Wrapped, 0);
        world.set_balance(wrapped, U256::from(ETHER) * U256::from(1_000_000));
        Self {
            tokens,
            pools,
            collections,
            exchanges: (0..EXCHANGES).map(|n| world.user(u64::MAX - n)).collect(),
            wrapped,
            router: world.deploy(Contract::Router, 0),
            grinder: world.deploy(Contract::Grinder, 0),
        }
    }

    /// What a user does next.
    fn action(
        &self,
        world: &mut World,
        random: &mut Random,
        user: Address,
        other: Address,
    ) -> Call {
        match random.below(100) {
            0..30 => transfer(other),
            30..35 => transfer(self.exchanges[random.skewed(EXCHANGES) as usize]),
            35..65 => {
                let token = self.tokens[random.skewed(TOKENS) as usize];
                let busy = random.below(10) == 0;
                let to =
                    if busy { self.exchanges[random.skewed(EXCHANGES) as usize] } else { other };
                hold(world, token, user);
                hold(world, token, to);
                token_transfer(token, to)
            }
            65..83 => {
                let pool = self.pools[random.skewed(POOLS) as usize];
                let reverse = random.below(2) == 1;
                pool.swap(world, self.router, user, reverse)
            }
            83..87 => deposit(self.wrapped),
            87..90 => {
                world.store(self.wrapped, token_balance(user), U256::from(ETHER));
                call(self.wrapped, "withdraw(uint256)", &[U256::from(1_000)], 80_000)
            }
            90..94 => {
                let collection = self.collections[random.skewed(COLLECTIONS) as usize];
                world.store(collection, collection_balance(user), U256::from(1));
                mint(collection)
            }
            _ => {
                let rounds = 20 + random.below(300);
                call(self.grinder, "grind(uint256)", &[U256::from(rounds)], 100_000 + rounds * 500)
            }
        }
    }
}

/// So many transactions of the mix.
pub(super) fn mixed(name: &'static str, count: u64) -> Load {
    let mut world = World::new(name);
    let places = Places::new(&mut world);
    let mut random = Random(0x7765_6674);
    let users = (count * USERS_PERCENT).div_ceil(100);
    for _ in 0..count {
        let user = world.user(random.below(users));
        let other = world.user(users + random.below(users));
        let action = places.action(&mut world, &mut random, user, other);
        world.send(user, action);
    }
    world.finish()
}
