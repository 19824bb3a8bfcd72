//! Random blocks: what every record must satisfy.

use super::world::*;
use crate::conflict::conflicts;
use crate::graph;
use alloy_primitives::{Address, U256};
use proptest::prelude::*;
use weft_types::{AccessRecord, Location, TxIndex, Writer};

/// Sender, two slots that are read, one that is written.
type Step = (u8, u64, u64, u64);

fn drafts(steps: &[Step]) -> Vec<Draft> {
    let mut nonces = [0u64; 8];
    let next = |(sender, a, b, to): &Step| {
        let nonce = &mut nonces[usize::from(*sender)];
        *nonce += 1;
        Draft { nonce: *nonce - 1, ..call(*sender, add(*a, *b, *to)) }
    };
    steps.iter().map(next).collect()
}

/// The value of a location after transaction `writer`, by the access list.
fn value_after(ran: &Ran, location: &Location, writer: TxIndex) -> U256 {
    let index = u64::from(writer.0) + 1;
    let entry = ran.list.iter().find(|entry| entry.address == *location.address()).unwrap();
    match location {
        Location::Storage { address, slot } => {
            let values = ran.block().slot_values(address, slot);
            values.into_iter().find(|(place, _)| *place == writer).unwrap().1
        }
        Location::Nonce { .. } => {
            let change = entry.nonce_changes.iter().find(|c| c.block_access_index.0 == index);
            U256::from(change.unwrap().new_nonce)
        }
        Location::Balance { .. } => {
            let change = entry.balance_changes.iter().find(|c| c.block_access_index.0 == index);
            change.unwrap().post_balance
        }
        other => panic!("nothing here writes {other:?}"),
    }
}

/// Executes transaction `index` alone on its recorded reads, and compares what it writes to slots.
fn runs_alone(world: &World, ran: &Ran, all: &[Draft], index: usize) {
    let mut alone = world.clone();
    let access = &ran.executed.access_record.transactions[index];
    for read in &access.reads {
        let Writer::Transaction(writer) = read.from else { continue };
        let value = value_after(ran, &read.location, writer);
        match read.location {
            Location::Storage { address, slot } => alone.state.set_storage(address, slot, value),
            Location::Nonce { address } => alone.state.set_nonce(address, value.to()),
            Location::Balance { address } => alone.state.set_balance(address, value),
            other => panic!("nothing here writes {other:?}"),
        }
    }
    let again = alone.run_with(1, std::slice::from_ref(&all[index]));
    let writes: Vec<&Location> = access.writes.iter().map(|write| &write.location).collect();
    let repeated = &again.executed.access_record.transactions[0];
    let rewritten: Vec<&Location> = repeated.writes.iter().map(|write| &write.location).collect();
    assert_eq!(rewritten, writes, "transaction {index}");
    assert_eq!(repeated.gas_used, access.gas_used, "transaction {index}");
    for location in writes {
        if let Location::Storage { address, slot } = location {
            let value = again.block().slot_values(address, slot)[0].1;
            assert_eq!(value, value_after(ran, location, TxIndex(index as u32)), "{location:?}");
        }
    }
}

fn holds(access: &AccessRecord) {
    for edge in access.edges() {
        assert!(edge.from < edge.to, "{edge:?}");
    }
    let path = graph::heaviest_path(access, |_| true);
    assert_eq!((path.gas, path.transactions.clone()), access.critical_path());
    assert!(path.gas <= access.work_gas());
    let starts = graph::starts(access);
    let ends = starts.iter().zip(&access.transactions).map(|(start, t)| start + t.gas_used);
    assert_eq!(ends.max().unwrap_or(0), path.gas, "the path is when the last one ends");
    assert!(
        graph::depths(access).iter().all(|depth| (*depth as usize) < access.transactions.len())
    );
    let nobody = graph::heaviest_path(access, |_| false);
    let heaviest = access.transactions.iter().map(|t| t.gas_used).max().unwrap_or(0);
    assert_eq!(nobody.gas, heaviest);
    for conflict in conflicts(access) {
        assert!(conflict.path_gas <= conflict.serialised_gas);
        for (reader, writer) in &conflict.waits {
            assert!(conflict.writers.contains(writer) && writer < reader, "{conflict:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn records_of_random_blocks_are_sound_and_complete(
        steps in prop::collection::vec((0u8..8, 0u64..6, 0u64..6, 0u64..6), 1..20)
    ) {
        let world = World::new(&ADDER);
        let all = drafts(&steps);
        let ran = world.run_with(2, &all);
        let one = world.run_with(1, &all);
        prop_assert_eq!(&ran.executed.access_record, &one.executed.access_record);
        holds(&ran.executed.access_record);
        for index in 0..all.len() {
            runs_alone(&world, &ran, &all, index);
        }
    }
}

#[test]
fn an_empty_block_has_nothing() {
    let access = AccessRecord::default();
    assert_eq!(graph::heaviest_path(&access, |_| true), graph::Path::default());
    assert!(conflicts(&access).is_empty() && graph::critical_steps(&access).is_empty());
    let block =
        crate::Block { transactions: &[], senders: &[], receipts: &[], access: &access, list: &[] };
    let advice = crate::advice::advise(&block, &crate::names::Registry::default());
    assert!(advice.is_empty() && block.slot_values(&Address::ZERO, &U256::ZERO).is_empty());
}
