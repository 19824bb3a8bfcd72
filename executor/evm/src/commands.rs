//! What the commands of a development chain do to the state: before the transactions, at access index 0, after the system
//! calls. The same code for every mode; see [`weft_types::command`] for what each means.

use crate::error::ExecutionError;
use crate::place::{BALANCE, CODE, LIFE, Life, NONCE, Place, SLOT};
use crate::system::Phase;
use crate::value::{Change, Value};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256, keccak256};
use revm::bytecode::Bytecode;
use weft_types::Action;
use weft_types::command::{COMMAND_SUPPLY_MAX, Clock};
use weft_types::settings::{SETTINGS_ADDRESS, impersonation_slot, pair, slot};

/// Accounts that every block calls or is judged by: a command that broke one would stop the chain.
const PROTECTED: [Address; 5] = [
    BEACON_ROOTS_ADDRESS,
    HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    SETTINGS_ADDRESS,
];

/// Whether commands leave code, nonce and storage of this account alone.
#[must_use]
pub fn is_protected(address: &Address) -> bool {
    PROTECTED.contains(address)
}

/// Whether an account can have this code: not if it looks like a delegation (EIP-7702) and is none.
#[must_use]
pub fn is_code(code: &[u8]) -> bool {
    Bytecode::new_raw_checked(Bytes::copy_from_slice(code)).is_ok()
}

impl Phase<'_, '_> {
    /// Applies the commands of the block, in their order.
    pub(crate) fn apply_commands(&mut self) -> Result<(), ExecutionError> {
        for command in self.block.commands {
            self.apply(&command.action)?;
        }
        Ok(())
    }

    fn apply(&mut self, action: &Action) -> Result<(), ExecutionError> {
        let height = self.block.header.number;
        match *action {
            Action::SetBalance { address, balance } => self.set_balance(address, balance),
            Action::AddBalance { address, amount } => {
                let before = self.ledger.fields(address)?.balance;
                self.set_balance(address, before.saturating_add(amount))
            }
            Action::SetNonce { address, nonce } if !is_protected(&address) => {
                if nonce > self.ledger.fields(address)?.nonce {
                    return self.set_field(address, Value::Nonce(nonce));
                }
                self.accesses.push((address, Vec::new()));
                Ok(())
            }
            Action::SetCode { address, ref code } if !is_protected(&address) => {
                self.set_code(address, code)
            }
            Action::SetStorage { address, slot, value } if !is_protected(&address) => {
                self.set_slot(address, slot, value)?;
                self.keep_alive(address)
            }
            // Of a protected account.
            Action::SetNonce { .. } | Action::SetCode { .. } | Action::SetStorage { .. } => Ok(()),
            Action::Impersonate { address, on } => {
                self.set_slot(SETTINGS_ADDRESS, impersonation_slot(address), U256::from(on))
            }
            Action::ImpersonateAll { on } => self.set(slot::IMPERSONATE_ALL, U256::from(on)),
            Action::Mine { blocks, interval_s, clock } => self.mine(blocks, interval_s, clock),
            Action::IncreaseTime { seconds } => {
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                self.move_clock(|offset| offset.saturating_add(seconds))
            }
            Action::SetTime { clock } => self.set_clock(clock),
            Action::NextTimestamp { clock } => {
                self.set(slot::TIMESTAMP, pair(height + 1, clock.timestamp))?;
                self.set_clock(clock)
            }
            Action::NextBaseFee { wei } => self.set(slot::BASE_FEE, pair(height + 1, wei)),
            Action::GasLimit { gas } => self.set(slot::GAS_LIMIT, U256::from(gas)),
            Action::Coinbase { address } => {
                let own = |address: Address| {
                    (U256::from(1) << 160) + U256::from_be_slice(address.as_slice())
                };
                self.set(slot::COINBASE, address.map_or(U256::ZERO, own))
            }
            Action::Automine { on } => self.set(slot::MANUAL, U256::from(!on)),
            Action::Interval { ms } => self.set(slot::INTERVAL, U256::from(ms) + U256::from(1)),
            // For the pools, when the block is committed.
            Action::DropTransaction { .. } | Action::DropTransactions => Ok(()),
        }
    }

    /// Sets a balance, unless commands would then have made more wei than balances have room for.
    fn set_balance(&mut self, address: Address, balance: U256) -> Result<(), ExecutionError> {
        let before = self.ledger.fields(address)?.balance;
        let made = self.setting(slot::SUPPLY)?;
        let made = if balance > before {
            made.saturating_add(balance - before)
        } else {
            made.saturating_sub(before - balance)
        };
        if made > COMMAND_SUPPLY_MAX {
            self.accesses.push((address, Vec::new()));
            return Ok(());
        }
        self.set(slot::SUPPLY, made)?;
        self.set_field(address, Value::Balance(balance))
    }

    fn set_code(&mut self, address: Address, code: &[u8]) -> Result<(), ExecutionError> {
        let bytes = Bytes::copy_from_slice(code);
        let Ok(bytecode) = Bytecode::new_raw_checked(bytes.clone()) else { return Ok(()) };
        let hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) };
        let had_code = self.ledger.fields(address)?.code_hash != KECCAK256_EMPTY;
        if !code.is_empty() {
            self.ledger.base().produce(&[(hash, bytecode)]);
            self.ledger.add_code(hash, bytes);
        }
        self.set_field(address, Value::Code(hash))?;
        if had_code { self.keep_alive(address) } else { Ok(()) }
    }

    /// An account with storage must not be empty (EIP-161), or it would vanish without it.
    fn keep_alive(&mut self, address: Address) -> Result<(), ExecutionError> {
        if self.ledger.fields(address)?.is_empty() {
            self.set_field(address, Value::Nonce(1))?;
        }
        Ok(())
    }

    fn set_field(&mut self, address: Address, value: Value) -> Result<(), ExecutionError> {
        let field = match value {
            Value::Balance(_) => BALANCE,
            Value::Nonce(_) => NONCE,
            _ => CODE,
        };
        self.accesses.push((address, Vec::new()));
        let location = Place::Account(address).location(field);
        self.ledger.apply(&location, &Change::Set(value))?;
        let after = self.ledger.fields(address)?;
        if after.is_empty() {
            // It vanishes (EIP-161).
            let location = Place::Account(address).location(LIFE);
            let life = Value::Life(Life { exists: false, ..after.life });
            self.ledger.apply(&location, &Change::Set(life))?;
        }
        Ok(())
    }

    fn set_slot(&mut self, address: Address, at: U256, value: U256) -> Result<(), ExecutionError> {
        self.accesses.push((address, vec![at]));
        let location = Place::Slot(address, at).location(SLOT);
        self.ledger.apply(&location, &Change::Set(Value::Slot { value, epoch: 0 }))?;
        Ok(())
    }

    fn set(&mut self, at: u64, value: U256) -> Result<(), ExecutionError> {
        self.set_slot(SETTINGS_ADDRESS, U256::from(at), value)
    }

    fn setting(&self, at: u64) -> Result<U256, ExecutionError> {
        let location = Place::Slot(SETTINGS_ADDRESS, U256::from(at)).location(SLOT);
        Ok(self.ledger.value(&location)?.number())
    }

    fn mine(
        &mut self,
        blocks: u32,
        interval_s: u64,
        clock: Option<Clock>,
    ) -> Result<(), ExecutionError> {
        let more = u64::from(blocks.saturating_sub(1));
        let last = self.block.header.number + more;
        self.set(slot::MINING, pair(last, interval_s))?;
        if let Some(clock) = clock {
            self.set_clock(clock)?;
        }
        let later = i64::try_from(interval_s.saturating_mul(more)).unwrap_or(i64::MAX);
        if later == 0 { Ok(()) } else { self.move_clock(|offset| offset.saturating_add(later)) }
    }

    /// The clock goes on from a time, unless that is before this block's.
    fn set_clock(&mut self, clock: Clock) -> Result<(), ExecutionError> {
        let difference = i128::from(clock.timestamp) - i128::from(clock.now);
        let offset = i64::try_from(difference).unwrap_or(0);
        if clock.timestamp < self.block.header.timestamp {
            return Ok(());
        }
        self.move_clock(|_| offset)
    }

    fn move_clock(&mut self, change: impl Fn(i64) -> i64) -> Result<(), ExecutionError> {
        const FURTHEST_S: i64 = weft_types::command::COMMAND_TIMESTAMP_MAX.cast_signed();
        let before = self.setting(slot::OFFSET)?.as_limbs()[0].cast_signed();
        let after = change(before).clamp(-FURTHEST_S, FURTHEST_S);
        self.set(slot::OFFSET, U256::from(after.cast_unsigned()))
    }
}
