//! Blocks drawn from a seed.

use crate::tests::dice::Dice;
use crate::tests::puppet::{Act, Call, Look, calldata, ephemeral, puppet, puppet_initcode, twin};
use crate::tests::world::{COINBASE, Draft, ETHER, World, authorize, user};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, U256};
use revm::primitives::hardfork::SpecId;
use std::fmt;
use std::sync::Arc;
use weft_types::{Header, RecoveredTransaction};

/// Users; the first two are rich, the third can pay for little, the last owns nothing.
const USERS: u8 = 4;
/// Puppets from before the block.
pub(crate) const PUPPETS: [Address; 2] = [Address::repeat_byte(0xa0), Address::repeat_byte(0xb0)];
/// Nobody, and somebody empty.
const ABSENT: Address = Address::repeat_byte(0xee);
const EMPTY: Address = Address::repeat_byte(0xef);
/// Gas of each transaction.
const GAS: u64 = 3_000_000;

/// One block.
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) candidates: Vec<Arc<RecoveredTransaction>>,
    what: String,
}

/// Draws a case.
pub(crate) struct Draw {
    pub(crate) dice: Dice,
    spec: SpecId,
    coinbase: Address,
    nonces: [u64; USERS as usize],
    what: String,
}

impl Case {
    pub(crate) fn new(forks: &[SpecId], seed: u64) -> Self {
        let mut draw = Draw::new(forks, seed);
        let world = draw.world();
        let mut candidates: Vec<Arc<RecoveredTransaction>> = Vec::new();
        let transactions = 2 + draw.dice.below(11);
        while (candidates.len() as u64) < transactions {
            let draft = draw.draft(&world);
            candidates.push(draft.sign());
        }
        Self { world, candidates, what: draw.what }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let World { rules, header, .. } = &self.world;
        writeln!(f, "{:?}, coinbase {}", rules.spec, header.beneficiary)?;
        f.write_str(&self.what)
    }
}

/// Everybody that a case may be about.
pub(crate) fn everybody() -> Vec<Address> {
    let mut all: Vec<Address> = (0..USERS).map(user).collect();
    for puppet in PUPPETS {
        all.extend([puppet, twin(puppet, 0), twin(puppet, 1), ephemeral(puppet, 0)]);
        all.extend([puppet.create(1), puppet.create(2)]);
    }
    all.extend((0..2).flat_map(|n| [user(n).create(0), user(n).create(1), twin(user(n), 0)]));
    all.extend([ABSENT, EMPTY, COINBASE, Address::with_last_byte(2), Address::with_last_byte(4)]);
    all
}

impl Draw {
    pub(crate) fn new(forks: &[SpecId], seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let spec = dice.pick(forks);
        Self { dice, spec, coinbase: COINBASE, nonces: [0; 4], what: String::new() }
    }

    fn has(&self, spec: SpecId) -> bool {
        self.spec.is_enabled_in(spec)
    }

    /// The state and the block's environment.
    pub(crate) fn world(&mut self) -> World {
        let mut world = World::bare().under(self.spec);
        self.coinbase = match self.dice.below(8) {
            0 => user(self.dice.below(4) as u8),
            1 => PUPPETS[0],
            2 => twin(PUPPETS[0], 0),
            3 => ABSENT,
            4 => EMPTY,
            _ => COINBASE,
        };
        world.header.beneficiary = self.coinbase;
        world.header.gas_limit = if self.dice.chance(1, 8) { 5_000_000 } else { 100_000_000 };
        for n in 0..2 {
            world.state.set_balance(user(n), U256::from(100) * ETHER);
        }
        let dear = if self.has(SpecId::LONDON) { 1_000_000 } else { 1 };
        world.state.set_balance(user(2), U256::from(2 * GAS * dear));
        for puppet_at in PUPPETS {
            world.deploy(puppet_at, puppet());
            if self.dice.chance(1, 2) {
                world.state.set_balance(puppet_at, U256::from(3));
            }
            for slot in 0..4 {
                let value = U256::from(self.dice.below(3));
                world.state.set_storage(puppet_at, U256::from(slot), value);
            }
        }
        if self.dice.chance(1, 3) {
            let target = self.dice.pick(&[twin(PUPPETS[0], 0), twin(PUPPETS[1], 1)]);
            world.deploy(target, puppet());
            world.state.set_storage(target, U256::from(1), U256::from(9));
        }
        world.state.set_balance(EMPTY, U256::ZERO);
        if self.dice.chance(1, 4) {
            let withered = self.dice.pick(&everybody()[4..]);
            if withered != PUPPETS[0] && withered != PUPPETS[1] {
                world.state.set_balance(withered, U256::from(self.dice.below(2)));
            }
        }
        if self.has(SpecId::PRAGUE) && self.dice.chance(1, 3) {
            // A user who has delegated before the block.
            let target = self.dice.pick(&PUPPETS);
            let code = [&[0xef, 0x01, 0x00], target.as_slice()].concat();
            world.state.set_code(user(1), code.into());
            self.nonces[1] = 1;
        }
        self.besides(&mut world);
        world
    }

    /// What was drawn so far, for people.
    pub(crate) fn said(&self) -> &str {
        &self.what
    }

    /// What the block does besides its transactions.
    fn besides(&mut self, world: &mut World) {
        if self.has(SpecId::SHANGHAI) && self.dice.chance(1, 3) {
            for index in 0..2 {
                let (address, amount) = (self.someone(), self.dice.below(2));
                let withdrawal = Withdrawal { index, validator_index: 0, address, amount };
                world.withdrawals.push(withdrawal);
            }
        }
        if !self.has(SpecId::MERGE) && self.dice.chance(1, 3) {
            let (beneficiary, number) = (self.someone(), world.header.number - 1);
            world.ommers.push(Header { beneficiary, number, ..Header::default() });
        }
    }

    /// The next transaction.
    pub(crate) fn draft(&mut self, world: &World) -> Draft {
        let from = self.dice.weighted(&[(5, 0), (5, 1), (2, 2), (1, 3)]);
        let mut nonce = self.nonces[usize::from(from)];
        if self.dice.chance(1, 24) {
            nonce += 1;
        } else {
            self.nonces[usize::from(from)] += 1;
        }
        let tip = self.dice.below(3) as u128;
        let gas = if self.dice.chance(1, 16) { 60_000 } else { GAS };
        let draft = |to: Option<Address>| world.draft(from, nonce, to).gas(gas).tip(tip);
        let draft = match self.dice.below(16) {
            0..3 => draft(Some(self.someone())).value(self.amount()),
            3 => draft(None).value(self.amount()).input(puppet_initcode()),
            4 if self.has(SpecId::PRAGUE) => {
                let mut draft = draft(Some(self.someone()));
                for _ in 0..=self.dice.below(2) {
                    let authority = self.dice.below(4) as u8;
                    let nonces = &mut self.nonces[usize::from(authority)];
                    let target = self.dice.pick(&[PUPPETS[0], PUPPETS[1], Address::ZERO, ABSENT]);
                    draft = draft.authorize(authorize(authority, *nonces, target));
                    *nonces += 1;
                }
                draft.input(calldata(&self.acts(2)))
            }
            _ => {
                let to = self.dice.pick(&[PUPPETS[0], PUPPETS[0], PUPPETS[1], twin(PUPPETS[0], 0)]);
                let value = if self.dice.chance(1, 4) { self.amount() } else { U256::ZERO };
                let acts = self.acts(3);
                self.what += &format!("  {acts:?}\n");
                draft(Some(to)).value(value).input(calldata(&acts))
            }
        };
        self.what += &format!(
            "user {from} nonce {nonce} to {:?} value {} tip {tip} gas {gas} authorizations {}\n",
            draft.to,
            draft.value,
            draft.authorizations.len()
        );
        draft
    }

    fn amount(&mut self) -> U256 {
        match self.dice.below(12) {
            0..5 => U256::ZERO,
            5..9 => U256::from(1 + self.dice.below(3)),
            9 => U256::from(GAS * 1_000_001),
            10 => ETHER,
            _ => U256::from(60) * ETHER,
        }
    }

    pub(crate) fn someone(&mut self) -> Address {
        match self.dice.below(10) {
            0 => self.coinbase,
            1..4 => twin(PUPPETS[0], 0),
            4 => ephemeral(PUPPETS[0], 0),
            5 => self.dice.pick(&[ABSENT, EMPTY]),
            6 => PUPPETS[0],
            _ => self.dice.pick(&everybody()),
        }
    }

    /// A few acts, with calls nested up to `depth`.
    pub(crate) fn acts(&mut self, depth: u64) -> Vec<Act> {
        (0..1 + self.dice.below(4)).map(|_| self.act(depth)).collect()
    }

    fn act(&mut self, depth: u64) -> Act {
        let slot = self.dice.below(4);
        match self.dice.below(if depth > 0 { 24 } else { 17 }) {
            0..3 => Act::Store { slot, value: U256::from(self.dice.below(4)) },
            3..5 => Act::Copy { slot, from: self.dice.below(4) },
            5..7 => {
                let looks = [Look::Balance, Look::CodeHash, Look::CodeSize, Look::Code];
                Act::Look { how: self.dice.pick(&looks), at: self.someone(), slot }
            }
            7 => Act::BlockHash { back: self.dice.pick(&[0, 1, 2, 256, 257]), slot },
            8 => Act::SelfBalance { slot },
            9 => Act::Coinbase { slot },
            10 => Act::Gas { slot },
            11 => Act::Create { value: U256::from(self.dice.below(2)) },
            12..14 => {
                let salt = self.dice.weighted(&[(3, 0), (1, 1)]);
                Act::Create2 { salt, value: U256::from(self.dice.below(2)) }
            }
            14 => Act::Ephemeral { salt: 0, value: U256::from(self.dice.below(2)) },
            15 => Act::Destroy { heir: self.someone() },
            16 if self.dice.chance(1, 2) => Act::Revert,
            16 => Act::Log { topic: slot },
            _ => {
                let kinds =
                    [(6, Call::Plain), (1, Call::Code), (1, Call::Delegate), (1, Call::Static)];
                Act::Call {
                    how: self.dice.weighted(&kinds),
                    to: self.someone(),
                    value: if self.dice.chance(1, 2) { self.amount() } else { U256::ZERO },
                    told: self.dice.chance(1, 2),
                    acts: self.acts(depth - 1),
                }
            }
        }
    }
}
