//! Accounts whose keys the server holds: the funded ones of a devnet, whose mnemonic is public.

use alloy_primitives::{Address, B256, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use std::fmt;

/// Accounts that sign for whoever asks. Empty anywhere but on a devnet.
#[derive(Clone, Default)]
pub struct UnlockedAccounts {
    signers: Vec<PrivateKeySigner>,
}

impl UnlockedAccounts {
    /// The accounts of these secret keys, in their order; what is no key is left out.
    #[must_use]
    pub fn new(secrets: &[B256]) -> Self {
        let signers = secrets.iter().filter_map(|secret| PrivateKeySigner::from_bytes(secret).ok());
        Self { signers: signers.collect() }
    }

    /// Their addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.signers.iter().map(PrivateKeySigner::address).collect()
    }

    fn signer(&self, address: Address) -> Option<&PrivateKeySigner> {
        self.signers.iter().find(|signer| signer.address() == address)
    }

    /// Whether this account is one of them.
    #[must_use]
    pub fn has(&self, address: Address) -> bool {
        self.signer(address).is_some()
    }

    /// Its signature of a hash; `None` for a stranger.
    pub(crate) fn sign_hash(&self, address: Address, hash: &B256) -> Option<Signature> {
        self.signer(address)?.sign_hash_sync(hash).ok()
    }

    /// Its signature of a message (EIP-191); `None` for a stranger.
    pub(crate) fn sign_message(&self, address: Address, message: &[u8]) -> Option<Signature> {
        self.signer(address)?.sign_message_sync(message).ok()
    }
}

impl fmt::Debug for UnlockedAccounts {
    /// Addresses only: keys reach no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.addresses()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_holds_no_key() {
        let secret = B256::repeat_byte(0xa1);
        let accounts = UnlockedAccounts::new(&[secret]);
        let text = format!("{accounts:?}");
        assert!(text.contains(&format!("{:?}", accounts.addresses()[0])), "{text}");
        assert!(!text.contains("a1a1a1a1"), "{text}");
    }
}
