//! What callers have told about contracts, within bounds.

use super::abi;
use super::artifacts::Artifact;
use super::functions::known_function;
use super::layout::Layout;
use alloy_primitives::{Address, Selector, address};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Contracts that can be registered.
const CONTRACTS_MAX: usize = 512;
/// Longest name of a contract or account, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Names of the accounts that the public test mnemonic gives.
const DEVELOPERS: [(Address, &str); 10] = [
    (address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), "alice"),
    (address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"), "bob"),
    (address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"), "carol"),
    (address!("90F79bf6EB2c4f870365E785982E1f101E93b906"), "dave"),
    (address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65"), "erin"),
    (address!("9965507D1a55bcC2695C58ba16FB37d819B0A4dc"), "frank"),
    (address!("976EA74026E726554dB657fA54763abd0C3a0aa9"), "grace"),
    (address!("14dC79964da2C08b23698B3D3cc7Ca32193d9955"), "heidi"),
    (address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"), "ivan"),
    (address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"), "judy"),
];

/// Contracts that are the same on every chain.
const EVERYWHERE: [(Address, &str); 8] = [
    (address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02"), "beacon roots"),
    (address!("0000F90827F1C53a10cb7A02335B175320002935"), "block hashes"),
    (address!("00000961Ef480Eb55e80D19ad83579A64c007002"), "withdrawal requests"),
    (address!("0000BBdDc7CE488642fb579F8B00f3a590007251"), "consolidation requests"),
    (address!("4e59b44847b379578588920cA78FbF26c0B4956C"), "CREATE2 factory"),
    (address!("cA11bde05977b3631167028862bE2a173976CA11"), "Multicall3"),
    (address!("000000000022D473030F116dDEE9F6B43aC78BA3"), "Permit2"),
    (address!("0000000071727De22E5E9d8BAf0edAc6f37da032"), "EntryPoint"),
];

/// What is known of one contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// Its name.
    pub name: Option<String>,
    /// Signatures of its functions and errors.
    pub signatures: BTreeMap<Selector, String>,
    /// Where it keeps its variables.
    pub layout: Option<Layout>,
}

/// A name cannot be registered.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Not the ABI of a contract.
    #[error(
        "abi: expected a list of functions, events and errors as the compiler gives it: {reason}"
    )]
    Abi {
        /// What the decoder said.
        reason: String,
    },
    /// Not a storage layout.
    #[error("layout: expected the compiler's storageLayout with storage and types: {reason}")]
    Layout {
        /// What the decoder said.
        reason: String,
    },
    /// More than the limit.
    #[error("too many {what}: the limit is {limit}")]
    Large {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Contracts and accounts with names. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    contracts: BTreeMap<Address, Arc<Contract>>,
    artifacts: Arc<[Arc<Artifact>]>,
    developers: bool,
}

impl Registry {
    /// With the names of the accounts that a development chain funds.
    #[must_use]
    pub fn with_developers() -> Self {
        Self { developers: true, ..Self::default() }
    }

    /// With contracts that are recognised by their code.
    #[must_use]
    pub fn with_artifacts(mut self, artifacts: &[Arc<Artifact>]) -> Self {
        self.artifacts = artifacts.into();
        self
    }

    /// Whether there is anything that code could be compared with.
    #[must_use]
    pub fn can_recognise(&self) -> bool {
        !self.artifacts.is_empty()
    }

    /// Looks for the contract with this deployed code among the artifacts, and registers it. What callers have registered
    /// stays.
    pub fn recognise(&mut self, address: Address, code: &[u8]) -> bool {
        if self.contracts.len() >= CONTRACTS_MAX || self.contracts.contains_key(&address) {
            return false;
        }
        let Some(found) = self.artifacts.iter().find(|artifact| artifact.matches(code)) else {
            return false;
        };
        self.contracts.insert(address, Arc::clone(&found.contract));
        true
    }

    /// Registers a contract, in the place of what was known of it.
    ///
    /// # Errors
    /// [`NameError`] for malformed input and beyond the limits; nothing is changed then.
    pub fn register(
        &mut self,
        address: Address,
        name: Option<String>,
        abi: Option<serde_json::Value>,
        layout: Option<serde_json::Value>,
    ) -> Result<(), NameError> {
        let full = self.contracts.len() >= CONTRACTS_MAX;
        if full && !self.contracts.contains_key(&address) {
            return Err(NameError::Large { what: "registered contracts", limit: CONTRACTS_MAX });
        }
        let contract = Contract {
            name: name.map(|name| name.chars().take(NAME_BYTES_MAX).collect()),
            signatures: abi.map(abi::signatures).transpose()?.unwrap_or_default(),
            layout: layout.map(Layout::parse).transpose()?,
        };
        self.contracts.insert(address, Arc::new(contract));
        Ok(())
    }

    /// What is known of a contract.
    #[must_use]
    pub fn contract(&self, address: &Address) -> Option<&Contract> {
        self.contracts.get(address).map(AsRef::as_ref)
    }

    /// Name of an account.
    #[must_use]
    pub fn account(&self, address: &Address) -> Option<&str> {
        if let Some(name) = self.contract(address).and_then(|contract| contract.name.as_deref()) {
            return Some(name);
        }
        let developers = if self.developers { &DEVELOPERS[..] } else { &[] };
        let mut known = developers.iter().chain(&EVERYWHERE);
        known.find(|(known, _)| known == address).map(|(_, name)| *name)
    }

    /// Accounts whose names are known from the start and which are likely keys of mappings.
    pub(super) fn developers(&self) -> impl Iterator<Item = Address> {
        let shown = if self.developers { DEVELOPERS.len() } else { 0 };
        DEVELOPERS.iter().take(shown).map(|(address, _)| *address)
    }

    /// Signature of a function: as registered, or of a standard.
    #[must_use]
    pub fn function(&self, contract: &Address, selector: &Selector) -> Option<&str> {
        let own = self.contract(contract).and_then(|found| found.signatures.get(selector));
        own.map(String::as_str).or_else(|| known_function(selector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_registry_is_bounded_and_replaces() {
        let mut registry = Registry::default();
        let at = |n: usize| Address::left_padding_from(&n.to_be_bytes());
        for n in 0..CONTRACTS_MAX {
            registry.register(at(n), Some(n.to_string()), None, None).unwrap();
        }
        let full = registry.register(at(CONTRACTS_MAX), None, None, None);
        assert!(matches!(full, Err(NameError::Large { limit: CONTRACTS_MAX, .. })));
        registry.register(at(3), Some("again".to_owned()), None, None).unwrap();
        assert_eq!(registry.account(&at(3)), Some("again"));
        let broken = registry.register(at(3), None, Some(json!(7)), None);
        assert!(matches!(broken, Err(NameError::Abi { .. })));
        assert_eq!(registry.account(&at(3)), Some("again"), "nothing is changed");
    }

    #[test]
    fn developers_have_names_on_development_chains_alone() {
        let alice = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(Registry::with_developers().account(&alice), Some("alice"));
        assert_eq!(Registry::default().account(&alice), None);
    }

    #[test]
    fn an_own_function_goes_before_a_standard_one() {
        let mut registry = Registry::default();
        let (token, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        // Its selector is the one of `burn(uint256)`.
        let abi = json!([{
            "type": "function", "name": "collate_propagate_storage",
            "inputs": [{ "type": "bytes16" }],
        }]);
        registry.register(token, None, Some(abi), None).unwrap();
        let burn = super::super::functions::selector_of("burn(uint256)");
        assert_eq!(registry.function(&token, &burn), Some("collate_propagate_storage(bytes16)"));
        assert_eq!(registry.function(&other, &burn), Some("burn(uint256)"));
    }
}
