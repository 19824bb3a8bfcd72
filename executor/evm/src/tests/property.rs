//! Random blocks on a small pool of accounts and contracts.

use super::asm::{Asm, counter, deployer, op, word, words};
use super::plain::check_with;
use super::world::{COINBASE, ETHER, World, authorize, user};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::{Address, Bytes, U256};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::sync::Arc;
use weft_types::RecoveredTransaction;

/// Users 0 to 5 are rich, 6 and 7 own nothing until somebody pays them.
pub(super) const USERS: u8 = 8;
const RICH: u8 = 6;

const fn at(n: u8) -> Address {
    Address::repeat_byte(0xa0 + n)
}

/// The contracts at `at(0)`, `at(1)`, ...
pub(super) fn contracts() -> Vec<Bytes> {
    let one_word_call =
        |asm: Asm| asm.push(U256::ZERO).push(U256::ZERO).push(U256::ZERO).push(U256::ZERO);
    let create = |initcode: &[u8]| {
        Asm::new().memory(initcode).push(U256::from(initcode.len())).push(U256::ZERO)
    };
    let destroy =
        Asm::new().push(U256::from(1)).store(0).op(&[op::COINBASE, op::SELFDESTRUCT]).code();
    let destroy_self = Asm::new().op(&[op::ADDRESS, op::SELFDESTRUCT]).code();
    let twin = deployer(&counter());
    vec![
        counter(),
        // Writes, then reverts.
        Asm::new()
            .push(U256::from(5))
            .store(0)
            .push(U256::ZERO)
            .push(U256::ZERO)
            .op(&[op::REVERT])
            .code(),
        // slot[arg1] = balance(arg0)
        Asm::new().argument(0).op(&[op::BALANCE]).argument(1).op(&[op::SSTORE]).code(),
        // slot[arg0] = balance(coinbase)
        Asm::new().op(&[op::COINBASE, op::BALANCE]).argument(0).op(&[op::SSTORE]).code(),
        // slot[arg0] = selfbalance
        Asm::new().op(&[op::SELFBALANCE]).argument(0).op(&[op::SSTORE]).code(),
        // slot[arg1] = extcodehash(arg0)
        Asm::new().argument(0).op(&[op::EXTCODEHASH]).argument(1).op(&[op::SSTORE]).code(),
        // slot[7] = call(arg0, value arg1)
        one_word_call(Asm::new()).argument(1).argument(0).op(&[op::GAS, op::CALL]).store(7).code(),
        // slot[0] = create2(counter, salt 7)
        Asm::new()
            .memory(&twin)
            .push(U256::from(7))
            .push(U256::from(twin.len()))
            .push(U256::ZERO)
            .op(&[op::CALLVALUE, op::CREATE2])
            .store(0)
            .code(),
        // slot[0] = create(writes a slot and destroys itself in favour of the coinbase)
        create(&destroy).op(&[op::CALLVALUE, op::CREATE]).store(0).code(),
        // slot[0] = create(destroys itself in favour of itself)
        create(&destroy_self).op(&[op::CALLVALUE, op::CREATE]).store(0).code(),
        // slot[1] = create(nothing)
        Asm::new()
            .push(U256::ZERO)
            .push(U256::ZERO)
            .push(U256::ZERO)
            .op(&[op::CREATE])
            .store(1)
            .code(),
        // slot[arg0] = blockhash(number - arg1)
        Asm::new()
            .argument(1)
            .op(&[op::NUMBER, op::SUB, op::BLOCKHASH])
            .argument(0)
            .op(&[op::SSTORE])
            .code(),
        // slot[0] = sha256(calldata word 0), by the precompile
        Asm::new()
            .argument(0)
            .push(U256::ZERO)
            .op(&[op::MSTORE])
            .push(U256::from(32))
            .push(U256::ZERO)
            .push(U256::from(32))
            .push(U256::ZERO)
            .push(U256::from(2))
            .op(&[op::GAS, op::STATICCALL, op::POP])
            .push(U256::ZERO)
            .op(&[op::MLOAD])
            .store(0)
            .code(),
        // slot[0] = parent hash, by the history contract
        Asm::new()
            .push(U256::from(1))
            .op(&[op::NUMBER, op::SUB])
            .push(U256::ZERO)
            .op(&[op::MSTORE])
            .push(U256::from(32))
            .push(U256::ZERO)
            .push(U256::from(32))
            .push(U256::ZERO)
            .address(HISTORY_STORAGE_ADDRESS)
            .op(&[op::GAS, op::STATICCALL, op::POP])
            .push(U256::ZERO)
            .op(&[op::MLOAD])
            .store(0)
            .code(),
        // Runs forever.
        Asm::new().op(&[op::JUMPDEST]).push(U256::ZERO).op(&[op::JUMP]).code(),
        // slot[7] = callcode(arg0, value arg1)
        one_word_call(Asm::new())
            .argument(1)
            .argument(0)
            .op(&[op::GAS, op::CALLCODE])
            .store(7)
            .code(),
        // Destroys itself in favour of arg0; since Cancun it only pays out.
        Asm::new().argument(0).op(&[op::SELFDESTRUCT]).code(),
    ]
}

#[derive(Clone, Debug)]
enum Act {
    Pay { to: u8, value: u8 },
    Call { contract: u8, word: u8, number: u8, value: u8 },
    CallUser { to: u8, word: u8, number: u8 },
    Create { value: u8 },
    Delegate { authority: u8, contract: Option<u8>, call: u8 },
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    from: u8,
    tip: u8,
    act: Act,
}

fn act() -> impl Strategy<Value = Act> {
    let contract = 0..contracts().len() as u8;
    prop_oneof![
        4 => (0..USERS + 3, 0..6u8).prop_map(|(to, value)| Act::Pay { to, value }),
        6 => (contract.clone(), 0..16u8, 0..6u8, 0..4u8)
            .prop_map(|(contract, word, number, value)| Act::Call { contract, word, number, value }),
        2 => (0..USERS, 0..16u8, 0..6u8).prop_map(|(to, word, number)| Act::CallUser { to, word, number }),
        1 => (0..4u8).prop_map(|value| Act::Create { value }),
        2 => (0..USERS, prop::option::weighted(0.8, contract), 0..USERS)
            .prop_map(|(authority, contract, call)| Act::Delegate { authority, contract, call }),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..USERS, 0..3u8, act()).prop_map(|(from, tip, act)| Step { from, tip, act });
    prop::collection::vec(step, 1..40)
}

/// An amount, a small one up to more than anybody has.
pub(super) fn amount(n: u8) -> U256 {
    match n {
        0 => U256::ZERO,
        1 => U256::from(1),
        // Enough for a transaction or two.
        2 => U256::from(600_000_000_000u64),
        3 => ETHER,
        4 => U256::from(60) * ETHER,
        _ => U256::from(1_000) * ETHER,
    }
}

/// Someone: a user, the coinbase, a contract, or an account that does not exist.
pub(super) fn someone(n: u8) -> Address {
    match n {
        n if n < USERS => user(n),
        8 => COINBASE,
        9 => at(4),
        10 => Address::repeat_byte(0x77),
        // Where the factory puts its contract, and a precompile.
        11 => at(7).create2_from_code(U256::from(7).to_be_bytes::<32>(), deployer(&counter())),
        12 => Address::with_last_byte(2),
        n => at(n),
    }
}

pub(super) fn transactions(
    world: &World,
    nonces: &mut [u64],
    steps: &[Step],
) -> Vec<Arc<RecoveredTransaction>> {
    let mut out = Vec::new();
    for step in steps {
        let nonce = nonces[usize::from(step.from)];
        nonces[usize::from(step.from)] += 1;
        let draft =
            |to: Option<Address>| world.draft(step.from, nonce, to).tip(u128::from(step.tip));
        let data = |who: u8, number: u8| {
            let number = if who.is_multiple_of(2) { U256::from(number) } else { amount(number) };
            words(&[word(someone(who)), number])
        };
        out.push(
            match step.act {
                Act::Pay { to, value } => draft(Some(someone(to))).gas(60_000).value(amount(value)),
                Act::Call { contract, word, number, value } => {
                    draft(Some(at(contract))).value(amount(value)).input(data(word, number))
                }
                Act::CallUser { to, word, number } => {
                    draft(Some(user(to))).input(data(word, number))
                }
                Act::Create { value } => {
                    draft(None).value(amount(value)).input(deployer(&counter()))
                }
                Act::Delegate { authority, contract, call } => {
                    let expected = nonces[usize::from(authority)];
                    nonces[usize::from(authority)] += 1;
                    let target = contract.map_or(Address::ZERO, at);
                    draft(Some(user(call)))
                        .authorize(authorize(authority, expected, target))
                        .input(data(call, 1))
                }
            }
            .sign(),
        );
    }
    out
}

fn beneficiary(n: u8) -> Address {
    match n {
        0 => COINBASE,
        1 => user(0),
        2 => at(4),
        // Where the factory puts its contract.
        3 => someone(11),
        _ => user(6),
    }
}

pub(super) fn world_of(coinbase: u8) -> World {
    let mut world = World::with_users(RICH);
    for (n, code) in contracts().into_iter().enumerate() {
        world.deploy(at(n as u8), code);
    }
    world.state.set_balance(at(6), U256::from(3) * ETHER);
    world.header.beneficiary = beneficiary(coinbase);
    world
}

/// As many cases as `PROPTEST_CASES` says, else few enough for every day. A failure prints its shrunk input and the
/// command that replays it: the seed is chosen here and told, not hidden in the runner.
#[expect(clippy::print_stdout, reason = "shown with a failing test only")]
pub(super) fn settings() -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").map_or(48, |cases| cases as u32);
    let seed = number("PROPTEST_RNG_SEED").unwrap_or_else(|| {
        let now = std::time::UNIX_EPOCH.elapsed();
        now.map_or(0, |since| since.as_nanos() as u64)
    });
    println!(
        "replay: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases} cargo test --release -p weft-evm random_blocks"
    );
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn random_blocks_execute_as_a_plain_loop_would(
        blocks in prop::collection::vec(steps(), 1..4),
        coinbase in 0..5u8,
        workers in 2..9usize,
    ) {
        let mut world = world_of(coinbase);
        let mut nonces = [0u64; USERS as usize];
        for block in &blocks {
            let candidates = transactions(&world, &mut nonces, block);
            let built = check_with(&world, &candidates, &[1, workers]);
            world.advance(&built);
            use weft_types::StateReader;
            for (n, nonce) in nonces.iter_mut().enumerate() {
                *nonce = world.state.account(&user(n as u8)).unwrap().unwrap_or_default().nonce;
            }
        }
    }
}
