//! What a block does besides its transactions: system calls (EIP-4788, EIP-2935, EIP-7002, EIP-7251), withdrawals
//! (EIP-4895), block rewards, the DAO's balances (EIP-779), and the requests that come of it (EIP-7685).

use crate::effects::Wanted;
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::executor::BlockInput;
use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::place::{BALANCE, LIFE, Life, Place};
use crate::value::{Change, Delta, Value};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE};
use alloy_eips::eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE};
use alloy_evm::eth::dao_fork::{DAO_HARDFORK_ACCOUNTS, DAO_HARDFORK_BENEFICIARY};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, U256};
use revm::context::result::ExecutionResult;
use revm::primitives::hardfork::SpecId;
use weft_types::{Header, Location};

mod deposits;

/// Accounts and slots that a phase accessed, for the block access list.
pub(crate) type Accesses = Vec<(Address, Vec<U256>)>;

/// One phase of a block: what it does goes to a ledger and to a list of accesses.
pub(crate) struct Phase<'p, 'b> {
    pub(crate) environment: &'p Environment,
    pub(crate) block: &'p BlockInput<'p>,
    pub(crate) ledger: Ledger<'b>,
    pub(crate) accesses: Accesses,
}

impl<'p, 'b> Phase<'p, 'b> {
    pub(crate) fn new(
        environment: &'p Environment,
        block: &'p BlockInput<'p>,
        ledger: Ledger<'b>,
    ) -> Self {
        Self { environment, block, ledger, accesses: Vec::new() }
    }

    fn has(&self, spec: SpecId) -> bool {
        self.environment.cfg.spec.is_enabled_in(spec)
    }

    /// What happens before the transactions: beacon root, parent hash, then commands. A contract that is not there is passed over, as
    /// both EIPs say; what a call returns, or that it reverts, does not matter.
    pub(crate) fn before_transactions(&mut self) -> Result<(), ExecutionError> {
        if self.block.rules.dao_fork {
            self.move_dao_balances()?;
        }
        if self.block.rules.system_calls {
            self.calls_before_transactions()?;
        }
        self.apply_commands()
    }

    fn calls_before_transactions(&mut self) -> Result<(), ExecutionError> {
        let header = self.block.header;
        let calls = [
            (SpecId::CANCUN, BEACON_ROOTS_ADDRESS, header.parent_beacon_block_root),
            (SpecId::PRAGUE, HISTORY_STORAGE_ADDRESS, Some(header.parent_hash)),
        ];
        for (spec, contract, input) in calls {
            if self.has(spec) && self.has_code(contract)? {
                let input = Bytes::copy_from_slice(input.unwrap_or_default().as_slice());
                self.call(contract, input)?;
            }
        }
        Ok(())
    }

    /// What happens after the transactions, whose logs are given: withdrawals, then requests, which are returned; before
    /// the Merge, rewards.
    ///
    /// # Errors
    /// A verdict when a contract is missing or its call fails: EIP-7002 and EIP-7251 make the block invalid then. Or when
    /// a deposit's log is malformed (EIP-6110).
    pub(crate) fn after_transactions<'l>(
        &mut self,
        logs: impl Iterator<Item = &'l Log>,
    ) -> Result<Vec<Bytes>, ExecutionError> {
        if self.block.rules.block_rewards && !self.has(SpecId::MERGE) {
            self.pay_rewards()?;
        }
        for withdrawal in self.block.withdrawals {
            self.credit(withdrawal.address, withdrawal.amount_wei())?;
        }
        let mut requests = Vec::new();
        if !self.block.rules.system_calls || !self.has(SpecId::PRAGUE) {
            return Ok(requests);
        }
        if let Some(contract) = self.block.rules.deposits() {
            requests.extend(deposits::request(contract, logs)?);
        }
        let calls = [
            (WITHDRAWAL_REQUEST_TYPE, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, "EIP-7002"),
            (CONSOLIDATION_REQUEST_TYPE, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, "EIP-7251"),
        ];
        for (kind, contract, eip) in calls {
            let invalid = |what: &str| ExecutionError::Invalid {
                index: None,
                reason: format!("system contract {contract} of {eip} {what}"),
            };
            if !self.has_code(contract)? {
                return Err(invalid("has no code"));
            }
            let (result, output) = self.call(contract, Bytes::new())?;
            if !result.is_success() {
                return Err(invalid("failed"));
            }
            if !output.is_empty() {
                requests.push([&[kind], output.as_ref()].concat().into());
            }
        }
        Ok(requests)
    }

    fn has_code(&self, address: Address) -> Result<bool, ExecutionError> {
        Ok(self.ledger.fields(address)?.code_hash != KECCAK256_EMPTY)
    }

    fn call(
        &mut self,
        contract: Address,
        input: Bytes,
    ) -> Result<(ExecutionResult, Bytes), ExecutionError> {
        let wanted = Wanted { accesses: true, ..Wanted::NOTHING };
        let mut machine = Machine::new(self.ledger.base(), self.environment, wanted);
        let source = self.ledger.view();
        let (result, effects, source) = machine.execute_system_call(source, contract, input)?;
        let changes = source.changes;
        drop(machine);
        self.accesses.extend(effects.accesses);
        for (hash, code) in &effects.codes {
            self.ledger.add_code(*hash, code.original_bytes());
        }
        for changed in &changes {
            self.ledger.apply(&changed.place.location(changed.field), &changed.change)?;
        }
        Ok((result, effects.output))
    }

    /// Adds to a balance what no transaction pays.
    fn credit(&mut self, address: Address, amount: U256) -> Result<(), ExecutionError> {
        self.accesses.push((address, Vec::new()));
        if let Some(delta) = Delta::between(U256::ZERO, amount) {
            self.ledger.apply(&Location::Balance { address }, &Change::Add(delta))?;
        }
        let after = self.ledger.fields(address)?;
        // Touched: an empty account appears before EIP-161, and vanishes since.
        if after.is_empty() {
            let exists = !self.has(SpecId::SPURIOUS_DRAGON);
            let life = Value::Life(Life { exists, ..after.life });
            let location = Place::Account(address).location(LIFE);
            self.ledger.apply(&location, &Change::Set(life))?;
        }
        Ok(())
    }

    /// Source: the yellow paper, section 11.3, and EIP-649, EIP-1234 for the amounts.
    fn pay_rewards(&mut self) -> Result<(), ExecutionError> {
        const ETHER: u64 = 1_000_000_000_000_000_000;
        let full = match self.environment.cfg.spec {
            spec if spec.is_enabled_in(SpecId::PETERSBURG) => 2 * ETHER,
            spec if spec.is_enabled_in(SpecId::BYZANTIUM) => 3 * ETHER,
            _ => 5 * ETHER,
        };
        let Header { number, beneficiary, .. } = *self.block.header;
        for ommer in self.block.ommers {
            let distance = number.saturating_sub(ommer.number);
            let part = 8_u64.saturating_sub(distance);
            self.credit(ommer.beneficiary, U256::from(full) * U256::from(part) / U256::from(8))?;
        }
        let extra = U256::from(full / 32) * U256::from(self.block.ommers.len());
        self.credit(beneficiary, U256::from(full) + extra)
    }

    fn move_dao_balances(&mut self) -> Result<(), ExecutionError> {
        for address in DAO_HARDFORK_ACCOUNTS {
            let balance = self.ledger.fields(address)?.balance;
            if let Some(debit) = Delta::between(balance, U256::ZERO) {
                let location = Place::Account(address).location(BALANCE);
                self.ledger.apply(&location, &Change::Add(debit))?;
                self.credit(DAO_HARDFORK_BENEFICIARY, balance)?;
            }
        }
        Ok(())
    }
}

/// EIP-7685: `sha256(sha256(type ‖ data) ‖ ...)` over the requests that are not empty, ascending by type.
pub(crate) fn requests_hash(requests: &[Bytes]) -> B256 {
    let crypto = revm::precompile::crypto();
    let hashes: Vec<u8> = requests.iter().flat_map(|request| crypto.sha256(request)).collect();
    B256::from(crypto.sha256(&hashes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;

    #[test]
    fn no_requests_hash_to_the_empty_hash_of_the_eip() {
        assert_eq!(requests_hash(&[]), EMPTY_REQUESTS_HASH);
    }
}
