//! The instruction table: Ethereum's, with the few instructions wrapped that look at a balance or at emptiness.
//!
//! The machine works on concrete balances. Whether a transaction *looked* at one decides whether its change of that balance
//! commutes with those of other transactions; the wrapped instructions note exactly that and then do what they always do.
//! A note may claim more than what happens (the instruction may still run out of gas): that costs a dependency, never a result.

use crate::machine::Context;
use crate::tracker::{Source, Tracker};
use alloy_primitives::{Address, U256};
use revm::bytecode::opcode::{
    BALANCE, CALL, CALLCODE, CREATE, CREATE2, EXTCODEHASH, SELFBALANCE, SELFDESTRUCT,
};
use revm::context_interface::ContextTr;
use revm::handler::instructions::InstructionProvider;
use revm::interpreter::instructions::{GasTable, contract, gas_table_spec, host};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::InputsTr;
use revm::interpreter::{
    Instruction, InstructionContext, InstructionExecResult, InstructionTable, instruction_table,
};
use revm::primitives::hardfork::SpecId;
use std::marker::PhantomData;
use std::sync::OnceLock;

type Step<'i, D> = InstructionContext<'i, Context<D>, EthInterpreter>;

/// What the wrapped instructions tell the database about the accounts that they look at.
pub(crate) trait Notes: revm::Database {
    /// The balance itself was seen.
    fn saw_balance(&mut self, address: Address);
    /// Whether the account is empty (EIP-161) was seen.
    fn saw_emptiness(&mut self, address: Address);
    /// The account, which holds `current` now, was found to hold at least `value`, or not to.
    fn saw_solvency(&mut self, address: Address, current: U256, value: U256);
    /// An account is about to be created: nonces were seen.
    fn saw_creation(&mut self);
}

/// Provides the table as a constant, so that a machine is put together without copying it.
pub(crate) struct Instructions<D> {
    gas: &'static GasTable,
    instructions: PhantomData<fn() -> D>,
}

impl<D> Instructions<D> {
    pub(crate) fn new(spec: SpecId) -> Self {
        Self { gas: gas_table(spec), instructions: PhantomData }
    }
}

/// The static gas costs of a fork.
pub(crate) fn gas_table(spec: SpecId) -> &'static GasTable {
    static TABLES: OnceLock<Vec<GasTable>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        (0..=SpecId::AMSTERDAM as u8)
            .map(|spec| gas_table_spec(SpecId::try_from_u8(spec).unwrap_or_default()))
            .collect()
    });
    &tables[usize::from(spec as u8)]
}

impl<D: Notes> Instructions<D> {
    const TABLE: InstructionTable<EthInterpreter, Context<D>> = {
        let mut table = instruction_table::<EthInterpreter, Context<D>>();
        table[BALANCE as usize] = Instruction::new(balance::<D>);
        table[SELFBALANCE as usize] = Instruction::new(selfbalance::<D>);
        table[EXTCODEHASH as usize] = Instruction::new(extcodehash::<D>);
        table[SELFDESTRUCT as usize] = Instruction::new(selfdestruct::<D>);
        table[CALL as usize] = Instruction::new(call::<CALL, D>);
        table[CALLCODE as usize] = Instruction::new(call::<CALLCODE, D>);
        table[CREATE as usize] = Instruction::new(create::<false, D>);
        table[CREATE2 as usize] = Instruction::new(create::<true, D>);
        table
    };
}

impl<D: Notes> InstructionProvider for Instructions<D> {
    type Context = Context<D>;
    type InterpreterTypes = EthInterpreter;

    fn instruction_table(&self) -> &InstructionTable<EthInterpreter, Context<D>> {
        &Self::TABLE
    }

    fn gas_table(&self) -> &GasTable {
        self.gas
    }
}

fn balance<D: Notes>(step: Step<'_, D>) -> InstructionExecResult {
    if let Ok(address) = step.interpreter.stack.peek(0) {
        step.host.db_mut().saw_balance(to_address(address));
    }
    host::balance(step)
}

fn selfbalance<D: Notes>(step: Step<'_, D>) -> InstructionExecResult {
    let address = step.interpreter.input.target_address();
    step.host.db_mut().saw_balance(address);
    host::selfbalance(step)
}

fn extcodehash<D: Notes>(step: Step<'_, D>) -> InstructionExecResult {
    if let Ok(address) = step.interpreter.stack.peek(0) {
        step.host.db_mut().saw_emptiness(to_address(address));
    }
    host::extcodehash(step)
}

fn selfdestruct<D: Notes>(step: Step<'_, D>) -> InstructionExecResult {
    if let Ok(target) = step.interpreter.stack.peek(0) {
        let address = step.interpreter.input.target_address();
        let notes = step.host.db_mut();
        notes.saw_balance(address);
        notes.saw_emptiness(to_address(target));
    }
    host::selfdestruct(step)
}

fn call<const KIND: u8, D: Notes>(step: Step<'_, D>) -> InstructionExecResult {
    let stack = &step.interpreter.stack;
    if let (Ok(to), Ok(value)) = (stack.peek(1), stack.peek(2)) {
        if !value.is_zero() {
            let payer = step.interpreter.input.target_address();
            note_solvency(step.host, payer, value);
        }
        // Before EIP-161 any call to an account that does not exist pays for creating it.
        let asks = !value.is_zero() || !step.host.cfg.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        if KIND == CALL && asks {
            step.host.db_mut().saw_emptiness(to_address(to));
        }
    }
    contract::call::<KIND, _, _>(step)
}

fn create<const IS_CREATE2: bool, D: Notes>(step: Step<'_, D>) -> InstructionExecResult {
    if let Ok(value) = step.interpreter.stack.peek(0) {
        let payer = step.interpreter.input.target_address();
        note_solvency(step.host, payer, value);
    }
    step.host.db_mut().saw_creation();
    contract::create::<IS_CREATE2, _, _>(step)
}

fn note_solvency<D: Notes>(host: &mut Context<D>, payer: Address, value: U256) {
    let journal = &mut host.journaled_state;
    if let Some(account) = journal.inner.state.get(&payer) {
        let current = account.info.balance;
        journal.database.saw_solvency(payer, current, value);
    }
}

/// The address in a stack word: its low 20 bytes.
fn to_address(word: U256) -> Address {
    Address::from_word(word.into())
}

impl<S: Source> Notes for Tracker<'_, S> {
    fn saw_balance(&mut self, address: Address) {
        self.note(address).balance = true;
    }

    fn saw_emptiness(&mut self, address: Address) {
        self.note(address).emptiness = true;
    }

    fn saw_solvency(&mut self, address: Address, current: U256, value: U256) {
        let notes = self.note(address);
        if current < value {
            notes.balance = true;
        } else {
            // What the account must have held before the transaction to hold `value` now.
            notes.least = notes.least.max(notes.before.balance.saturating_sub(current - value));
        }
    }

    fn saw_creation(&mut self) {
        self.creates = true;
    }
}
