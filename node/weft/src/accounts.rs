//! The funded accounts of a development chain.

use crate::failure::{ExitStatus, Failure};
use alloy_primitives::{Address, B256, U256};
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};

/// The well-known test mnemonic. Its keys are public: never use them where money is real.
pub const TEST_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// One account with its secret key.
#[derive(Clone)]
pub struct FundedAccount {
    /// Address.
    pub address: Address,
    /// Secret key. Only that of the public test mnemonic is ever printed.
    pub secret: B256,
}

/// Derives accounts along `m/44'/60'/0'/0/i`, as wallets do.
///
/// # Errors
/// [`ExitStatus::Config`] when the words are not a mnemonic.
pub fn derive(mnemonic: &str, count: u32) -> Result<Vec<FundedAccount>, Failure> {
    (0..count)
        .map(|index| {
            let signer: PrivateKeySigner = MnemonicBuilder::<English>::default()
                .phrase(mnemonic)
                .index(index)
                .and_then(|builder| builder.build())
                .map_err(|error| {
                    Failure::new(ExitStatus::Config, "the mnemonic cannot be used")
                        .fact("cause", error)
                        .fix("12, 15, 18, 21 or 24 English BIP-39 words with a valid checksum")
                })?;
            Ok(FundedAccount { address: signer.address(), secret: signer.to_bytes() })
        })
        .collect()
}

/// Whole ether in wei.
#[must_use]
pub fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(10).pow(U256::from(18))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256};

    #[test]
    fn the_test_mnemonic_gives_the_well_known_accounts() {
        let accounts = derive(TEST_MNEMONIC, 2).unwrap();
        assert_eq!(accounts[0].address, address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(
            accounts[1].secret,
            b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
        );
    }
}
