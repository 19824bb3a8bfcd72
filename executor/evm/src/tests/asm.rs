//! A tiny assembler for test contracts.

use alloy_primitives::{Address, Bytes, U256};
pub(crate) use revm::bytecode::opcode as op;

/// Code under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asm(Vec<u8>);

impl Asm {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends instructions without immediates.
    pub(crate) fn op(mut self, ops: &[u8]) -> Self {
        self.0.extend_from_slice(ops);
        self
    }

    /// Pushes a number with the shortest instruction.
    pub(crate) fn push(mut self, value: impl TryInto<U256, Error: std::fmt::Debug>) -> Self {
        let value: U256 = value.try_into().unwrap();
        let bytes = value.to_be_bytes_trimmed_vec();
        self.0.push(op::PUSH0 + bytes.len() as u8);
        self.0.extend_from_slice(&bytes);
        self
    }

    /// Pushes an address.
    pub(crate) fn address(mut self, address: Address) -> Self {
        self.0.push(op::PUSH20);
        self.0.extend_from_slice(address.as_slice());
        self
    }

    /// Pushes the `n`-th word of the calldata.
    pub(crate) fn argument(self, n: usize) -> Self {
        self.push(U256::from(32 * n)).op(&[op::CALLDATALOAD])
    }

    /// Stores the top of the stack in a slot.
    pub(crate) fn store(self, slot: u64) -> Self {
        self.push(U256::from(slot)).op(&[op::SSTORE])
    }

    /// Writes `code` to memory at 0, word by word, and pushes nothing.
    pub(crate) fn memory(mut self, code: &[u8]) -> Self {
        for (n, chunk) in code.chunks(32).enumerate() {
            let mut word = [0u8; 32];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0.push(op::PUSH32);
            self.0.extend_from_slice(&word);
            self = self.push(U256::from(32 * n)).op(&[op::MSTORE]);
        }
        self
    }

    pub(crate) fn code(self) -> Bytes {
        self.0.into()
    }
}

/// Initcode that deploys `code`.
pub(crate) fn deployer(code: &[u8]) -> Bytes {
    Asm::new().memory(code).push(U256::from(code.len())).push(U256::ZERO).op(&[op::RETURN]).code()
}

/// Calldata of 32-byte words.
pub(crate) fn words(words: &[U256]) -> Bytes {
    words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect::<Vec<u8>>().into()
}

/// An address as a word.
pub(crate) fn word(address: Address) -> U256 {
    U256::from_be_bytes(address.into_word().0)
}

/// Counts its calls in slot 0.
pub(crate) fn counter() -> Bytes {
    Asm::new().push(U256::ZERO).op(&[op::SLOAD]).push(U256::from(1)).op(&[op::ADD]).store(0).code()
}

/// A minimal ERC-20: calldata `to, amount` moves tokens of the caller, balances at `keccak256(account, 0)`, Transfer event.
pub(crate) fn token() -> Bytes {
    let slot = |asm: Asm| {
        asm.push(U256::ZERO)
            .op(&[op::MSTORE])
            .push(U256::from(64))
            .push(U256::ZERO)
            .op(&[op::KECCAK256])
    };
    // from: balance - amount
    let asm = slot(Asm::new().op(&[op::CALLER])).op(&[op::DUP1, op::SLOAD]).argument(1);
    let asm = asm.op(&[op::SWAP1, op::SUB, op::SWAP1, op::SSTORE]);
    // to: balance + amount
    let asm = slot(asm.argument(0)).op(&[op::DUP1, op::SLOAD]).argument(1);
    let asm = asm.op(&[op::ADD, op::SWAP1, op::SSTORE]);
    // Transfer(from, to, amount)
    let topic = alloy_primitives::keccak256("Transfer(address,address,uint256)");
    asm.argument(1)
        .push(U256::ZERO)
        .op(&[op::MSTORE])
        .argument(0)
        .op(&[op::CALLER])
        .push(U256::from_be_bytes(topic.0))
        .push(U256::from(32))
        .push(U256::ZERO)
        .op(&[op::LOG3, op::STOP])
        .code()
}

/// The slot of an account in [`token`].
pub(crate) fn token_slot(account: Address) -> U256 {
    let mut key = [0u8; 64];
    key[12..32].copy_from_slice(account.as_slice());
    U256::from_be_bytes(alloy_primitives::keccak256(key).0)
}
