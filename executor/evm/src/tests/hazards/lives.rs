//! Hazards 14 to 25: accounts that are empty, destroyed, and made again.

use crate::tests::plain::check;
use crate::tests::puppet::{Act, Call, Look, calldata, ephemeral, puppet, twin};
use crate::tests::world::{ETHER, World, user};
use crate::{BlockInput, Executed, Executor, Mode, Products, SpecId};
use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use std::sync::Arc;
use weft_types::{Account, RecoveredTransaction, RunMode, StateReader};

/// The puppet that makes others.
const MAKER: Address = Address::repeat_byte(0xa0);
/// Nobody, and somebody empty.
const ABSENT: Address = Address::repeat_byte(0xee);
const EMPTY: Address = Address::repeat_byte(0xef);

/// Users with money, and the maker.
fn stage(spec: SpecId) -> World {
    let mut world = World::bare().under(spec);
    for n in 0..8 {
        world.state.set_balance(user(n), U256::from(100) * ETHER);
    }
    world.deploy(MAKER, puppet());
    world.state.set_balance(MAKER, U256::from(10));
    world
}

/// The first transaction of user `n`: `at` acts.
fn tell(world: &World, n: u8, at: Address, acts: &[Act]) -> Arc<RecoveredTransaction> {
    world.draft(n, 0, at).gas(3_000_000).input(calldata(acts)).sign()
}

/// The first transaction of user `n`: it pays.
fn pay(world: &World, n: u8, to: Address, value: u64) -> Arc<RecoveredTransaction> {
    world.draft(n, 0, to).gas(100_000).value(U256::from(value)).sign()
}

fn call(to: Address, value: u64, acts: Vec<Act>) -> Act {
    Act::Call { how: Call::Plain, to, value: U256::from(value), told: false, acts }
}

fn store(slot: u64, value: u64) -> Act {
    Act::Store { slot, value: U256::from(value) }
}

fn at(world: &World, built: &Executed, address: Address, slot: u64) -> U256 {
    world.after(built).storage(&address, &U256::from(slot)).unwrap()
}

fn account(world: &World, built: &Executed, address: Address) -> Option<Account> {
    world.after(built).account(&address).unwrap()
}

#[test]
fn hazard_14_empty_and_absent_are_told_apart_as_the_fork_says() {
    for spec in [
        SpecId::FRONTIER,
        SpecId::HOMESTEAD,
        SpecId::TANGERINE,
        SpecId::SPURIOUS_DRAGON,
        SpecId::PETERSBURG,
        SpecId::BERLIN,
        SpecId::CANCUN,
        SpecId::OSAKA,
    ] {
        let mut world = stage(spec);
        world.state.set_balance(EMPTY, U256::ZERO);
        // A list says nothing of what was left empty from before EIP-161; a Weft chain has nothing of that kind.
        let both = [ABSENT, EMPTY];
        for someone in if spec == SpecId::OSAKA { &both[..1] } else { &both[..] } {
            let someone = *someone;
            // The gas of each call says whether the account was there; its code hash says so too, where there is one.
            let look = |slot| Act::Look { how: Look::CodeHash, at: someone, slot };
            let touch = call(someone, 0, vec![]);
            let gas = |slot| Act::Gas { slot };
            let has_hash = spec.is_enabled_in(SpecId::PETERSBURG);
            let acts = [look(0), touch.clone(), look(1), call(someone, 1, vec![]), look(2)];
            let acts: Vec<Act> = acts
                .into_iter()
                .filter(|act| has_hash || !matches!(act, Act::Look { .. }))
                .chain([gas(3)])
                .collect();
            let touched = tell(&world, 0, MAKER, &[touch, gas(3)]);
            let looked = tell(&world, 1, MAKER, &acts);
            let again = tell(&world, 2, MAKER, &acts);
            let dies = tell(&world, 3, MAKER, &[Act::Destroy { heir: someone }]);
            let only = check(&world, std::slice::from_ref(&touched));
            let lives = account(&world, &only, someone).is_some();
            assert_eq!(lives, !spec.is_enabled_in(SpecId::SPURIOUS_DRAGON), "{spec:?} {someone}");
            check(&world, &[touched.clone(), looked.clone(), again.clone(), dies.clone()]);
            check(&world, &[dies, touched, looked, again]);
        }
    }
}

#[test]
fn hazard_15_what_a_destroyed_contract_stored_is_gone_when_it_is_made_again() {
    let child = twin(MAKER, 0);
    for from_before in [false, true] {
        let mut world = stage(SpecId::SHANGHAI);
        world.deploy(child, puppet());
        if from_before {
            world.state.set_storage(child, U256::from(1), U256::from(9));
            world.state.set_storage(child, U256::from(3), U256::from(5));
        }
        let candidates = [
            tell(&world, 0, child, &[store(1, 7)]),
            tell(&world, 1, child, &[Act::Destroy { heir: MAKER }]),
            tell(&world, 2, MAKER, &[Act::Create2 { salt: 0, value: U256::from(1) }]),
            tell(&world, 3, child, &[Act::Copy { slot: 2, from: 1 }]),
        ];
        let built = check(&world, &candidates);
        assert_eq!(built.wiped, [child]);
        assert_eq!(at(&world, &built, child, 2), U256::from(1), "slot 1 reads zero");
        assert_eq!(at(&world, &built, child, 1), U256::ZERO);
        assert_eq!(at(&world, &built, child, 3), U256::ZERO, "a slot that nobody touched");
        assert_eq!(account(&world, &built, child).unwrap().nonce, 1);
        // Since Cancun nothing is destroyed: the creation collides, the slots stay.
        let world = World { state: world.state.clone(), ..stage(SpecId::CANCUN) };
        let built = check(&world, &candidates);
        assert!(built.wiped.is_empty());
        assert_eq!(at(&world, &built, child, 2), U256::from(8));
    }
}

#[test]
fn hazard_16_writing_destroying_and_making_again_in_any_order_is_read_in_that_order() {
    let child = twin(MAKER, 0);
    let acts: [(Address, Vec<Act>); 4] = [
        (child, vec![store(1, 7)]),
        (child, vec![Act::Destroy { heir: MAKER }]),
        (MAKER, vec![Act::Create2 { salt: 0, value: U256::from(1) }]),
        (
            MAKER,
            vec![
                Act::Look { how: Look::CodeHash, at: child, slot: 0 },
                Act::Look { how: Look::Balance, at: child, slot: 1 },
                call(
                    child,
                    0,
                    vec![Act::Copy { slot: 2, from: 1 }, Act::Create { value: U256::ZERO }],
                ),
            ],
        ),
    ];
    for order in permutations(4) {
        for deployed in [false, true] {
            for spec in [SpecId::BERLIN, SpecId::SHANGHAI] {
                let mut world = stage(spec);
                if deployed {
                    world.deploy(child, puppet());
                    world.state.set_storage(child, U256::from(1), U256::from(9));
                }
                // The reader comes in the middle and once more at the end.
                let mut places = order.clone();
                places.push(3);
                let candidates: Vec<_> = places
                    .iter()
                    .enumerate()
                    .map(|(n, which)| tell(&world, n as u8, acts[*which].0, &acts[*which].1))
                    .collect();
                check(&world, &candidates);
            }
        }
    }
}

/// All orders of `0..n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..n).map(move |place| {
            let mut longer = shorter.clone();
            longer.insert(place, n - 1);
            longer
        })
    };
    permutations(n - 1).into_iter().flat_map(insert).collect()
}

#[test]
fn hazard_18_a_transfer_revives_a_destroyed_account_without_nonce_and_code() {
    let child = twin(MAKER, 0);
    for spec in [SpecId::FRONTIER, SpecId::BYZANTIUM, SpecId::SHANGHAI] {
        let mut world = stage(spec);
        world.deploy(child, puppet());
        world.state.set_nonce(child, 5);
        world.state.set_storage(child, U256::from(1), U256::from(9));
        let candidates = [
            tell(&world, 0, child, &[Act::Destroy { heir: MAKER }]),
            pay(&world, 1, child, 1),
            tell(&world, 2, MAKER, &[Act::Look { how: Look::CodeSize, at: child, slot: 0 }]),
        ];
        let built = check(&world, &candidates);
        let revived = account(&world, &built, child).unwrap();
        assert_eq!((revived.nonce, revived.balance), (0, U256::from(1)), "{spec:?}");
        assert_eq!(revived.code_hash, KECCAK256_EMPTY);
        assert_eq!(at(&world, &built, child, 1), U256::ZERO);
        assert_eq!(at(&world, &built, MAKER, 0), U256::ZERO);
    }
}

/// A list cannot say that storage is gone. It need not, where nobody looks.
#[test]
fn hazard_15_a_list_suffices_where_nobody_looks_at_the_storage_of_the_destroyed() {
    let child = twin(MAKER, 0);
    let mut world = stage(SpecId::SHANGHAI);
    world.deploy(child, puppet());
    world.state.set_storage(child, U256::from(1), U256::from(9));
    let dies = || Act::Destroy { heir: MAKER };
    let create = || Act::Create2 { salt: 0, value: U256::ZERO };
    let unseen = [tell(&world, 0, child, &[dies()]), pay(&world, 1, child, 3)];
    let revived =
        [unseen[0].clone(), tell(&world, 1, MAKER, &[create(), call(child, 0, vec![dies()])])];
    let seen =
        [unseen[0].clone(), tell(&world, 1, MAKER, &[create(), call(child, 0, vec![store(1, 2)])])];
    let executor = Executor::new(2).with_min_parallel_transactions(0);
    let products = Products { access_record: false, incarnations: false, ..Products::ALL };
    for (candidates, listed) in [(unseen, true), (revived, true), (seen, false)] {
        let built = check(&world, &candidates);
        let block = BlockInput {
            header: &world.header,
            transactions: &built.transactions,
            ommers: &[],
            withdrawals: &[],
            commands: &[],
            rules: &world.rules,
        };
        let mode = Mode::WithList(&built.access_list);
        let found = executor.execute(&block, &world.reader(), mode, products).unwrap();
        assert_eq!((&found.wiped, &found.diff), (&built.wiped, &built.diff));
        assert_eq!(found.wiped, [child]);
        assert_eq!(found.profile.mode == RunMode::AccessList, listed);
    }
}

#[test]
fn hazard_19_who_is_destroyed_twice_is_destroyed_once() {
    let child = twin(MAKER, 0);
    let destroy = || Act::Destroy { heir: MAKER };
    for spec in [SpecId::FRONTIER, SpecId::BYZANTIUM, SpecId::SHANGHAI, SpecId::OSAKA] {
        let mut world = stage(spec);
        world.deploy(child, puppet());
        world.state.set_balance(child, U256::from(4));
        let twice = [call(child, 1, vec![destroy()]), call(child, 2, vec![destroy()])];
        let create = Act::Create2 { salt: 0, value: U256::ZERO };
        let candidates = [
            tell(&world, 0, MAKER, &twice),
            tell(&world, 1, child, &[destroy()]),
            tell(&world, 2, MAKER, std::slice::from_ref(&create)),
            // A collision, or a second life.
            tell(&world, 3, MAKER, &[create.clone(), call(child, 0, vec![destroy()]), create]),
            pay(&world, 4, child, 0),
            tell(&world, 5, child, &[destroy()]),
        ];
        let built = check(&world, &candidates);
        assert_eq!(built.wiped.contains(&child), !spec.is_enabled_in(SpecId::CANCUN), "{spec:?}");
        check(&world, &[candidates[0].clone(), candidates[1].clone(), candidates[4].clone()]);
    }
}

#[test]
fn hazard_20_no_ghost_is_met_in_the_next_block_either() {
    let child = ephemeral(MAKER, 0);
    let make = [Act::Ephemeral { salt: 0, value: U256::from(1) }];
    for spec in [SpecId::BERLIN, SpecId::SHANGHAI, SpecId::CANCUN, SpecId::OSAKA] {
        let mut world = stage(spec);
        let first = check(&world, &[tell(&world, 0, MAKER, &make)]);
        assert_eq!(account(&world, &first, child), None, "{spec:?}");
        world.state = world.after(&first);
        let look = Act::Look { how: Look::CodeSize, at: child, slot: 0 };
        let second = check(
            &world,
            &[
                tell(&world, 1, MAKER, &[make[0].clone(), call(child, 0, vec![]), look]),
                pay(&world, 2, child, 3),
                tell(&world, 3, MAKER, &make),
            ],
        );
        // It is paid between, and passes that on when it is made and destroyed once more.
        assert_eq!(account(&world, &second, child), None);
        assert_eq!(at(&world, &second, MAKER, 2), crate::tests::asm::word(child), "no collision");
        assert_eq!(account(&world, &second, MAKER).unwrap().balance, U256::from(13));
    }
}

#[test]
fn hazard_21_a_reverted_self_destruct_takes_no_earlier_write_with_it() {
    let child = twin(MAKER, 0);
    for spec in [SpecId::BYZANTIUM, SpecId::SHANGHAI, SpecId::OSAKA] {
        let mut world = stage(spec);
        world.deploy(child, puppet());
        world.state.set_balance(child, U256::from(4));
        let die = call(child, 0, vec![store(2, 8), Act::Destroy { heir: MAKER }]);
        let undone = call(MAKER, 0, vec![die, Act::Revert]);
        let candidates = [
            tell(&world, 0, MAKER, &[call(child, 0, vec![store(1, 7)]), undone, store(0, 3)]),
            tell(&world, 1, child, &[Act::Copy { slot: 3, from: 1 }]),
        ];
        let built = check(&world, &candidates);
        assert!(built.wiped.is_empty());
        let slots = [1, 2, 3].map(|slot| at(&world, &built, child, slot));
        assert_eq!(slots, [7, 0, 8].map(U256::from), "{spec:?}");
        assert_eq!(account(&world, &built, child).unwrap().balance, U256::from(4));
    }
}

#[test]
fn hazard_24_an_update_of_a_contract_made_again_keeps_its_slots() {
    let child = twin(MAKER, 0);
    let mut world = stage(SpecId::SHANGHAI);
    world.deploy(child, puppet());
    let candidates = [
        tell(&world, 0, child, &[store(1, 7)]),
        tell(&world, 1, child, &[Act::Destroy { heir: MAKER }]),
        tell(
            &world,
            2,
            MAKER,
            &[Act::Create2 { salt: 0, value: U256::ZERO }, call(child, 1, vec![store(3, 6)])],
        ),
        pay(&world, 3, child, 1),
        tell(&world, 4, child, &[Act::Copy { slot: 0, from: 3 }]),
    ];
    let built = check(&world, &candidates);
    let slots = [0, 1, 3].map(|slot| at(&world, &built, child, slot));
    assert_eq!(slots, [7, 0, 6].map(U256::from));
    assert_eq!(account(&world, &built, child).unwrap().balance, U256::from(2));
}
