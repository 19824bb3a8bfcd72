//! What this node can answer, and under which forks: `eth_capabilities`, `eth_config` (EIP-7910).

use super::{Module, blocking};
use crate::context::{Context, Work, now_seconds};
use crate::error::Failure;
use alloy_eips::eip2124::ForkHash;
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
use alloy_primitives::{Address, B256, Bytes, U64, address};
use serde_json::{Map, Value, json};
use weft_evm::{Activation, Fork, Forks, SpecId};
use weft_store::{Keep, Kept, PROOF_BLOCKS};

/// Precompiles by the names of EIP-7910, with the fork that brought them.
const PRECOMPILES: [(&str, u16, SpecId); 18] = [
    ("ECREC", 0x01, SpecId::FRONTIER),
    ("SHA256", 0x02, SpecId::FRONTIER),
    ("RIPEMD160", 0x03, SpecId::FRONTIER),
    ("ID", 0x04, SpecId::FRONTIER),
    ("MODEXP", 0x05, SpecId::BYZANTIUM),
    ("BN254_ADD", 0x06, SpecId::BYZANTIUM),
    ("BN254_MUL", 0x07, SpecId::BYZANTIUM),
    ("BN254_PAIRING", 0x08, SpecId::BYZANTIUM),
    ("BLAKE2F", 0x09, SpecId::ISTANBUL),
    ("KZG_POINT_EVALUATION", 0x0a, SpecId::CANCUN),
    ("BLS12_G1ADD", 0x0b, SpecId::PRAGUE),
    ("BLS12_G1MSM", 0x0c, SpecId::PRAGUE),
    ("BLS12_G2ADD", 0x0d, SpecId::PRAGUE),
    ("BLS12_G2MSM", 0x0e, SpecId::PRAGUE),
    ("BLS12_PAIRING_CHECK", 0x0f, SpecId::PRAGUE),
    ("BLS12_MAP_FP_TO_G1", 0x10, SpecId::PRAGUE),
    ("BLS12_MAP_FP2_TO_G2", 0x11, SpecId::PRAGUE),
    ("P256VERIFY", 0x100, SpecId::OSAKA),
];

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_capabilities", 0, Work::Read, |context, _| Ok(capabilities(context)));
    blocking(module, "eth_config", 0, Work::Read, |context, _| config(context));
}

fn capabilities(context: &Context) -> Value {
    let store = &context.backend.store;
    let head = store.head();
    let (height, oldest, retention) = (head.block.height().0, store.oldest(), store.retention());
    let resource = |oldest: u64, keep: Keep| {
        let mut object = json!({ "disabled": false, "oldestBlock": U64::from(oldest) });
        if let Keep::Blocks(blocks) = keep {
            object["deleteStrategy"] =
                json!({ "type": "window", "retentionBlocks": U64::from(blocks) });
        }
        object
    };
    let kept = |kept: Kept| resource(oldest.of(kept), retention.of(kept));
    // Proofs are those of weft_getProof: nobody can serve Ethereum's for this chain.
    let proofs = if store.is_foreign() { 0 } else { PROOF_BLOCKS };
    let proofs = resource(height.saturating_sub(proofs), Keep::Blocks(proofs));
    json!({
        "head": { "number": U64::from(height), "hash": head.block.hash() },
        "state": kept(Kept::History),
        "tx": resource(0, Keep::All),
        "logs": kept(Kept::Logs),
        "receipts": kept(Kept::Receipts),
        "blocks": resource(0, Keep::All),
        "stateproofs": proofs,
    })
}

/// The forks as EIP-7910 wants them: the one in force, the next one, the last one known.
fn config(context: &Context) -> Result<Value, Failure> {
    let store = &context.backend.store;
    let genesis = store.hash_of(0)?.ok_or_else(|| Failure::internal("no genesis"))?;
    let forks = &context.backend.forks;
    let head = store.head();
    let header = head.block.header();
    // The head of a chain that grows is at the clock; that of an imported chain stands still.
    let now = if forks.is_ethereum() { header.timestamp } else { now_seconds() };
    let (reached, later): (Vec<&Fork>, Vec<&Fork>) =
        forks.all().iter().partition(|fork| fork.from.reached(header.number, now));
    let current = reached.last().copied().unwrap_or(&forks.all()[0]);
    let describe = |fork: &Fork| describe(forks, fork, genesis);
    let last = later.last().copied();
    Ok(json!({
        "current": describe(current),
        "next": later.first().copied().map(describe),
        "last": last.map(describe),
    }))
}

fn describe(forks: &Forks, fork: &Fork, genesis: B256) -> Value {
    let has = |spec: SpecId| fork.spec.is_enabled_in(spec);
    let precompiles: Map<String, Value> = PRECOMPILES
        .iter()
        .filter(|(_, _, from)| has(*from))
        .map(|(name, number, _)| ((*name).to_owned(), json!(precompile(*number))))
        .collect();
    let mut contracts = Map::new();
    let mut contract = |name: &str, address: Option<Address>, from: SpecId| {
        if let Some(address) = address.filter(|_| has(from)) {
            contracts.insert(name.to_owned(), json!(address));
        }
    };
    contract("BEACON_ROOTS_ADDRESS", Some(BEACON_ROOTS_ADDRESS), SpecId::CANCUN);
    let consolidations = Some(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS);
    contract("CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", consolidations, SpecId::PRAGUE);
    contract("DEPOSIT_CONTRACT_ADDRESS", forks.deposit_contract(), SpecId::PRAGUE);
    contract("HISTORY_STORAGE_ADDRESS", Some(HISTORY_STORAGE_ADDRESS), SpecId::PRAGUE);
    let withdrawals = Some(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS);
    contract("WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", withdrawals, SpecId::PRAGUE);
    let blobs = fork.blobs.map(|blobs| {
        json!({
            "target": blobs.target_blob_count,
            "max": blobs.max_blob_count,
            "baseFeeUpdateFraction": blobs.update_fraction as u64,
        })
    });
    // A chain without blobs has a schedule that allows none.
    let blobs = blobs.unwrap_or_else(
        || json!({ "target": 0, "max": 0, "baseFeeUpdateFraction": NO_BLOBS_FRACTION }),
    );
    let activation = match fork.from {
        Activation::Block(_) => 0,
        Activation::Time(time) => time,
    };
    json!({
        "activationTime": activation,
        "blobSchedule": blobs,
        "chainId": U64::from(forks.chain_id()),
        "forkId": Bytes::copy_from_slice(&fork_id(forks, fork, genesis).0),
        "precompiles": precompiles,
        "systemContracts": contracts,
    })
}

/// Update fraction that is reported where there are no blobs: Prague's, which `BLOBBASEFEE` uses.
const NO_BLOBS_FRACTION: u64 = 5_007_716;

fn precompile(number: u16) -> Address {
    let mut bytes = address!("0000000000000000000000000000000000000000").0.0;
    bytes[18..].copy_from_slice(&number.to_be_bytes());
    Address::from(bytes)
}

/// The fork id of EIP-2124 (FORK_HASH) up to `last`: genesis, then every later point at which
/// something changes, once.
fn fork_id(forks: &Forks, last: &Fork, genesis: B256) -> ForkHash {
    let mut hash = ForkHash::from(genesis);
    let mut before = 0;
    for fork in forks.all() {
        let (Activation::Block(point) | Activation::Time(point)) = fork.from;
        if point != 0 && point != before {
            hash += point;
            before = point;
        }
        if fork == last {
            break;
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::b256;

    /// Mainnet's ids as EIP-2124 lists them.
    #[test]
    fn fork_ids_are_those_of_the_eip() {
        let genesis = b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
        let fork =
            |name, block, spec| Fork { name, from: Activation::Block(block), spec, blobs: None };
        let forks = Forks::ethereum(
            1,
            None,
            None,
            vec![
                fork("Homestead", 1_150_000, SpecId::HOMESTEAD),
                fork("DAO", 1_920_000, SpecId::HOMESTEAD),
                fork("Tangerine Whistle", 2_463_000, SpecId::TANGERINE),
                fork("Spurious Dragon", 2_675_000, SpecId::SPURIOUS_DRAGON),
                fork("Byzantium", 4_370_000, SpecId::BYZANTIUM),
                fork("Constantinople", 7_280_000, SpecId::PETERSBURG),
                fork("Petersburg", 7_280_000, SpecId::PETERSBURG),
            ],
        );
        let ids: Vec<[u8; 4]> =
            forks.all().iter().map(|fork| fork_id(&forks, fork, genesis).0).collect();
        let expected: [u32; 8] = [
            0xfc64_ec04,
            0x97c2_c34c,
            0x91d1_f948,
            0x7a64_da13,
            0x3edd_5b10,
            0xa00b_c324,
            0x668d_b0af,
            0x668d_b0af,
        ];
        assert_eq!(ids, expected.map(u32::to_be_bytes));
    }

    #[test]
    fn precompiles_have_their_addresses() {
        assert_eq!(precompile(1), Address::with_last_byte(1));
        assert_eq!(precompile(0x100).0[18..], [1, 0]);
    }
}
