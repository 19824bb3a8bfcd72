//! A small chain in memory: accounts, system contracts, and transactions without real signatures.

use crate::{BlockInput, Executed, ExecutionError, Executor, MemoryState, Mode, Products, Rules};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, TxLegacy};
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use revm::primitives::hardfork::SpecId;
use std::sync::Arc;
use weft_types::{
    ChainParams, Command, Header, RecoveredTransaction, Round, StateReader, Transaction,
};

/// One ether.
pub(crate) const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Who gets the tips.
pub(crate) const COINBASE: Address = Address::repeat_byte(0xcb);

/// A chain state and the header of the block to execute on it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) state: MemoryState,
    pub(crate) header: Header,
    pub(crate) params: ChainParams,
    pub(crate) rules: Rules,
    pub(crate) withdrawals: Vec<Withdrawal>,
    pub(crate) ommers: Vec<Header>,
    pub(crate) commands: Vec<Command>,
}

/// A transaction to be.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) from: Address,
    pub(crate) nonce: u64,
    pub(crate) to: Option<Address>,
    pub(crate) value: U256,
    pub(crate) input: Bytes,
    pub(crate) gas: u64,
    pub(crate) tip: u128,
    pub(crate) authorizations: Vec<SignedAuthorization>,
    /// Without EIP-1559: a legacy transaction, whose price is the tip.
    legacy: bool,
}

/// Key of the `n`-th user.
pub(crate) fn key(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(n + 1)).unwrap()
}

/// Address of the `n`-th user.
pub(crate) fn user(n: u8) -> Address {
    key(n).address()
}

/// A signed authorization of user `n` to run the code of `target`.
pub(crate) fn authorize(n: u8, nonce: u64, target: Address) -> SignedAuthorization {
    let authorization = Authorization { chain_id: U256::ZERO, address: target, nonce };
    let signature = key(n).sign_hash_sync(&authorization.signature_hash()).unwrap();
    authorization.into_signed(signature)
}

impl World {
    /// System contracts and nothing else.
    pub(crate) fn bare() -> Self {
        use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
        let mut state = MemoryState::default();
        for (address, code) in [
            (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
            (eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
            (
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE,
            ),
            (
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
            ),
        ] {
            state.set_code(address, code.clone());
        }
        let params = ChainParams::devnet();
        let parent = Header {
            number: 299,
            gas_limit: params.gas_limit,
            gas_used: params.gas_limit / 2,
            timestamp: 1_000,
            base_fee_per_gas: Some(1_000),
            ..Header::default()
        };
        let hash = parent.hash_slow();
        for number in 0..299 {
            state.set_block_hash(number, alloy_primitives::keccak256(number.to_string()));
        }
        state.set_block_hash(299, hash);
        let header =
            weft_types::header::next_header(&parent, hash, &params, Round(0), COINBASE, 1_001);
        let rules = Rules::weft(&params);
        let commands = Vec::new();
        Self { state, header, params, rules, withdrawals: Vec::new(), ommers: Vec::new(), commands }
    }

    /// The same under an older fork: what came later is not there yet.
    pub(crate) fn under(mut self, spec: SpecId) -> Self {
        self.rules = Rules::ethereum(spec, self.params.chain_id);
        if !spec.is_enabled_in(SpecId::LONDON) {
            self.header.base_fee_per_gas = None;
        }
        if !spec.is_enabled_in(SpecId::MERGE) {
            self.header.difficulty = U256::from(131_072);
        }
        self
    }

    /// With `users` accounts of 100 ether each.
    pub(crate) fn with_users(users: u8) -> Self {
        let mut world = Self::bare();
        for n in 0..users {
            world.state.set_balance(user(n), U256::from(100) * ETHER);
        }
        world
    }

    pub(crate) fn deploy(&mut self, address: Address, code: Bytes) {
        self.state.set_code(address, code);
    }

    /// A draft from user `n` to `to`, paying a tip of 1 wei a gas.
    pub(crate) fn draft(&self, n: u8, nonce: u64, to: impl Into<Option<Address>>) -> Draft {
        Draft {
            from: user(n),
            nonce,
            to: to.into(),
            value: U256::ZERO,
            input: Bytes::new(),
            gas: 400_000,
            tip: 1,
            authorizations: Vec::new(),
            legacy: !self.rules.spec.is_enabled_in(SpecId::LONDON),
        }
    }

    pub(crate) fn reader(&self) -> Arc<dyn StateReader> {
        Arc::new(self.state.clone())
    }

    /// Executes a block in any way.
    pub(crate) fn execute(
        &self,
        executor: &Executor,
        transactions: &[Arc<RecoveredTransaction>],
        mode: Mode<'_>,
    ) -> Result<Executed, ExecutionError> {
        let block = BlockInput {
            header: &self.header,
            transactions,
            ommers: &self.ommers,
            withdrawals: &self.withdrawals,
            commands: &self.commands,
            rules: &self.rules,
        };
        let found = executor.execute(&block, &self.reader(), mode, Products::ALL);
        if let Mode::WithList(_) = mode {
            // A machine of its own, that notes nothing, where nobody asks for the access record.
            let products = Products { access_record: false, incarnations: false, ..Products::ALL };
            match (&found, executor.execute(&block, &self.reader(), mode, products)) {
                (Ok(found), Ok(quick)) => {
                    let expected = Executed {
                        access_record: quick.access_record.clone(),
                        profile: quick.profile.clone(),
                        ..found.clone()
                    };
                    assert_eq!(quick, expected, "without the access record");
                }
                (Err(found), Err(quick)) => {
                    assert_eq!(quick.is_verdict(), found.is_verdict(), "{quick} but {found}");
                }
                (Ok(_), Err(error)) => panic!("refused without the access record: {error}"),
                (Err(error), Ok(_)) => panic!("refused only with the access record: {error}"),
            }
        }
        found
    }

    pub(crate) fn build(
        &self,
        executor: &Executor,
        candidates: &[Arc<RecoveredTransaction>],
    ) -> Result<Executed, ExecutionError> {
        self.execute(executor, candidates, Mode::Build)
    }

    /// Executes sequentially.
    pub(crate) fn oracle(
        &self,
        transactions: &[Arc<RecoveredTransaction>],
    ) -> Result<Executed, ExecutionError> {
        self.execute(&Executor::new(1), transactions, Mode::Oracle)
    }

    /// Whether this is a block of a Weft chain.
    pub(crate) fn is_osaka(&self) -> bool {
        self.rules.spec == SpecId::OSAKA
    }

    /// Verifies what was built, in parallel; on a Weft chain with its list and sealed, which compares all header fields.
    pub(crate) fn verify(
        &self,
        executor: &Executor,
        built: &Executed,
    ) -> Result<Executed, ExecutionError> {
        if !self.is_osaka() || !self.withdrawals.is_empty() {
            return self.execute(executor, &built.transactions, Mode::Verify);
        }
        let block = built.seal(self.header.clone(), B256::ZERO);
        let body = (built.transactions.as_slice(), Some(built.access_list.as_ref()));
        let (header, params) = (block.header(), &self.params);
        executor.verify_after(header, &self.commands, body, &self.reader(), params)
    }

    /// All slots that tests of destroyed contracts use.
    pub(crate) fn slots() -> impl Iterator<Item = U256> {
        (0..8).map(U256::from)
    }

    /// The state after a block.
    pub(crate) fn after(&self, executed: &Executed) -> MemoryState {
        let mut state = self.state.clone();
        for address in &executed.wiped {
            Self::slots().for_each(|slot| state.set_storage(*address, slot, U256::ZERO));
        }
        state.apply(&executed.diff);
        state
    }

    /// Applies a block and moves on to the next one.
    pub(crate) fn advance(&mut self, executed: &Executed) {
        self.state = self.after(executed);
        let parent = executed.seal(self.header.clone(), B256::ZERO);
        self.state.set_block_hash(parent.header().number, parent.hash());
        let now = parent.header().timestamp + 1;
        let header = parent.header();
        self.header = weft_types::header::next_header(
            header,
            parent.hash(),
            &self.params,
            Round(0),
            self.header.beneficiary,
            now,
        );
    }
}

impl Draft {
    pub(crate) fn value(mut self, value: impl TryInto<U256, Error: std::fmt::Debug>) -> Self {
        self.value = value.try_into().unwrap();
        self
    }

    pub(crate) fn input(mut self, input: Bytes) -> Self {
        self.input = input;
        self
    }

    pub(crate) fn gas(mut self, gas: u64) -> Self {
        self.gas = gas;
        self
    }

    pub(crate) fn tip(mut self, tip: u128) -> Self {
        self.tip = tip;
        self
    }

    pub(crate) fn authorize(mut self, authorization: SignedAuthorization) -> Self {
        self.authorizations.push(authorization);
        self
    }

    /// The transaction. The signature is a dummy, the sender is what the draft says.
    pub(crate) fn sign(self) -> Arc<RecoveredTransaction> {
        let signature = Signature::test_signature();
        let (chain_id, max_fee_per_gas) = (ChainParams::devnet().chain_id, 1_000_000);
        let Self { from, nonce, to, value, input, gas, tip, authorizations, legacy } = self;
        let transaction: Transaction = if legacy {
            TxLegacy {
                chain_id: None,
                nonce,
                gas_limit: gas,
                gas_price: tip,
                to: to.map_or(TxKind::Create, TxKind::Call),
                value,
                input,
            }
            .into_signed(signature)
            .into()
        } else if authorizations.is_empty() {
            TxEip1559 {
                chain_id,
                nonce,
                gas_limit: gas,
                max_fee_per_gas,
                max_priority_fee_per_gas: tip,
                to: to.map_or(TxKind::Create, TxKind::Call),
                value,
                input,
                ..TxEip1559::default()
            }
            .into_signed(signature)
            .into()
        } else {
            TxEip7702 {
                chain_id,
                nonce,
                gas_limit: gas,
                max_fee_per_gas,
                max_priority_fee_per_gas: tip,
                to: to.unwrap(),
                value,
                input,
                authorization_list: authorizations,
                ..TxEip7702::default()
            }
            .into_signed(signature)
            .into()
        };
        Arc::new(RecoveredTransaction::new_unchecked(transaction, from))
    }
}

/// Asserts that two executions agree on everything that nodes must agree on.
pub(crate) fn assert_same(a: &Executed, b: &Executed, what: &str) {
    assert_eq!(a.transactions, b.transactions, "{what}: transactions");
    assert_eq!(a.receipts, b.receipts, "{what}: receipts");
    assert_eq!(a.gas_used, b.gas_used, "{what}: gas");
    assert_eq!(a.access_record, b.access_record, "{what}: access record");
    assert_eq!(a.access_list, b.access_list, "{what}: access list");
    assert_eq!(a.access_list_hash, b.access_list_hash, "{what}: hash of the access list");
    assert_eq!(a.diff, b.diff, "{what}: diff");
    assert_eq!(a.wiped, b.wiped, "{what}: wiped");
    assert_eq!(a.requests, b.requests, "{what}: requests");
    assert_eq!(a.requests_hash, b.requests_hash, "{what}: hash of the requests");
    assert_eq!(a.logs_bloom, b.logs_bloom, "{what}: bloom");
    assert_eq!(a.receipts_root, b.receipts_root, "{what}: receipts root");
}
