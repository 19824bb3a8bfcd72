//! `eth_call` and `eth_estimateGas`.

use super::asm::{Asm, counter, deployer, op, token, token_slot, word, words};
use super::world::{ETHER, World, authorize, user};
use crate::{CallError, CallOutcome, CallRequest, CallStatus, Rules, call, estimate_gas};
use alloy_primitives::{Address, Bytes, U256};

const CONTRACT: Address = Address::repeat_byte(0xa1);
const CAP: u64 = 50_000_000;

fn run(world: &World, request: &CallRequest) -> Result<CallOutcome, CallError> {
    call(request, &world.header, &world.state, &Rules::weft(&world.params), CAP)
}

fn estimate(world: &World, request: &CallRequest) -> Result<u64, CallError> {
    estimate_gas(request, &world.header, &world.state, &Rules::weft(&world.params), CAP)
}

/// Returns the top of the stack.
fn returning(asm: Asm) -> Bytes {
    asm.push(U256::ZERO)
        .op(&[op::MSTORE])
        .push(U256::from(32))
        .push(U256::ZERO)
        .op(&[op::RETURN])
        .code()
}

#[test]
fn a_call_returns_what_the_contract_returns_and_needs_neither_funds_nor_nonce() {
    let mut world = World::bare();
    world.deploy(CONTRACT, returning(Asm::new().argument(0)));
    let request = CallRequest {
        from: user(9),
        to: Some(CONTRACT),
        input: words(&[U256::from(42)]),
        nonce: Some(77),
        ..CallRequest::default()
    };
    let outcome = run(&world, &request).unwrap();
    assert_eq!(outcome.status, CallStatus::Success);
    assert_eq!(outcome.output, words(&[U256::from(42)]));
    assert!(outcome.gas_used > 21_000);
}

#[test]
fn a_contract_may_be_the_sender_of_a_call() {
    let mut world = World::bare();
    world.deploy(CONTRACT, returning(Asm::new().op(&[op::CALLER])));
    let request = CallRequest { from: CONTRACT, to: Some(CONTRACT), ..CallRequest::default() };
    assert_eq!(run(&world, &request).unwrap().output, words(&[word(CONTRACT)]));
}

#[test]
fn without_fee_fields_the_base_fee_is_zero_and_with_them_it_is_the_blocks() {
    let mut world = World::with_users(1);
    world.deploy(CONTRACT, returning(Asm::new().op(&[op::BASEFEE])));
    let free = CallRequest { from: user(0), to: Some(CONTRACT), ..CallRequest::default() };
    assert_eq!(run(&world, &free).unwrap().output, words(&[U256::ZERO]));
    let paid = CallRequest { max_fee_per_gas: Some(1_000_000), ..free.clone() };
    assert_eq!(run(&world, &paid).unwrap().output, words(&[U256::from(1_000)]));
    let cheap = CallRequest { max_fee_per_gas: Some(999), ..free.clone() };
    assert!(run(&world, &cheap).unwrap_err().to_string().contains("less than block base fee"));
    let poor = CallRequest { from: user(5), gas_price: Some(1_000_000), ..free };
    assert!(run(&world, &poor).unwrap_err().to_string().contains("insufficient funds"));
}

#[test]
fn a_value_that_the_sender_does_not_have_is_refused() {
    let world = World::with_users(1);
    let request = CallRequest {
        from: user(0),
        to: Some(user(1)),
        value: U256::from(101) * ETHER,
        ..CallRequest::default()
    };
    assert!(matches!(run(&world, &request), Err(CallError::Invalid { .. })));
}

#[test]
fn a_plain_transfer_is_estimated_at_21000() {
    let world = World::with_users(1);
    let request = CallRequest {
        from: user(0),
        to: Some(user(1)),
        value: ETHER,
        nonce: Some(500),
        ..CallRequest::default()
    };
    assert_eq!(estimate(&world, &request), Ok(21_000));
}

#[test]
fn an_estimate_is_enough_and_little_less_is_not() {
    let mut world = World::with_users(2);
    world.deploy(CONTRACT, token());
    world.state.set_storage(CONTRACT, token_slot(user(0)), U256::from(100));
    let transfer = CallRequest {
        from: user(0),
        to: Some(CONTRACT),
        input: words(&[word(user(1)), U256::from(7)]),
        ..CallRequest::default()
    };
    let creation =
        CallRequest { from: user(0), input: deployer(&counter()), ..CallRequest::default() };
    let delegated = CallRequest {
        from: user(0),
        to: Some(user(1)),
        authorization_list: vec![authorize(1, 0, CONTRACT)],
        ..CallRequest::default()
    };
    for request in [transfer, creation, delegated] {
        let gas = estimate(&world, &request).unwrap();
        let with = |gas| run(&world, &CallRequest { gas: Some(gas), ..request.clone() });
        assert_eq!(with(gas).unwrap().status, CallStatus::Success);
        let less = with(gas * 97 / 100);
        assert!(
            !matches!(less, Ok(CallOutcome { status: CallStatus::Success, .. })),
            "{gas}: {less:?}"
        );
    }
}

#[test]
fn a_revert_is_reported_with_its_output() {
    let mut world = World::with_users(1);
    let code = Asm::new()
        .push(U256::from(5))
        .push(U256::ZERO)
        .op(&[op::MSTORE])
        .push(U256::from(32))
        .push(U256::ZERO)
        .op(&[op::REVERT])
        .code();
    world.deploy(CONTRACT, code);
    let request = CallRequest { from: user(0), to: Some(CONTRACT), ..CallRequest::default() };
    let output = words(&[U256::from(5)]);
    assert_eq!(run(&world, &request).unwrap().output, output);
    assert_eq!(estimate(&world, &request), Err(CallError::Reverted { output }));
}

#[test]
fn a_loop_without_end_is_reported_as_more_than_the_allowance() {
    let mut world = World::with_users(1);
    world.deploy(CONTRACT, Asm::new().op(&[op::JUMPDEST]).push(U256::ZERO).op(&[op::JUMP]).code());
    let request = CallRequest {
        from: user(0),
        to: Some(CONTRACT),
        gas: Some(100_000),
        ..CallRequest::default()
    };
    match estimate(&world, &request).unwrap_err() {
        CallError::Halted { reason } => {
            assert!(reason.contains("exceeds allowance (100000)"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_balance_bounds_the_gas_of_a_priced_estimate() {
    let mut world = World::with_users(1);
    world.deploy(CONTRACT, counter());
    world.state.set_balance(user(3), U256::from(30_000_000_000u64));
    let request = CallRequest {
        from: user(3),
        to: Some(CONTRACT),
        gas_price: Some(1_000_000),
        ..CallRequest::default()
    };
    let error = estimate(&world, &request).unwrap_err();
    assert!(error.to_string().contains("exceeds allowance (30000)"), "{error}");
}
