//! Names of locations, found again by hashing what is in sight.

use super::layout::{Layout, Shape, Variable};
use super::registry::Registry;
use super::{Name, short};
use crate::block::{Block, ContractKind, Function};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256, keccak256};
use std::collections::{BTreeMap, BTreeSet};
use weft_types::{Location, TxIndex};

/// Hashes that one namer computes; slots that would need more stay numbers. About 50 ms.
pub const HASHES_MAX: u32 = 150_000;

/// Words of a transaction's input, and topics of its logs, that are tried as keys.
const WORDS_MAX: usize = 24;
/// Keys of one transaction that are tried as the outer key of a mapping of mappings.
const OUTER_KEYS_MAX: usize = 12;
/// Positions that are tried for a contract whose layout is unknown.
const POSITIONS: u64 = 16;
/// Transactions whose words are tried for one slot.
const SAMPLES_MAX: usize = 4;
/// Slots behind the start of an array or of a long string that are taken for a part of it.
const ARRAY_SLOTS: u64 = 1 << 20;

/// Finds names for one block. Remembers what it found.
#[derive(Debug)]
pub struct Namer<'a> {
    registry: &'a Registry,
    block: Block<'a>,
    kinds: BTreeMap<Address, ContractKind>,
    layouts: BTreeMap<Address, Layout>,
    /// Places that are known of a contract: slots from here on have this name.
    places: BTreeMap<Address, BTreeMap<U256, Place>>,
    /// Transactions whose words were tried, by contract.
    tried: BTreeSet<(Address, TxIndex)>,
    hashes_left: u32,
}

/// A name for a run of slots.
#[derive(Clone, Debug)]
struct Place {
    text: String,
    /// Slots that it spans.
    span: u64,
    /// Slots of one element, for arrays.
    step: Option<u64>,
    guessed: bool,
}

impl<'a> Namer<'a> {
    /// A namer for `block`.
    #[must_use]
    pub fn new(registry: &'a Registry, block: Block<'a>) -> Self {
        Self {
            registry,
            kinds: block.kinds(),
            block,
            layouts: BTreeMap::new(),
            places: BTreeMap::new(),
            tried: BTreeSet::new(),
            hashes_left: HASHES_MAX,
        }
    }

    /// What the contract is, if its events say.
    #[must_use]
    pub fn kind(&self, address: &Address) -> Option<ContractKind> {
        self.kinds.get(address).copied()
    }

    /// Name of an account; for a contract of a known kind without one, none.
    #[must_use]
    pub fn account(&self, address: &Address) -> Option<&str> {
        self.registry.account(address)
    }

    /// Name of an account, or its shortened address.
    #[must_use]
    pub fn account_or_short(&self, address: &Address) -> String {
        self.account(address).map_or_else(|| short(address), str::to_owned)
    }

    /// Signature of a function.
    #[must_use]
    pub fn signature(&self, function: &Function) -> Option<&str> {
        self.registry.function(&function.contract, function.selector.as_ref()?)
    }

    /// The contract and what is called: `Token.transfer`, `0x5FbD…0aa3.0xd09de08a`, `alice` for a plain transfer.
    #[must_use]
    pub fn function(&self, function: &Function) -> String {
        let contract = self.account_or_short(&function.contract);
        let name = self.signature(function).and_then(|text| text.split('(').next());
        match (name, function.selector) {
            (Some(name), _) => format!("{contract}.{name}"),
            (None, Some(selector)) => format!("{contract}.{selector}"),
            (None, None) => contract,
        }
    }

    /// Name of a location. `samples` are transactions that touched it, whose words may be its keys.
    pub fn location(&mut self, location: &Location, samples: &[TxIndex]) -> Name {
        let account = self.account_or_short(location.address());
        let sure = |text: String| Name { text, guessed: false };
        match location {
            Location::Balance { .. } => sure(format!("balance of {account}")),
            Location::Nonce { .. } => sure(format!("nonce of {account}")),
            Location::Code { .. } => sure(format!("code of {account}")),
            Location::StorageEpoch { .. } => sure(format!("storage of {account}")),
            Location::Storage { address, slot } => match self.variable(address, slot, samples) {
                Some(name) => Name { text: format!("{account}.{}", name.text), ..name },
                None => sure(format!("{account}[{}]", short_word(slot))),
            },
        }
    }

    /// Name of a slot within its contract.
    pub fn variable(
        &mut self,
        address: &Address,
        slot: &U256,
        samples: &[TxIndex],
    ) -> Option<Name> {
        self.prepare(address);
        if let Some(name) = self.find(address, slot) {
            return Some(name);
        }
        for sample in samples.iter().take(SAMPLES_MAX) {
            if self.tried.insert((*address, *sample)) {
                self.try_words(address, *sample);
                if let Some(name) = self.find(address, slot) {
                    return Some(name);
                }
            }
        }
        None
    }

    /// Whether a slot is one that a contract's author numbered, not a hash.
    #[must_use]
    pub fn is_numbered(slot: &U256) -> bool {
        slot.bit_len() <= 64
    }

    fn find(&self, address: &Address, slot: &U256) -> Option<Name> {
        let (start, place) = self.places.get(address)?.range(..=*slot).next_back()?;
        let offset = u64::try_from(*slot - *start).ok().filter(|offset| *offset < place.span)?;
        let mut text = place.text.clone();
        if let Some(step) = place.step {
            text += &format!("[{}]", offset / step);
        }
        Some(Name { text, guessed: place.guessed })
    }

    /// Enters the positions of a contract's layout.
    fn prepare(&mut self, address: &Address) {
        if self.layouts.contains_key(address) {
            return;
        }
        let own = self.registry.contract(address).and_then(|contract| contract.layout.clone());
        let usual = || self.kinds.get(address).map(|kind| Layout::usual(*kind));
        let layout = own.or_else(usual).unwrap_or_else(|| Layout::unknown(POSITIONS));
        let mut places = BTreeMap::new();
        for variable in &layout.variables {
            let text = variable.label.clone();
            // What is called so is set once: where the block changes it, the contract has something else there.
            let fixed = matches!(text.as_str(), "name" | "symbol" | "decimals");
            if layout.guessed && fixed && self.is_written(address, variable.slot) {
                continue;
            }
            self.enter(&mut places, variable.slot, text, &variable.shape, layout.guessed);
        }
        self.places.insert(*address, places);
        self.layouts.insert(*address, layout);
    }

    /// Whether a transaction of the block changes a slot.
    fn is_written(&self, address: &Address, slot: U256) -> bool {
        let place = Location::Storage { address: *address, slot };
        let changes = |access: &weft_types::TransactionAccess| {
            access.writes.binary_search_by(|write| write.location.cmp(&place)).is_ok()
        };
        self.block.access.transactions.iter().any(changes)
    }

    /// Enters what lies at `slot`, as far as no key is needed.
    fn enter(
        &mut self,
        places: &mut BTreeMap<U256, Place>,
        slot: U256,
        text: String,
        shape: &Shape,
        guessed: bool,
    ) {
        let plain = |text: String| Place { text, span: 1, step: None, guessed };
        match shape {
            Shape::Plain | Shape::Mapping(_) => {
                places.entry(slot).or_insert_with(|| plain(text));
            }
            Shape::Array(step) => {
                if let Some(start) = self.hash(&[slot]) {
                    let step = Some(u64::from(*step));
                    let place = Place { text: text.clone(), span: ARRAY_SLOTS, step, guessed };
                    places.insert(start, place);
                }
                places.insert(slot, plain(format!("{text}.length")));
            }
            Shape::Struct(members) => {
                for (label, offset) in members {
                    let at = slot.wrapping_add(U256::from(*offset));
                    places.insert(at, plain(format!("{text}.{label}")));
                }
            }
        }
    }

    /// Hashes what is in sight of a transaction with the positions of a contract.
    fn try_words(&mut self, address: &Address, sample: TxIndex) {
        let keys = self.keys(sample);
        let Some(layout) = self.layouts.get(address).cloned() else { return };
        let mut places = self.places.remove(address).unwrap_or_default();
        let mut variables = layout.variables;
        if layout.guessed {
            // What usually is a value may be a mapping here.
            let mapped = |at: &U256, all: &[Variable]| {
                all.iter().any(|v| v.slot == *at && matches!(v.shape, Shape::Mapping(_)))
            };
            let mut others = Layout::unknown(POSITIONS).variables;
            others.retain(|other| !mapped(&other.slot, &variables));
            variables.extend(others);
        }
        for variable in &variables {
            let Shape::Mapping(value) = &variable.shape else { continue };
            for (outer, key) in keys.iter().enumerate() {
                let Some(at) = self.hash(&[*key, variable.slot]) else { break };
                let text = format!("{}[{}]", variable.label, self.key(key));
                self.enter(&mut places, at, text.clone(), value, layout.guessed);
                let Shape::Mapping(inner) = &**value else { continue };
                if outer >= OUTER_KEYS_MAX {
                    continue;
                }
                for second in &keys {
                    let Some(at) = self.hash(&[*second, at]) else { break };
                    let text = format!("{text}[{}]", self.key(second));
                    self.enter(&mut places, at, text, inner, layout.guessed);
                }
            }
        }
        self.places.insert(*address, places);
    }

    /// Words that may be keys, in the order of likelihood, each once.
    fn keys(&self, sample: TxIndex) -> Vec<U256> {
        let index = sample.0 as usize;
        let Some(transaction) = self.block.transactions.get(index) else { return Vec::new() };
        let account = |address: Address| U256::from_be_bytes(address.into_word().0);
        let mut keys: Vec<U256> = vec![account(self.block.senders[index])];
        keys.push(account(self.block.function(sample).contract));
        let input = transaction.input().get(4..).unwrap_or_default();
        let words = input.chunks_exact(32).take(WORDS_MAX);
        keys.extend(words.map(U256::from_be_slice));
        if let Some(receipt) = self.block.receipts.get(index) {
            let topics = receipt.logs().iter().flat_map(|log| {
                let topics = log.topics().iter().skip(1).map(|topic| U256::from_be_bytes(topic.0));
                std::iter::once(account(log.address)).chain(topics)
            });
            keys.extend(topics.take(WORDS_MAX));
        }
        keys.extend(self.registry.developers().map(account));
        keys.extend((0..4u64).map(U256::from));
        let mut seen = BTreeSet::new();
        keys.retain(|key| seen.insert(*key));
        keys
    }

    fn hash(&mut self, words: &[U256]) -> Option<U256> {
        self.hashes_left = self.hashes_left.checked_sub(1)?;
        let mut bytes = [0u8; 64];
        for (place, word) in bytes.chunks_exact_mut(32).zip(words) {
            place.copy_from_slice(&word.to_be_bytes::<32>());
        }
        Some(U256::from_be_bytes(keccak256(&bytes[..32 * words.len()]).0))
    }

    /// A key as people write it.
    fn key(&self, key: &U256) -> String {
        if key.bit_len() <= 64 {
            return key.to_string();
        }
        let word = B256::from(*key);
        if word[..12] == [0; 12] {
            return self.account_or_short(&Address::from_word(word));
        }
        short_word(key)
    }
}

/// A slot or key as a short hexadecimal number.
fn short_word(word: &U256) -> String {
    let text = format!("{word:#x}");
    if text.len() > 14 { format!("{}…{}", &text[..6], &text[text.len() - 4..]) } else { text }
}
