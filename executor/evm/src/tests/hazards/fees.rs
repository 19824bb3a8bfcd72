//! Hazards 2 to 6: the beneficiary in every other role, under every kind of fork.

use crate::SpecId;
use crate::tests::plain::check;
use crate::tests::puppet::{Act, Call, Look, calldata, ephemeral, puppet, twin};
use crate::tests::world::{ETHER, World, authorize, user};
use alloy_primitives::{Address, U256};
use std::sync::Arc;
use weft_types::{Header, RecoveredTransaction};

const MAKER: Address = Address::repeat_byte(0xa0);
const ABSENT: Address = Address::repeat_byte(0xee);
const FORKS: [SpecId; 6] = [
    SpecId::FRONTIER,
    SpecId::SPURIOUS_DRAGON,
    SpecId::BERLIN,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::OSAKA,
];

fn stage(spec: SpecId, coinbase: Address) -> World {
    let mut world = World::bare().under(spec);
    for n in 0..6 {
        world.state.set_balance(user(n), U256::from(100) * ETHER);
    }
    world.deploy(MAKER, puppet());
    world.state.set_balance(MAKER, U256::from(10));
    world.header.beneficiary = coinbase;
    world
}

/// Everything that can be done with the beneficiary, by five users, each with two transactions.
fn roles(world: &World, tip: u128) -> Vec<Arc<RecoveredTransaction>> {
    let coinbase = world.header.beneficiary;
    let call = |to, value: u64, acts| Act::Call {
        how: Call::Plain,
        to,
        value: U256::from(value),
        told: true,
        acts,
    };
    let look = |how, slot| Act::Look { how, at: coinbase, slot };
    let die = |heir| vec![Act::Destroy { heir }];
    let acts = [
        // Looked at in every way.
        vec![look(Look::Balance, 0), Act::Coinbase { slot: 1 }],
        vec![look(Look::CodeHash, 0), look(Look::CodeSize, 1), look(Look::Code, 2)],
        // Paid by a contract, which pays for its creation if it is empty; and asked for its own balance.
        vec![call(coinbase, 1, vec![Act::SelfBalance { slot: 0 }])],
        // Heir of what is destroyed, and destroyed itself if it is a contract.
        vec![Act::Ephemeral { salt: 0, value: U256::from(1) }],
        vec![call(coinbase, 0, die(coinbase))],
        vec![Act::Create2 { salt: 0, value: U256::from(1) }, call(coinbase, 0, die(user(0)))],
        vec![call(twin(MAKER, 0), 1, die(coinbase))],
        vec![Act::Coinbase { slot: 3 }, call(coinbase, 0, vec![])],
    ];
    let mut candidates = Vec::new();
    for (place, acts) in acts.iter().enumerate() {
        let (n, nonce) = ((place % 4) as u8, (place / 4) as u64);
        let draft = world.draft(n, nonce, MAKER).gas(3_000_000).tip(tip);
        candidates.push(draft.input(calldata(acts)).sign());
        if place % 2 == 0 {
            let nonce = (place / 2) as u64;
            let paid = world.draft(4, nonce, coinbase).gas(100_000).tip(tip);
            candidates.push(paid.value(U256::from(place as u64 / 2)).sign());
        }
    }
    // A sender itself, if it can be.
    candidates.push(world.draft(0, 2, user(5)).gas(100_000).tip(tip).value(U256::from(1)).sign());
    candidates
}

/// Whoever may be the beneficiary.
fn candidates_for_coinbase() -> [Address; 7] {
    [
        user(0),
        user(4),
        ABSENT,
        MAKER,
        twin(MAKER, 0),
        ephemeral(MAKER, 0),
        // A precompile.
        Address::with_last_byte(4),
    ]
}

#[test]
fn hazard_02_and_04_the_coinbase_may_be_anybody_and_be_looked_at_in_any_way() {
    for spec in FORKS {
        for coinbase in candidates_for_coinbase() {
            for tip in [0, 1] {
                let mut world = stage(spec, coinbase);
                let built = check(&world, &roles(&world, tip));
                assert_eq!(built.transactions.len(), 13, "{:?}", built.skipped);
                if coinbase == twin(MAKER, 0) {
                    // There before the block, so that it is destroyed from the first.
                    world.deploy(coinbase, puppet());
                    check(&world, &roles(&world, tip));
                }
            }
        }
    }
}

#[test]
fn hazard_03_a_fee_of_nothing_touches_as_the_fork_says() {
    for spec in FORKS {
        for balance in [None, Some(0), Some(5)] {
            // A list says nothing of what was left empty from before EIP-161; a Weft chain has nothing of that kind.
            if spec == SpecId::OSAKA && balance == Some(0) {
                continue;
            }
            let mut world = stage(spec, ABSENT);
            if let Some(balance) = balance {
                world.state.set_balance(ABSENT, U256::from(balance));
            }
            world.rules.block_rewards = false;
            let candidates: Vec<_> = (0..3)
                .map(|n| world.draft(n, 0, user(5)).gas(21_000).tip(0).value(U256::from(1)).sign())
                .collect();
            let built = check(&world, &candidates);
            let change = built.diff.accounts.iter().find(|account| account.address == ABSENT);
            let clears = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
            match (balance, clears) {
                // Brought into being, or removed, by a touch alone.
                (None, false) => assert!(change.unwrap().after.is_some(), "{spec:?}"),
                (Some(0), true) => assert_eq!(change.unwrap().after, None, "{spec:?}"),
                _ => assert!(change.is_none(), "{spec:?} {balance:?}"),
            }
        }
    }
}

#[test]
fn hazard_05_rewards_of_the_block_are_paid_after_its_transactions() {
    for spec in [SpecId::FRONTIER, SpecId::SPURIOUS_DRAGON, SpecId::BYZANTIUM, SpecId::BERLIN] {
        let mut world = stage(spec, user(0));
        for (beneficiary, back) in [(user(7), 1), (user(0), 2), (twin(MAKER, 0), 6)] {
            let number = world.header.number - back;
            world.ommers.push(Header { beneficiary, number, ..Header::default() });
        }
        // User 7 owns nothing until the block has ended.
        let early = world.draft(7, 0, user(1)).gas(21_000).tip(1).sign();
        let mut candidates = roles(&world, 1);
        candidates.push(early);
        let built = check(&world, &candidates);
        assert_eq!(built.skipped.len(), 1, "{:?}", built.skipped);
        let paid = built.diff.accounts.iter().find(|a| a.address == user(7)).unwrap();
        assert!(paid.after.unwrap().balance >= ETHER);
    }
}

#[test]
fn hazard_06_a_reader_never_sees_a_balance_between_a_payment_and_its_fee() {
    // The beneficiary sends, is paid by its own fee, and is read after each: a fee that came later than the rest of its
    // transaction would show.
    for spec in [SpecId::SHANGHAI, SpecId::OSAKA] {
        let world = stage(spec, user(0));
        let look = calldata(&[
            Act::Coinbase { slot: 0 },
            Act::Look { how: Look::Balance, at: user(0), slot: 1 },
        ]);
        let mut candidates = Vec::new();
        for nonce in 0..6 {
            let sent = world.draft(0, nonce, user(1)).gas(21_000).tip(3).value(ETHER);
            candidates.push(sent.sign());
            candidates.push(world.draft(2, nonce, MAKER).tip(5).input(look.clone()).sign());
        }
        let built = check(&world, &candidates);
        assert_eq!(built.transactions.len(), 12);
    }
}

#[test]
fn hazard_04_the_coinbase_may_delegate_and_be_delegated_to() {
    for coinbase in [user(0), user(1), MAKER] {
        let world = stage(SpecId::OSAKA, coinbase);
        let acts = calldata(&[Act::SelfBalance { slot: 0 }, Act::Coinbase { slot: 1 }]);
        let candidates = [
            world.draft(2, 0, user(1)).authorize(authorize(1, 0, MAKER)).input(acts.clone()).sign(),
            world.draft(3, 0, user(1)).input(acts.clone()).value(U256::from(9)).sign(),
            world.draft(1, 1, user(0)).gas(21_000).value(ETHER).sign(),
            world.draft(0, 0, user(1)).input(acts).sign(),
        ];
        let built = check(&world, &candidates);
        assert_eq!(built.transactions.len(), 4, "{:?}", built.skipped);
    }
}
