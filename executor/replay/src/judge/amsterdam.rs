//! Fixtures of Amsterdam, judged for their block access lists (EIP-7928).
//!
//! Weft's chains do not run this fork. Its blocks are executed by revm's Amsterdam with the gas table of the devnet that the
//! fixtures were made for, which is older than revm's own: the table below over that of Osaka, and without EIP-2780. Neither
//! the system calls of EIP-8282 nor the gas of that older devnet's authorisations and creations exist in revm; what fails for
//! the latter is excepted by name.
//!
//! A block's gas is not compared: EIP-8037 counts it in two dimensions, and EIP-7778 without refunds, which a chain at Osaka
//! rules does not. What each transaction paid is in the receipts and in the state, and both are compared.

use weft_evm::{GasId, GasParams, SpecId};

/// Name of the fork in the suites.
pub(crate) const NAME: &str = "Amsterdam";

/// Gas of a byte that the state grows by (EIP-8037).
const STATE_BYTE_GAS: u64 = 1_174;

/// Bytes that the state grows by: a slot, an account, an EIP-7702 delegation.
const SLOT_BYTES: u64 = 32;
const ACCOUNT_BYTES: u64 = 112;
const AUTHORIZATION_BYTES: u64 = 23;

/// The gas table of the fixtures, over that of Osaka.
///
/// **Source:** EIP-8037, EIP-7976 and EIP-7981 as of execution-spec-tests `bal@v5.7.0`.
pub(crate) fn gas_params() -> GasParams {
    let mut params = GasParams::new_spec(SpecId::OSAKA);
    params.override_gas([
        (GasId::create(), 9_000),
        (GasId::tx_create_cost(), 9_000),
        (GasId::code_deposit_cost(), 0),
        (GasId::new_account_cost(), 0),
        (GasId::new_account_cost_for_selfdestruct(), 0),
        (GasId::sstore_set_without_load_cost(), 2_800),
        (GasId::sstore_set_state_gas(), SLOT_BYTES * STATE_BYTE_GAS),
        (GasId::new_account_state_gas(), ACCOUNT_BYTES * STATE_BYTE_GAS),
        (GasId::create_state_gas(), ACCOUNT_BYTES * STATE_BYTE_GAS),
        (GasId::code_deposit_state_gas(), STATE_BYTE_GAS),
        (GasId::tx_eip7702_state_gas_bytecode(), AUTHORIZATION_BYTES * STATE_BYTE_GAS),
        (GasId::tx_eip7702_regular_gas(), 7_500),
        (GasId::tx_eip7702_regular_refund(), 0),
        (GasId::tx_floor_cost_per_token(), 16),
        (GasId::tx_floor_token_zero_byte_multiplier(), 4),
        (GasId::tx_access_list_address_cost(), 3_680),
        (GasId::tx_access_list_storage_key_cost(), 3_948),
        (GasId::tx_access_list_floor_byte_multiplier(), 4),
    ]);
    params
}
