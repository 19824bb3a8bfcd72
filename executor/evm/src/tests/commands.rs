//! Commands of a development chain: every mode agrees, and a block with commands is a block on the state they leave.

use super::asm::{counter, words};
use super::plain::check_alike;
use super::property::{
    Step, USERS, amount, contracts, settings, someone, steps, transactions, world_of,
};
use super::world::{COINBASE, ETHER, World, authorize, user};
use crate::MemoryState;
use crate::executor::{Executor, Mode};
use crate::rules::Rules;
use alloy_eip7928::AccountChanges;
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use proptest::prelude::*;
use weft_types::command::{COMMAND_SUPPLY_MAX, Clock};
use weft_types::settings::SETTINGS_ADDRESS;
use weft_types::{Account, AccountDiff, Action, Command, Settings, StateDiff, StateReader};

fn cheating(mut world: World) -> World {
    world.params.devnet_cheats = true;
    world.rules = Rules::weft(&world.params);
    world.state.set_nonce(SETTINGS_ADDRESS, 1);
    world
}

fn commands(actions: impl IntoIterator<Item = Action>) -> Vec<Command> {
    let command = |(salt, action)| Command { salt, last_height: 400, action };
    (0..).zip(actions).map(command).collect()
}

fn read(world: &World, state: &MemoryState) -> Settings {
    Settings::read(&world.params, state).unwrap()
}

fn account(state: &MemoryState, address: Address) -> Account {
    state.account(&address).unwrap().unwrap_or_default()
}

/// What a command does to an account, said once more: on a state, without a block.
fn do_plainly(state: &mut MemoryState, action: &Action) {
    let put = |state: &mut MemoryState, address: Address, after: Account, code: Option<Vec<u8>>| {
        let after = (!after.is_empty()).then_some(after);
        let change = AccountDiff { address, before: None, after, slots: Vec::new() };
        let code = code.map(|code| (keccak256(&code), Bytes::from(code)));
        state.apply(&StateDiff { accounts: vec![change], code: code.into_iter().collect() });
    };
    match action.clone() {
        Action::SetBalance { address, balance } => {
            let account = account(state, address);
            put(state, address, Account { balance, ..account }, None);
        }
        Action::AddBalance { address, amount } => {
            let account = account(state, address);
            put(state, address, Account { balance: account.balance + amount, ..account }, None);
        }
        Action::SetNonce { address, nonce } => {
            let account = account(state, address);
            put(state, address, Account { nonce: nonce.max(account.nonce), ..account }, None);
        }
        Action::SetCode { address, code } => {
            let before = account(state, address);
            let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(&code) };
            let mut after = Account { code_hash, code_size: code.len() as u32, ..before };
            if after.is_empty() && before.has_code() {
                after.nonce = 1;
            }
            put(state, address, after, Some(code).filter(|code| !code.is_empty()));
        }
        Action::SetStorage { address, slot, value } => {
            let before = account(state, address);
            let nonce = if before.is_empty() { 1 } else { before.nonce };
            put(state, address, Account { nonce, ..before }, None);
            state.set_storage(address, slot, value);
        }
        _ => {}
    }
}

fn action() -> impl Strategy<Value = Action> {
    let who = || (0..16u8).prop_map(someone);
    let amount = || (0..6u8).prop_map(amount);
    let code = (0..contracts().len() + 2).prop_map(|n| match contracts().get(n) {
        Some(code) => code.to_vec(),
        None => Vec::new(),
    });
    let clock =
        || (900..1_200u64, 900..1_200u64).prop_map(|(timestamp, now)| Clock { timestamp, now });
    prop_oneof![
        4 => (who(), amount()).prop_map(|(address, balance)| Action::SetBalance { address, balance }),
        2 => (who(), amount()).prop_map(|(address, amount)| Action::AddBalance { address, amount }),
        3 => (who(), 0..4u64).prop_map(|(address, nonce)| Action::SetNonce { address, nonce }),
        4 => (who(), code).prop_map(|(address, code)| Action::SetCode { address, code }),
        4 => (who(), 0..8u64, 0..3u64).prop_map(|(address, slot, value)| {
            Action::SetStorage { address, slot: U256::from(slot), value: U256::from(value) }
        }),
        1 => (who(), any::<bool>()).prop_map(|(address, on)| Action::Impersonate { address, on }),
        1 => any::<bool>().prop_map(|on| Action::ImpersonateAll { on }),
        1 => (1..4u32, 0..3u64).prop_map(|(blocks, interval_s)| {
            Action::Mine { blocks, interval_s, clock: None }
        }),
        1 => (0..100u64).prop_map(|seconds| Action::IncreaseTime { seconds }),
        1 => clock().prop_map(|clock| Action::SetTime { clock }),
        1 => clock().prop_map(|clock| Action::NextTimestamp { clock }),
        1 => (0..9u64).prop_map(|wei| Action::NextBaseFee { wei }),
        1 => who().prop_map(|address| Action::Coinbase { address: Some(address) }),
    ]
}

fn is_precompile(address: Address) -> bool {
    address == Address::with_last_byte(2)
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn random_commands_before_random_blocks_leave_every_mode_and_a_block_on_their_state_alike(
        blocks in prop::collection::vec((prop::collection::vec(action(), 0..12), steps()), 1..4),
        coinbase in 0..5u8,
        workers in 2..9usize,
    ) {
        let mut world = cheating(world_of(coinbase));
        for (actions, steps) in &blocks {
            let actions: Vec<Action> = actions.iter().filter(|action| !matches!(action,
                Action::SetCode { address, .. } if is_precompile(*address))).cloned().collect();
            world = check_block(world, &actions, steps, workers);
        }
    }
}

fn check_block(mut world: World, actions: &[Action], steps: &[Step], workers: usize) -> World {
    let mut plainly = world.state.clone();
    actions.iter().for_each(|action| do_plainly(&mut plainly, action));
    let mut nonces: Vec<u64> = (0..USERS).map(|n| account(&plainly, user(n)).nonce).collect();
    let candidates = transactions(&world, &mut nonces, steps);
    world.commands = commands(actions.iter().cloned());
    let built = check_alike(&world, &candidates, &[1, workers]);

    let mut other = World { state: plainly, commands: Vec::new(), ..cheating(World::bare()) };
    (other.header, other.params) = (world.header.clone(), world.params.clone());
    let expected = other.oracle(&built.transactions).unwrap();
    assert_eq!(built.receipts, expected.receipts, "receipts");
    assert_eq!(built.gas_used, expected.gas_used, "gas");
    let (after, expected) = (world.after(&built), other.after(&expected));
    for address in (0..32).map(someone) {
        assert_eq!(account(&after, address), account(&expected, address), "{address}");
        for slot in World::slots() {
            let value = |state: &MemoryState| state.storage(&address, &slot).unwrap();
            assert_eq!(value(&after), value(&expected), "{address} slot {slot}");
        }
    }
    world.commands = Vec::new();
    world.advance(&built);
    world
}

#[test]
fn what_commands_change_is_listed_at_index_zero() {
    let mut world = cheating(World::with_users(1));
    let (rich, coded) = (Address::repeat_byte(0x51), Address::repeat_byte(0x52));
    world.commands = commands([
        Action::SetBalance { address: rich, balance: ETHER },
        Action::SetCode { address: coded, code: counter().to_vec() },
        Action::SetStorage { address: coded, slot: U256::ZERO, value: U256::from(41) },
        Action::SetNonce { address: rich, nonce: 7 },
    ]);
    // The counter adds one to the slot that the command has set.
    let call = world.draft(0, 0, coded).input(words(&[U256::ZERO])).sign();
    let built = check_alike(&world, &[call], &[1, 2]);
    let list = Vec::<AccountChanges>::decode(&mut built.access_list.as_ref()).unwrap();
    let of = |address| list.iter().find(|changes| changes.address == address).unwrap();
    let balance = &of(rich).balance_changes[0];
    assert_eq!((balance.block_access_index.0, balance.post_balance), (0, ETHER));
    let nonce = &of(rich).nonce_changes[0];
    assert_eq!((nonce.block_access_index.0, nonce.new_nonce), (0, 7));
    let code = &of(coded).code_changes[0];
    assert_eq!((code.block_access_index.0, &code.new_code), (0, &counter()));
    let changes = &of(coded).storage_changes[0].changes;
    let values: Vec<_> = changes.iter().map(|c| (c.block_access_index.0, c.new_value)).collect();
    assert_eq!(values, [(0, U256::from(41)), (1, U256::from(42))]);
}

#[test]
fn a_list_that_keeps_a_command_silent_makes_the_block_invalid() {
    let mut world = cheating(World::with_users(1));
    let silent = check_alike(&world, &[], &[1]).access_list;
    world.commands = commands([Action::SetBalance { address: COINBASE, balance: ETHER }]);
    let told = check_alike(&world, &[], &[1]).access_list;
    let verify = |world: &World, list: &Bytes| {
        world.execute(&Executor::new(1), &[], Mode::WithList(list)).map(drop)
    };
    verify(&world, &told).unwrap();
    assert!(verify(&world, &silent).unwrap_err().is_verdict());
    world.commands = Vec::new();
    assert!(verify(&world, &told).unwrap_err().is_verdict());
}

#[test]
fn a_nonce_is_never_lowered_and_an_account_with_storage_never_empty() {
    let mut world = cheating(World::with_users(1));
    let (a, b, c) = (Address::repeat_byte(1), Address::repeat_byte(2), Address::repeat_byte(3));
    world.state.set_nonce(a, 5);
    world.state.set_balance(c, ETHER);
    world.commands = commands([
        Action::SetNonce { address: a, nonce: 4 },
        Action::SetCode { address: b, code: vec![0] },
        Action::SetStorage { address: b, slot: U256::ZERO, value: ETHER },
        Action::SetCode { address: b, code: Vec::new() },
        Action::SetBalance { address: c, balance: U256::ZERO },
    ]);
    let after = world.after(&check_alike(&world, &[], &[1]));
    assert_eq!(account(&after, a).nonce, 5);
    assert_eq!(account(&after, b).nonce, 1);
    assert_eq!(after.account(&c).unwrap(), None, "nothing is left of it");
}

#[test]
fn balances_stay_within_what_the_state_can_hold() {
    let mut world = cheating(World::with_users(1));
    let [a, b] = [1, 2].map(Address::repeat_byte);
    world.commands = commands([
        Action::SetBalance { address: a, balance: COMMAND_SUPPLY_MAX },
        Action::AddBalance { address: b, amount: U256::from(1) },
    ]);
    let built = check_alike(&world, &[], &[1]);
    let after = world.after(&built);
    assert_eq!(account(&after, a).balance, COMMAND_SUPPLY_MAX);
    assert_eq!(account(&after, b).balance, U256::ZERO, "there is no room for more");
    world.advance(&built);
    world.commands = commands([
        Action::SetBalance { address: a, balance: U256::ZERO },
        Action::AddBalance { address: b, amount: ETHER },
    ]);
    let after = world.after(&check_alike(&world, &[], &[1]));
    assert_eq!(account(&after, b).balance, ETHER, "what was taken makes room");
}

#[test]
fn what_every_block_needs_is_left_alone() {
    let mut world = cheating(World::with_users(1));
    let address = WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
    let before = account(&world.state, address);
    world.commands = commands([
        Action::SetCode { address, code: Vec::new() },
        Action::SetStorage { address, slot: U256::ZERO, value: U256::MAX },
        Action::SetNonce { address, nonce: 9 },
        Action::SetStorage { address: SETTINGS_ADDRESS, slot: U256::ZERO, value: U256::MAX },
        Action::SetCode { address: COINBASE, code: vec![0xef, 1, 0] },
    ]);
    let after = world.after(&check_alike(&world, &[], &[1]));
    assert_eq!(account(&after, address), before);
    assert_eq!(read(&world, &after), Settings::default());
    assert!(!account(&after, COINBASE).has_code(), "no account can have such code");
}

#[test]
fn settings_are_read_from_the_state_that_commands_left() {
    let mut world = cheating(World::with_users(1));
    let clock = |timestamp| Clock { timestamp, now: 1_000 };
    world.commands = commands([
        Action::SetTime { clock: clock(5_000) },
        Action::IncreaseTime { seconds: 100 },
        Action::SetTime { clock: clock(10) },
        Action::NextBaseFee { wei: 0 },
        Action::GasLimit { gas: 40_000 },
        Action::Coinbase { address: Some(Address::ZERO) },
        Action::Automine { on: false },
        Action::Interval { ms: 0 },
        Action::Impersonate { address: COINBASE, on: true },
        Action::Mine { blocks: 3, interval_s: 60, clock: None },
    ]);
    let after = world.after(&check_alike(&world, &[], &[1]));
    let settings = read(&world, &after);
    let expected = Settings {
        offset_s: 4_000 + 100 + 120,
        base_fee: Some((301, 0)),
        gas_limit: Some(40_000),
        coinbase: Some(Address::ZERO),
        manual: true,
        interval_ms: Some(0),
        mining: Some((302, 60)),
        ..Settings::default()
    };
    assert_eq!(settings, expected);
    assert!(settings.impersonates(COINBASE, &after).unwrap());
    assert!(!settings.impersonates(user(0), &after).unwrap());
}

#[test]
fn an_impersonated_contract_may_send() {
    let mut world = cheating(World::with_users(2));
    world.deploy(user(1), counter());
    let sent = world.draft(1, 1, user(0)).gas(60_000).sign();
    let built = check_alike(&world, std::slice::from_ref(&sent), &[1, 2]);
    assert_eq!(built.transactions.len(), 1);
    world.params.devnet_cheats = false;
    world.rules = Rules::weft(&world.params);
    let refused = check_alike(&world, &[sent], &[1, 2]);
    assert!(
        refused.skipped[0].reason.contains("reject transactions from senders with deployed code"),
        "{:?}",
        refused.skipped
    );
}

#[test]
fn an_account_that_a_command_has_emptied_is_gone_for_the_transactions() {
    let mut world = cheating(World::with_users(4));
    world.commands = commands([Action::SetBalance { address: user(3), balance: U256::ZERO }]);
    // The refund of an authorization asks whether its account exists.
    let authorization = authorize(3, 0, Address::repeat_byte(9));
    let sent = world.draft(0, 0, user(1)).authorize(authorization).sign();
    let built = check_alike(&world, std::slice::from_ref(&sent), &[1, 2]);
    world.commands = Vec::new();
    let there = check_alike(&world, &[sent], &[1, 2]);
    assert_eq!(built.gas_used, there.gas_used / 4 * 5, "only one that exists has a fifth refunded");
}
