//! Names for the devnet's block lines: those that its record page shows.

use crate::chain::Committed;
use alloy_primitives::Address;
use weft_record::Block;
use weft_record::names::Namer;
use weft_rpc::Names;
use weft_types::{Location, ReadAccess, StateReader, TxIndex, Writer};

/// Transactions whose words are tried as keys of a slot.
const SAMPLES: usize = 4;

/// The name of a location at which transactions of a block waited.
pub(super) fn of(names: &Names, committed: &Committed, location: &Location) -> String {
    let executed = &committed.prepared.executed;
    let senders: Vec<Address> = executed.transactions.iter().map(|one| one.signer()).collect();
    let block = Block {
        transactions: committed.head.block.transactions(),
        senders: &senders,
        receipts: &executed.receipts,
        access: &executed.access_record,
        list: &[],
    };
    in_block(names, &block, &*committed.head.state, location)
}

fn in_block(
    names: &Names,
    block: &Block<'_>,
    state: &dyn StateReader,
    location: &Location,
) -> String {
    // A name is no reason to stop: what cannot be read has none.
    let _ = names.recognise(block, state);
    let waits = |read: &ReadAccess| read.location == *location && read.from != Writer::Base;
    let waited = block.access.transactions.iter().enumerate();
    let waited = waited.filter(|(_, access)| access.reads.iter().any(waits));
    let samples: Vec<TxIndex> =
        waited.take(SAMPLES).map(|(index, _)| TxIndex(index as u32)).collect();
    Namer::new(&names.registry(), *block).location(location, &samples).text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;
    use weft_rpc::{Artifact, Registry};
    use weft_types::{
        AccessRecord, Account, B256, Bytes, StateError, TransactionAccess, U256, WriteAccess,
    };

    const COUNTER: Address = Address::repeat_byte(0xc0);
    const CODE: [u8; 3] = [0x60, 0x00, 0x00];

    /// Every account has the same code.
    struct OneCode;

    impl StateReader for OneCode {
        fn account(&self, _: &Address) -> Result<Option<Account>, StateError> {
            let code_hash = B256::repeat_byte(1);
            Ok(Some(Account { code_hash, code_size: CODE.len() as u32, ..Account::default() }))
        }
        fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
            Ok(U256::ZERO)
        }
        fn code(&self, _: &B256) -> Result<Bytes, StateError> {
            Ok(Bytes::from_static(&CODE))
        }
        fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
            Ok(None)
        }
    }

    fn name(names: &Names) -> String {
        let location = Location::Storage { address: COUNTER, slot: U256::ZERO };
        let write = WriteAccess { location, commutative: false };
        let access = TransactionAccess { gas_used: 1, reads: vec![], writes: vec![write] };
        let access = AccessRecord { transactions: vec![access] };
        let block =
            Block { transactions: &[], senders: &[], receipts: &[], access: &access, list: &[] };
        in_block(names, &block, &OneCode, &location)
    }

    #[test]
    fn lines_have_the_names_that_callers_register_while_the_chain_runs() {
        let names = Names::default();
        assert!(!name(&names).contains("Counter"), "{}", name(&names));
        let layout = json!({ "storage": [{ "label": "count", "slot": "0", "type": "t_uint256" }] });
        let called = Some("Counter".to_owned());
        names.register(|registry| registry.register(COUNTER, called, None, Some(layout))).unwrap();
        assert_eq!(name(&names), "Counter.count");
    }

    #[test]
    fn lines_have_the_names_of_the_projects_contracts() {
        let compiled = json!({
            "abi": [], "deployedBytecode": { "object": alloy_primitives::hex::encode(CODE) },
            "storageLayout": { "storage": [{ "label": "total", "slot": "0", "type": "t_uint256" }] },
        });
        let artifact = Arc::new(Artifact::parse("Shop", compiled).unwrap().unwrap());
        let names = Names::new(Registry::default().with_artifacts(&[artifact]));
        assert_eq!(name(&names), "Shop.total");
    }
}
