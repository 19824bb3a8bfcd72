//! Block 0.

use crate::error::GenesisError;
use crate::spec::ChainSpec;
use crate::{alloc, system};
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_eips::eip7928::EMPTY_BLOCK_ACCESS_LIST_HASH;
use alloy_primitives::{B256, Bytes};
use weft_commitment::Tree;
use weft_types::header::INITIAL_BASE_FEE;
use weft_types::{Block, ChainParams, Header, SealedBlock, StateDiff, ValidatorSet};

/// Separates this hash from every other one, and names the layout of what is hashed. The version
/// changes with the layout and with the state commitment.
const DOMAIN: &[u8] = b"weft/genesis/v1";

/// Follows where the chain takes commands.
const CHEATS: &[u8] = b"devnetCheats";

/// A chain's beginning: what is at height 0 and who decides height 1.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// What it was made from, without the system contracts that were added.
    pub spec: ChainSpec,
    /// Parameters of the chain.
    pub params: ChainParams,
    /// Validators of the chain.
    pub validators: ValidatorSet,
    /// The state of block 0 as a change of the empty state.
    pub diff: StateDiff,
    /// Commitment to that state.
    pub tree: Tree,
    /// Block 0.
    pub block: SealedBlock,
}

impl Genesis {
    /// Checks the specification and makes block 0 of it. Equal specifications give equal blocks.
    ///
    /// # Errors
    /// [`GenesisError`] when a limit does not hold.
    pub fn new(spec: ChainSpec) -> Result<Self, GenesisError> {
        spec.check()?;
        let validators = ValidatorSet::new(spec.validators.clone())?;
        let params = spec.params.clone();
        let mut accounts = spec.alloc.clone();
        system::add_missing(&mut accounts);
        if params.devnet_cheats {
            system::add_settings(&mut accounts);
        }
        let diff = alloc::state_diff(&accounts);
        let tree = Tree::empty().apply(&diff);
        let extra_data = Bytes::copy_from_slice(identity(&params, &validators).as_slice());
        let header = header(&params, spec.timestamp, tree.root(), extra_data);
        let block = Block { header, transactions: Vec::new(), commands: Vec::new() }.seal();
        Ok(Self { spec, params, validators, diff, tree, block })
    }

    /// Hash of block 0, which names the chain: it covers state, parameters and validators.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.block.hash()
    }
}

/// BLAKE3 over the domain and the borsh form of parameters and sorted validators.
fn identity(params: &ChainParams, validators: &ValidatorSet) -> B256 {
    let bytes =
        borsh::to_vec(&(params, validators.as_slice())).expect("writing to memory cannot fail");
    let mut hasher = blake3::Hasher::new();
    hasher.update(DOMAIN);
    hasher.update(&bytes);
    if params.devnet_cheats {
        hasher.update(CHEATS);
    }
    B256::from(*hasher.finalize().as_bytes())
}

fn header(params: &ChainParams, timestamp: u64, state_root: B256, extra_data: Bytes) -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        state_root,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        number: 0,
        gas_limit: params.gas_limit,
        timestamp,
        extra_data,
        base_fee_per_gas: Some(INITIAL_BASE_FEE),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: Some(EMPTY_BLOCK_ACCESS_LIST_HASH),
        ..Header::default()
    }
}
