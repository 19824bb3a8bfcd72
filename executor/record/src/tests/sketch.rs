//! Blocks written down by hand, for tests that need exact amounts of gas or records that are awkward to execute.

use super::world::{CONTRACT, input, user};
use crate::Block;
use crate::advice::{Advice, Words, advise};
use crate::names::{Namer, Registry};
use alloy_consensus::{ReceiptWithBloom, SignableTransaction, TxEip1559};
use alloy_eip7928::{AccountChanges, BlockAccessIndex, SlotChanges, StorageChange};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256, keccak256};
use weft_types::{
    AccessRecord, Location, ReadAccess, Receipt, Transaction, TransactionAccess, TxIndex,
    WriteAccess, Writer,
};

/// A block to be, and what its record says.
#[derive(Debug)]
pub(super) struct Sketch {
    transactions: Vec<Transaction>,
    pub(super) senders: Vec<Address>,
    pub(super) receipts: Vec<Receipt>,
    pub(super) access: AccessRecord,
    list: Vec<AccountChanges>,
}

/// A numbered slot of [`CONTRACT`].
pub(super) fn slot(number: u64) -> Location {
    at(U256::from(number))
}

/// A slot of [`CONTRACT`].
pub(super) const fn at(slot: U256) -> Location {
    Location::Storage { address: CONTRACT, slot }
}

impl Sketch {
    /// A block without transactions.
    pub(super) fn empty() -> Self {
        Self {
            transactions: Vec::new(),
            senders: Vec::new(),
            receipts: Vec::new(),
            access: AccessRecord::default(),
            list: vec![AccountChanges::new(CONTRACT)],
        }
    }

    /// Calls of [`CONTRACT`] by as many users, with their gas.
    pub(super) fn of(gas: &[u64]) -> Self {
        Self::calling("poke()", gas)
    }

    /// The same of a certain function.
    pub(super) fn calling(function: &str, gas: &[u64]) -> Self {
        let mut sketch = Self::empty();
        for (n, gas) in gas.iter().enumerate() {
            sketch.add(user(n as u8), TxKind::Call(CONTRACT), input(function, &[]), *gas);
        }
        sketch
    }

    /// Adds a transaction.
    pub(super) fn add(&mut self, from: Address, to: TxKind, input: Bytes, gas: u64) {
        let nonce = self.senders.iter().filter(|sender| **sender == from).count() as u64;
        let transaction = TxEip1559 { nonce, to, input, gas_limit: gas, ..TxEip1559::default() };
        self.transactions.push(transaction.into_signed(Signature::test_signature()).into());
        self.senders.push(from);
        let receipt = alloy_consensus::Receipt { status: true.into(), ..Default::default() };
        self.receipts.push(Receipt::Eip1559(ReceiptWithBloom::new(receipt, Default::default())));
        self.access
            .transactions
            .push(TransactionAccess { gas_used: gas, ..TransactionAccess::default() });
    }

    /// A transaction changes a place.
    pub(super) fn writes(&mut self, place: Location, writer: u32) {
        let writes = &mut self.access.transactions[writer as usize].writes;
        if writes.iter().all(|write| write.location != place) {
            writes.push(WriteAccess { location: place, commutative: false });
            writes.sort_by_key(|write| write.location);
        }
    }

    /// Somebody reads at a place what another transaction wrote there.
    pub(super) fn waits(&mut self, place: Location, writer: u32, reader: u32) {
        self.writes(place, writer);
        let reads = &mut self.access.transactions[reader as usize].reads;
        reads.push(ReadAccess { location: place, from: Writer::Transaction(TxIndex(writer)) });
        reads.sort_by_key(|read| read.location);
    }

    /// Each of the members reads what the one before wrote, and writes.
    pub(super) fn chain(&mut self, place: Location, members: &[u32]) {
        for pair in members.windows(2) {
            self.waits(place, pair[0], pair[1]);
            self.writes(place, pair[1]);
        }
    }

    /// All readers read what one wrote.
    pub(super) fn star(&mut self, place: Location, writer: u32, readers: &[u32]) {
        readers.iter().for_each(|reader| self.waits(place, writer, *reader));
    }

    /// An event with so many topics, the first of which is its name.
    pub(super) fn emits(&mut self, index: u32, event: &str, topics: &[B256]) {
        let mut all = vec![keccak256(event)];
        all.extend(topics);
        let Receipt::Eip1559(receipt) = &mut self.receipts[index as usize] else { unreachable!() };
        receipt.receipt.logs.push(Log::new_unchecked(CONTRACT, all, Bytes::new()));
    }

    /// A transaction of the block failed.
    pub(super) fn fails(&mut self, index: u32) {
        let Receipt::Eip1559(receipt) = &mut self.receipts[index as usize] else { unreachable!() };
        receipt.receipt.status = false.into();
    }

    /// The access list: values that a slot of [`CONTRACT`] took, with their indices in the list.
    pub(super) fn listed(&mut self, slot: U256, values: &[(u64, u64)]) {
        let change = |(index, value): &(u64, u64)| {
            StorageChange::new(BlockAccessIndex(*index), U256::from(*value))
        };
        let slots = &mut self.list[0].storage_changes;
        slots.push(SlotChanges::new(slot, values.iter().map(change).collect()));
        slots.sort_by_key(|entry| entry.slot);
    }

    /// As the analysis sees it.
    pub(super) fn block(&self) -> Block<'_> {
        Block {
            transactions: &self.transactions,
            senders: &self.senders,
            receipts: &self.receipts,
            access: &self.access,
            list: &self.list,
        }
    }

    /// What is said of it.
    pub(super) fn advice(&self) -> Vec<Advice> {
        advise(&self.block(), &Registry::default())
    }

    /// The only thing that is said of it.
    pub(super) fn only(&self) -> (Advice, Words) {
        let mut all = self.advice();
        assert_eq!(all.len(), 1, "{all:#?}");
        let registry = Registry::default();
        let words = Words::new(&all[0], &mut Namer::new(&registry, self.block()));
        (all.remove(0), words)
    }
}
