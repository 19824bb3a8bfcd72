//! Executing transactions on the list when nobody asks what they depend on: a database that answers from the list, and a
//! comparison of what the machine's journal holds in the end with what is listed.

use super::{Done, Ended, not_listed, out_of_range};
use crate::base::Base;
use crate::effects::life_after;
use crate::environment::Environment;
use crate::error::Failure;
use crate::instructions::gas_table;
use crate::listed::{Flaw, Listed, ListedAccount, Standing, Tally};
use crate::machine::{Buffers, Context, charge_sender, fee_of_stranger, renew};
use crate::place::{Fields, Place};
use crate::tracker::Unanswered;
use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use revm::bytecode::Bytecode;
use revm::context::result::{EVMError, ExecutionResult, HaltReason};
use revm::context::{Evm, Journal, TxEnv};
use revm::context_interface::{ContextTr, JournalTr};
use revm::handler::instructions::InstructionProvider;
use revm::handler::{EthFrame, EthPrecompiles, EvmTr, FrameTr, Handler, post_execution};
use revm::interpreter::instructions::GasTable;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{InitialAndFloorGas, InstructionTable, instruction_table};
use revm::primitives::hardfork::SpecId;
use revm::state::{Account, AccountId, AccountInfo, EvmState};
use revm::{Database, primitives};
use std::marker::PhantomData;

type Evms<'v> =
    Evm<Context<ListDatabase<'v>>, (), Instructions<'v>, EthPrecompiles, EthFrame<EthInterpreter>>;

/// Executes transaction after transaction of one block, on one thread.
pub(super) struct QuickMachine<'v> {
    evm: Evms<'v>,
}

/// The list as the machine's database.
pub(super) struct ListDatabase<'v> {
    listed: &'v Listed<'v>,
    base: &'v Base<'v>,
    spec: SpecId,
    /// Access index of the transaction.
    at: u32,
    /// Accounts that the transaction has loaded; an account's id is its place.
    loaded: Vec<(ListedAccount<'v>, Standing)>,
    /// Slots that it has loaded.
    slots: usize,
    /// What all transactions of this machine found in the list.
    tally: Tally,
    /// Code that this machine has run before.
    codes: B256Map<Bytecode>,
    /// That of accounts without code: an own one, whose count of users no other core touches.
    no_code: Bytecode,
    beneficiary: Option<ListedAccount<'v>>,
    /// Fee for the beneficiary, not yet part of any balance.
    fee: U256,
    /// An account with code may send.
    senders_with_code: bool,
    /// Accounts that were destroyed with storage, if any, that nobody in the block looks at.
    wiped: Vec<Address>,
    /// Why the last read was not answered.
    stop: Option<Stop>,
}

/// Why an execution has no result.
enum Stop {
    Flawed(Flaw),
    Failed(Failure),
}

impl<'v> QuickMachine<'v> {
    pub(super) fn new(
        listed: &'v Listed<'v>,
        base: &'v Base<'v>,
        environment: &Environment,
    ) -> Self {
        let spec = environment.cfg.spec;
        let Buffers { journal, local, frames } = Buffers::take(spec);
        let database = ListDatabase {
            listed,
            base,
            spec,
            at: 0,
            loaded: Vec::new(),
            slots: 0,
            tally: Tally::default(),
            codes: B256Map::default(),
            no_code: Bytecode::new_legacy(primitives::Bytes::new()),
            beneficiary: listed.account(&environment.block.beneficiary),
            fee: U256::ZERO,
            senders_with_code: environment.senders_with_code,
            wiped: Vec::new(),
            stop: None,
        };
        let ctx = revm::Context {
            block: environment.block.clone(),
            tx: TxEnv::default(),
            cfg: environment.cfg.clone(),
            journaled_state: Journal::new_with_inner(database, journal),
            chain: (),
            local,
            error: Ok(()),
        };
        let evm = Evm {
            ctx,
            inspector: (),
            instruction: Instructions { gas: gas_table(spec), list: PhantomData },
            precompiles: EthPrecompiles::new(spec),
            frame_stack: frames,
        };
        Self { evm }
    }

    /// What all transactions so far found in the list.
    pub(super) fn tally(&self) -> Tally {
        self.evm.ctx.journaled_state.database.tally
    }

    /// Accounts that the transactions so far destroyed with their storage.
    pub(super) fn wiped(&mut self) -> Vec<Address> {
        std::mem::take(&mut self.evm.ctx.journaled_state.database.wiped)
    }

    /// Executes a transaction at its access index and holds it against the list.
    pub(super) fn execute(&mut self, transaction: TxEnv, at: u32) -> Ended {
        self.evm.ctx.journaled_state.database.begin(at);
        self.evm.ctx.tx = transaction;
        let result = ListHandler(PhantomData).run(&mut self.evm);
        let revm::Context { journaled_state, block, .. } = &mut self.evm.ctx;
        let Journal { database, inner } = journaled_state;
        let ended = match result {
            Ok(result) => match database.compare(&inner.state, block.beneficiary) {
                Ok(writes) => Ended::Agrees(done(result, writes)),
                Err(ended) => ended,
            },
            Err(EVMError::Transaction(invalid)) => Ended::Differs(invalid.to_string()),
            Err(error) => match database.stop.take() {
                Some(Stop::Flawed(flaw)) => Ended::Differs(flaw),
                Some(Stop::Failed(failure)) => Ended::Failed(failure),
                None => Ended::Failed(Failure::Machine { reason: error.to_string() }),
            },
        };
        self.evm.ctx.error = Ok(());
        renew(&mut self.evm.ctx.journaled_state.inner);
        ended
    }
}

impl Drop for QuickMachine<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let ctx = &mut self.evm.ctx;
        renew(&mut ctx.journaled_state.inner);
        Buffers::keep(&mut ctx.journaled_state.inner, &mut ctx.local, &mut self.evm.frame_stack);
    }
}

fn done(result: ExecutionResult, writes: usize) -> Done {
    Done {
        gas_used: result.tx_gas_used(),
        success: result.is_success(),
        logs: result.into_logs(),
        writes,
    }
}

impl<'v> ListDatabase<'v> {
    fn begin(&mut self, at: u32) {
        self.at = at;
        self.loaded.clear();
        self.slots = 0;
        self.fee = U256::ZERO;
        self.stop = None;
    }

    fn stop<T>(&mut self, stop: Stop) -> Result<T, Unanswered> {
        self.stop = Some(stop);
        Err(Unanswered)
    }

    /// The beneficiary was so rich that a credit could leave the range.
    fn fee_sees(&self) -> bool {
        self.beneficiary.is_some_and(|account| account.parent().is_rich())
    }

    /// The account that the journal holds, and how it stood before the transaction.
    fn origin(
        &self,
        address: &Address,
        info: &AccountInfo,
    ) -> Option<(ListedAccount<'v>, Standing)> {
        if let Some(id) = info.account_id {
            return self.loaded.get(id.get()).copied();
        }
        // It did not exist, or was destroyed.
        let account = self.listed.account(address)?;
        Some((account, self.standing(&account)))
    }

    /// How an account stands before the transaction.
    fn standing(&self, account: &ListedAccount<'v>) -> Standing {
        let before = account.before(self.at);
        let clears = self.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        if clears { before.cleared(account) } else { before }
    }

    /// Holds what the machine's journal holds against the list. How many writes agree.
    fn compare(&mut self, state: &EvmState, beneficiary: Address) -> Result<usize, Ended> {
        let (mut writes, mut slots) = (0, 0);
        for (address, account) in state {
            let Some((listed, before)) = self.origin(address, &account.info) else {
                return Err(Ended::Differs(not_listed(&Place::Account(*address))));
            };
            writes += self.compare_account(account, &listed, &before)?;
            slots += account.storage.len();
            writes += self.compare_slots(account, &listed, address)?;
        }
        // Slots of an account that the transaction created, even in a frame that was reverted, are not read from anywhere.
        if slots != self.slots {
            for (address, account) in state {
                for slot in account.storage.keys() {
                    let place = Place::Slot(*address, *slot);
                    if !self.listed.access(&place, &mut self.tally) {
                        return Err(Ended::Differs(not_listed(&place)));
                    }
                }
            }
        }
        if !self.fee.is_zero() {
            let place = Place::Account(beneficiary);
            let Some(account) = self.beneficiary else {
                return Err(Ended::Differs(not_listed(&place)));
            };
            account.access(&mut self.tally);
            let (before, listed) = account.balance_around(self.at);
            let Some(after) = before.checked_add(self.fee) else {
                return Err(Ended::Differs(out_of_range(&place)));
            };
            if listed != Some(after) {
                return Err(self.differs("balance", &beneficiary, after, listed));
            }
            writes += 1;
        }
        self.tally.writes += writes;
        Ok(writes)
    }

    fn compare_account(
        &mut self,
        account: &Account,
        listed: &ListedAccount<'_>,
        before: &Standing,
    ) -> Result<usize, Ended> {
        let mut writes = 0;
        let was = &before.fields;
        let destroyed = account.is_selfdestructed();
        let (balance, nonce, code_hash) = if destroyed {
            (U256::ZERO, 0, KECCAK256_EMPTY)
        } else {
            (account.info.balance, account.info.nonce, account.info.code_hash)
        };
        if balance != was.balance {
            let expected = listed.balance_at(self.at, before);
            if expected != Some(balance) {
                return Err(self.differs("balance", listed.address(), balance, expected));
            }
            writes += 1;
        }
        if nonce != was.nonce {
            let expected = listed.nonce_at(self.at, before);
            if expected != Some(nonce) {
                return Err(self.differs("nonce", listed.address(), nonce, expected));
            }
            writes += 1;
        }
        if code_hash != was.code_hash {
            let expected = listed.code_at(self.at, before);
            if expected != Some(code_hash) {
                return Err(self.differs("code", listed.address(), code_hash, expected));
            }
            writes += 1;
        }
        let after = Fields { balance, nonce, code_hash, life: was.life };
        let relic = listed.parent().is_relic();
        if life_after(self.spec, account, was, &after, relic, self.at) != was.life {
            // A list cannot say whether storage is still that of the account. Where it names no slot nobody looks: who did
            // would find the slot missing.
            let clears = self.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
            if !clears || relic || self.listed.has_slots(listed) {
                return Err(Ended::Inexpressible);
            }
            self.wiped.push(*listed.address());
        }
        Ok(writes)
    }

    fn compare_slots(
        &self,
        account: &Account,
        listed: &ListedAccount<'_>,
        address: &Address,
    ) -> Result<usize, Ended> {
        if account.is_selfdestructed() {
            return Ok(0);
        }
        let mut writes = 0;
        for (key, slot) in &account.storage {
            let value = slot.present_value;
            if value == slot.original_value {
                continue;
            }
            let expected = self.listed.slot(listed, key).and_then(|slot| slot.at(self.at));
            if expected != Some(value) {
                return Err(self.differs(&format!("slot {key}"), address, value, expected));
            }
            writes += 1;
        }
        Ok(writes)
    }

    #[cold]
    fn differs<T: std::fmt::Debug>(
        &self,
        what: &str,
        address: &Address,
        after: T,
        listed: Option<T>,
    ) -> Ended {
        let at = self.at;
        Ended::Differs(format!(
            "{what} of {address} is {after:?} after access index {at}, listed is {listed:?}"
        ))
    }
}

impl Database for ListDatabase<'_> {
    type Error = Unanswered;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Unanswered> {
        let Some(account) = self.listed.account(&address) else {
            return self.stop(Stop::Flawed(not_listed(&Place::Account(address))));
        };
        account.access(&mut self.tally);
        let before = self.standing(&account);
        let Fields { balance, nonce, code_hash, life } = before.fields;
        if before.fields.is_empty() && !life.exists {
            return Ok(None);
        }
        let code = (code_hash == KECCAK256_EMPTY).then(|| self.no_code.clone());
        let account_id = AccountId::new(self.loaded.len());
        self.loaded.push((account, before));
        Ok(Some(AccountInfo { balance, nonce, code_hash, account_id, code }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Unanswered> {
        if let Some(code) = self.codes.get(&code_hash) {
            return Ok(code.clone());
        }
        match self.base.code(&code_hash) {
            Ok(code) => Ok(self.codes.entry(code_hash).or_insert(code).clone()),
            Err(error) => self.stop(Stop::Failed(error.into())),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Unanswered> {
        match self.listed.account(&address) {
            Some(account) => self.load_slot(&account, &address, slot),
            None => self.stop(Stop::Flawed(not_listed(&Place::Account(address)))),
        }
    }

    fn storage_by_account_id(
        &mut self,
        address: Address,
        account: AccountId,
        slot: U256,
    ) -> Result<U256, Unanswered> {
        let (account, _) = self.loaded[account.get()];
        self.load_slot(&account, &address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Unanswered> {
        match self.base.block_hash(number) {
            Ok(hash) => Ok(hash),
            Err(error) => self.stop(Stop::Failed(error.into())),
        }
    }
}

impl<'v> ListDatabase<'v> {
    fn load_slot(
        &mut self,
        account: &ListedAccount<'v>,
        address: &Address,
        slot: U256,
    ) -> Result<U256, Unanswered> {
        let Some(listed) = self.listed.slot(account, &slot) else {
            return self.stop(Stop::Flawed(not_listed(&Place::Slot(*address, slot))));
        };
        listed.access(&mut self.tally);
        self.slots += 1;
        Ok(listed.before(self.at))
    }
}

/// Ethereum's instructions, as a constant, so that a machine is put together without copying the table.
struct Instructions<'v> {
    gas: &'static GasTable,
    list: PhantomData<fn() -> &'v Listed<'v>>,
}

impl<'v> Instructions<'v> {
    const TABLE: InstructionTable<EthInterpreter, Context<ListDatabase<'v>>> =
        instruction_table::<EthInterpreter, Context<ListDatabase<'v>>>();
}

impl<'v> InstructionProvider for Instructions<'v> {
    type Context = Context<ListDatabase<'v>>;
    type InterpreterTypes = EthInterpreter;

    fn instruction_table(&self) -> &InstructionTable<EthInterpreter, Self::Context> {
        &Self::TABLE
    }

    fn gas_table(&self) -> &GasTable {
        self.gas
    }
}

/// Ethereum's handler, except that the fee of a beneficiary which the transaction has not loaded is set aside instead of
/// loading it; otherwise, and where there is none, it goes the ordinary way (see the handler of the other machine).
struct ListHandler<'v>(PhantomData<fn() -> &'v Listed<'v>>);

impl<'v> Handler for ListHandler<'v> {
    type Evm = Evms<'v>;
    type Error = EVMError<Unanswered>;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(
        &self,
        machine: &mut Self::Evm,
        _: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        let coded = machine.ctx_ref().journaled_state.database.senders_with_code;
        charge_sender(machine.ctx(), coded)
    }

    fn reward_beneficiary(
        &self,
        machine: &mut Self::Evm,
        result: &mut <<Self::Evm as EvmTr>::Frame as FrameTr>::FrameResult,
    ) -> Result<(), Self::Error> {
        let ctx = machine.ctx();
        let fee = fee_of_stranger(ctx, result.gas().used());
        if fee.is_zero() || ctx.journaled_state.database.fee_sees() {
            return post_execution::reward_beneficiary(ctx, result.gas()).map_err(From::from);
        }
        ctx.journal_mut().db_mut().fee = fee;
        Ok(())
    }
}
