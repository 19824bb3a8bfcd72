//! A contract that does what its calldata says, under every fork, and can make more of its kind.
//!
//! Calldata is a list of [`Act`]s of three words: what to do (and, for calls, how many of the acts that follow are the
//! callee's), and two arguments.

use super::asm::{op, word};
use alloy_primitives::{Address, Bytes, U256};
use std::collections::HashMap;
use std::sync::OnceLock;

/// One thing that a puppet does. Slots, addresses and values are as the variants name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// `slot = value`
    Store { slot: u64, value: U256 },
    /// `slot = from + 1`
    Copy { slot: u64, from: u64 },
    /// `slot = what the instruction says of the address`
    Look { how: Look, at: Address, slot: u64 },
    /// `slot = blockhash(number - back)`
    BlockHash { back: u64, slot: u64 },
    /// `slot = selfbalance`
    SelfBalance { slot: u64 },
    /// `slot = balance(coinbase)`
    Coinbase { slot: u64 },
    /// `slot = gas left`
    Gas { slot: u64 },
    /// Calls; whether it succeeded goes to slot 3 if `told`.
    Call { how: Call, to: Address, value: U256, told: bool, acts: Vec<Act> },
    /// Creates another puppet; its address goes to slot 2.
    Create { value: U256 },
    /// The same by CREATE2.
    Create2 { salt: u64, value: U256 },
    /// By CREATE2 something that writes a slot and destroys itself in favour of its creator.
    Ephemeral { salt: u64, value: U256 },
    /// Destroys itself.
    Destroy { heir: Address },
    /// Logs a topic.
    Log { topic: u64 },
    /// Reverts (before Byzantium: burns all gas).
    Revert,
}

/// What looks at an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Balance,
    CodeHash,
    CodeSize,
    Code,
}

/// The four calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Plain,
    Code,
    Delegate,
    Static,
}

/// Length of [`prefix`].
const PREFIX: u64 = 12;

/// Stores 7 in slot 1, then: CALLER SELFDESTRUCT.
const EPHEMERAL: [u8; 7] = [op::PUSH1, 7, op::PUSH1, 1, op::SSTORE, op::CALLER, op::SELFDESTRUCT];

/// Places in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Label {
    Loop,
    Next,
    AfterCall,
    Told,
    End,
    Act(u8),
}

/// Code with labels.
#[derive(Default)]
struct Builder {
    code: Vec<u8>,
    places: HashMap<Label, usize>,
    uses: Vec<(usize, Label)>,
}

impl Builder {
    fn op(&mut self, ops: &[u8]) -> &mut Self {
        self.code.extend_from_slice(ops);
        self
    }

    /// Pushes without PUSH0, which older forks lack.
    fn push(&mut self, value: u64) -> &mut Self {
        let bytes = value.to_be_bytes();
        let skipped = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
        self.code.push(op::PUSH1 + (7 - skipped) as u8);
        self.op(&bytes[skipped..])
    }

    fn word(&mut self, start: &[u8]) -> &mut Self {
        let mut word = [0; 32];
        word[..start.len()].copy_from_slice(start);
        self.op(&[op::PUSH32]).op(&word)
    }

    fn label(&mut self, label: Label) -> &mut Self {
        self.places.insert(label, self.code.len());
        self.op(&[op::JUMPDEST])
    }

    fn to(&mut self, label: Label) -> &mut Self {
        self.uses.push((self.code.len() + 1, label));
        self.op(&[op::PUSH2, 0, 0])
    }

    fn next(&mut self) {
        self.to(Label::Next).op(&[op::JUMP]);
    }

    fn build(&mut self) -> Vec<u8> {
        for (at, label) in &self.uses {
            let place = self.places[label] as u16;
            self.code[*at..*at + 2].copy_from_slice(&place.to_be_bytes());
        }
        std::mem::take(&mut self.code)
    }
}

/// Initcode that deploys what follows it.
fn prefix(length: u16) -> [u8; PREFIX as usize] {
    let [high, low] = length.to_be_bytes();
    let plen = PREFIX as u8;
    [
        op::PUSH2,
        high,
        low,
        op::DUP1,
        op::PUSH1,
        plen,
        op::PUSH1,
        0,
        op::CODECOPY,
        op::PUSH1,
        0,
        op::RETURN,
    ]
}

/// The code of a puppet.
pub(crate) fn puppet() -> Bytes {
    static CODE: OnceLock<Bytes> = OnceLock::new();
    let code = CODE.get_or_init(|| {
        // The length is part of the code, but not of its length.
        let length = assemble(0).len() as u16;
        assemble(length).into()
    });
    code.clone()
}

/// Initcode of a puppet.
pub(crate) fn puppet_initcode() -> Bytes {
    let code = puppet();
    [prefix(code.len() as u16).as_slice(), &code].concat().into()
}

/// Where `creator` makes a puppet by CREATE2.
pub(crate) fn twin(creator: Address, salt: u64) -> Address {
    creator.create2_from_code(U256::from(salt).to_be_bytes::<32>(), puppet_initcode())
}

/// Where `creator` makes something ephemeral.
pub(crate) fn ephemeral(creator: Address, salt: u64) -> Address {
    creator.create2_from_code(U256::from(salt).to_be_bytes::<32>(), EPHEMERAL)
}

fn assemble(length: u16) -> Vec<u8> {
    let mut code = Builder::default();
    // [place in the calldata]
    code.push(0).label(Label::Loop);
    code.op(&[op::DUP1, op::CALLDATASIZE, op::GT, op::ISZERO]).to(Label::End).op(&[op::JUMPI]);
    code.op(&[op::DUP1]).push(64).op(&[op::ADD, op::CALLDATALOAD]);
    code.op(&[op::DUP2]).push(32).op(&[op::ADD, op::CALLDATALOAD]);
    code.op(&[op::DUP3, op::CALLDATALOAD]);
    // [place, second, first, what]
    for number in 0..=LAST {
        code.op(&[op::DUP1]).push(255).op(&[op::AND]).push(u64::from(number));
        code.op(&[op::EQ]).to(Label::Act(number)).op(&[op::JUMPI]);
    }
    code.op(&[op::INVALID]);
    code.label(Label::Next).push(96).op(&[op::ADD]).to(Label::Loop).op(&[op::JUMP]);
    code.label(Label::End).op(&[op::STOP]);
    storing(&mut code);
    calling(&mut code);
    creating(&mut code, length);
    code.label(Label::Act(DESTROY)).op(&[op::POP, op::SELFDESTRUCT]);
    code.label(Label::Act(LOG)).op(&[op::POP]).push(0).push(0).op(&[op::LOG1, op::POP]).next();
    code.label(Label::Act(REVERT)).push(0).push(0).op(&[op::REVERT]);
    code.build()
}

const STORE: u8 = 0;
const COPY: u8 = 1;
const BALANCE: u8 = 2;
const CODEHASH: u8 = 3;
const CODESIZE: u8 = 4;
const CODE: u8 = 5;
const BLOCKHASH: u8 = 6;
const SELFBALANCE: u8 = 7;
const COINBASE: u8 = 8;
const GAS: u8 = 9;
const CALL: u8 = 10;
const CALLCODE: u8 = 11;
const DELEGATECALL: u8 = 12;
const STATICCALL: u8 = 13;
const CREATE: u8 = 14;
const CREATE2: u8 = 15;
const EPHEMERAL_ACT: u8 = 16;
const DESTROY: u8 = 17;
const LOG: u8 = 18;
const REVERT: u8 = 19;
const LAST: u8 = REVERT;

/// Acts that end in writing a slot. They begin with [place, second, first, what].
fn storing(code: &mut Builder) {
    code.label(Label::Act(STORE)).op(&[op::POP, op::SSTORE]).next();
    code.label(Label::Act(COPY)).op(&[op::POP, op::SWAP1, op::SLOAD]).push(1);
    code.op(&[op::ADD, op::SWAP1, op::SSTORE]).next();
    let looks: [(u8, &[u8]); 4] = [
        (BALANCE, &[op::BALANCE]),
        (CODEHASH, &[op::EXTCODEHASH]),
        (CODESIZE, &[op::EXTCODESIZE]),
        (BLOCKHASH, &[op::NUMBER, op::SUB, op::BLOCKHASH]),
    ];
    for (number, ops) in looks {
        code.label(Label::Act(number)).op(&[op::POP]).op(ops).op(&[op::SWAP1, op::SSTORE]).next();
    }
    code.label(Label::Act(CODE)).op(&[op::POP]).push(32).push(0).push(0);
    code.op(&[op::DUP4, op::EXTCODECOPY, op::POP]).push(0);
    code.op(&[op::MLOAD, op::SWAP1, op::SSTORE]).next();
    let own: [(u8, &[u8]); 3] = [
        (SELFBALANCE, &[op::SELFBALANCE]),
        (COINBASE, &[op::COINBASE, op::BALANCE]),
        (GAS, &[op::GAS]),
    ];
    for (number, ops) in own {
        code.label(Label::Act(number)).op(&[op::POP, op::POP]).op(ops);
        code.op(&[op::SWAP1, op::SSTORE]).next();
    }
}

fn calling(code: &mut Builder) {
    let calls = [
        (CALL, op::CALL, true),
        (CALLCODE, op::CALLCODE, true),
        (DELEGATECALL, op::DELEGATECALL, false),
        (STATICCALL, op::STATICCALL, false),
    ];
    for (number, call, value) in calls {
        // The callee's acts: (what / 256) mod 128 of them; another 2^15 says that the result is told.
        code.label(Label::Act(number)).op(&[op::DUP1]).push(256).op(&[op::SWAP1, op::DIV]);
        code.push(127).op(&[op::AND]).push(96).op(&[op::MUL]);
        // [place, second, first, what, length]
        code.op(&[op::DUP1, op::DUP6]).push(96).op(&[op::ADD]).push(0).op(&[op::CALLDATACOPY]);
        code.push(0).push(0).op(&[op::DUP3]).push(0);
        // [place, second, first, what, length, 0, 0, length, 0]
        if value {
            code.op(&[op::DUP8, op::DUP8]);
        } else {
            code.op(&[op::DUP7]);
        }
        // Half of the gas: before EIP-150 nobody may give all that is left.
        code.op(&[op::GAS]).push(2).op(&[op::SWAP1, op::DIV, call]);
        code.to(Label::AfterCall).op(&[op::JUMP]);
    }
    // [place, second, first, what, length, success]
    code.label(Label::AfterCall).op(&[op::DUP3]).push(1 << 15).op(&[op::AND]);
    code.to(Label::Told).op(&[op::JUMPI, op::POP]);
    code.op(&[op::SWAP3, op::POP, op::POP, op::POP, op::ADD]).next();
    code.label(Label::Told).push(3).op(&[op::SSTORE]);
    code.op(&[op::SWAP3, op::POP, op::POP, op::POP, op::ADD]).next();
}

fn creating(code: &mut Builder, length: u16) {
    let finish = |code: &mut Builder| {
        // [place, second, first, address]
        code.push(2).op(&[op::SSTORE, op::POP, op::POP]).next();
    };
    for (number, create) in [(CREATE, op::CREATE), (CREATE2, op::CREATE2)] {
        code.label(Label::Act(number)).op(&[op::POP]).word(&prefix(length)).push(0);
        code.op(&[op::MSTORE, op::CODESIZE]).push(0).push(PREFIX).op(&[op::CODECOPY]);
        if create == op::CREATE2 {
            code.op(&[op::DUP1]);
        }
        code.op(&[op::CODESIZE]).push(PREFIX).op(&[op::ADD]).push(0);
        code.op(&[if create == op::CREATE2 { op::DUP5 } else { op::DUP4 }, create]);
        finish(code);
    }
    code.label(Label::Act(EPHEMERAL_ACT)).op(&[op::POP]).word(&EPHEMERAL).push(0);
    code.op(&[op::MSTORE, op::DUP1]).push(EPHEMERAL.len() as u64).push(0);
    code.op(&[op::DUP5, op::CREATE2]);
    finish(code);
}

/// Calldata that makes a puppet act.
pub(crate) fn calldata(acts: &[Act]) -> Bytes {
    let mut words = Vec::new();
    acts.iter().for_each(|act| encode(act, &mut words));
    super::asm::words(&words)
}

fn encode(act: &Act, words: &mut Vec<U256>) {
    let number = |number: u64| U256::from(number);
    let (what, first, second) = match act {
        Act::Store { slot, value } => (STORE, number(*slot), *value),
        Act::Copy { slot, from } => (COPY, number(*slot), number(*from)),
        Act::Look { how, at, slot } => {
            let what = match how {
                Look::Balance => BALANCE,
                Look::CodeHash => CODEHASH,
                Look::CodeSize => CODESIZE,
                Look::Code => CODE,
            };
            (what, word(*at), number(*slot))
        }
        Act::BlockHash { back, slot } => (BLOCKHASH, number(*back), number(*slot)),
        Act::SelfBalance { slot } => (SELFBALANCE, number(0), number(*slot)),
        Act::Coinbase { slot } => (COINBASE, number(0), number(*slot)),
        Act::Gas { slot } => (GAS, number(0), number(*slot)),
        Act::Create { value } => (CREATE, number(0), *value),
        Act::Create2 { salt, value } => (CREATE2, number(*salt), *value),
        Act::Ephemeral { salt, value } => (EPHEMERAL_ACT, number(*salt), *value),
        Act::Destroy { heir } => (DESTROY, word(*heir), number(0)),
        Act::Log { topic } => (LOG, number(*topic), number(0)),
        Act::Revert => (REVERT, number(0), number(0)),
        Act::Call { how, to, value, told, acts } => {
            let what = match how {
                Call::Plain => CALL,
                Call::Code => CALLCODE,
                Call::Delegate => DELEGATECALL,
                Call::Static => STATICCALL,
            };
            let mut inner = Vec::new();
            acts.iter().for_each(|act| encode(act, &mut inner));
            let count = (inner.len() / 3) as u64;
            let flag = if *told { 1 << 15 } else { 0 };
            words.extend([number(u64::from(what) | count << 8 | flag), word(*to), *value]);
            words.extend(inner);
            return;
        }
    };
    words.extend([U256::from(what), first, second]);
}
