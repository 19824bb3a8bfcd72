//! The memory alone, driven by hand. The toy's registers serve as locations.

use super::*;
use crate::toy::{Seen, Toy};

const X: u64 = 1;

/// Memory and a machine whose register `X` starts at 0.
fn memory() -> (Memory<Toy>, Toy) {
    let vm = (0..).map(|seed| Toy::new(Vec::new()).with_seed(seed)).find(|vm| vm.initial(X) == 0);
    (Memory::new(60), vm.expect("some seed gives 0"))
}

/// What transaction `index` sees.
fn value(memory: &Memory<Toy>, vm: &Toy, index: u32) -> u64 {
    memory.read(vm, &X, index).unwrap().unwrap_or_else(|| vm.initial(X))
}

fn publish(memory: &Memory<Toy>, version: (u32, u32), write: Write<Toy>) -> Vec<Stale<u64>> {
    let mut stale = Vec::new();
    memory.publish(version, &[(X, write)], &[], false, &mut stale);
    stale
}

fn observed(seen: Seen) -> Observed<Toy> {
    Observed { location: X, observation: seen, assumed: false }
}

#[test]
fn a_read_folds_the_deltas_above_the_last_set_and_below_itself() {
    let (memory, vm) = memory();
    assert_eq!(value(&memory, &vm, 3), 0);
    publish(&memory, (1, 0), Write::Add(4));
    publish(&memory, (2, 0), Write::Set(10));
    publish(&memory, (5, 0), Write::Add(-3));
    publish(&memory, (7, 0), Write::Add(1));
    let seen: Vec<u64> = (0..9).map(|index| value(&memory, &vm, index)).collect();
    assert_eq!(seen, [0, 0, 4, 10, 10, 10, 7, 7, 8]);
}

#[test]
fn a_delta_that_does_not_fit_yet_is_an_obstacle_and_no_wrapped_value() {
    let (memory, vm) = memory();
    publish(&memory, (1, 0), Write::Add(-3));
    assert!(matches!(memory.read(&vm, &X, 2), Err(Obstacle::OutOfRange { writer: 1 })));
    publish(&memory, (0, 0), Write::Add(5));
    assert_eq!(value(&memory, &vm, 2), 2);
}

#[test]
fn an_estimate_blocks_higher_readers_only_and_only_above_the_last_set() {
    let (memory, vm) = memory();
    let writes = [(X, Write::Set(6))];
    publish(&memory, (2, 0), Write::Set(6));
    memory.mark_estimates(2, &writes);
    assert_eq!(value(&memory, &vm, 2), 0);
    assert!(matches!(memory.read(&vm, &X, 3), Err(Obstacle::Estimate { writer: 2 })));
    publish(&memory, (4, 0), Write::Set(1));
    assert_eq!(value(&memory, &vm, 5), 1);
    assert!(!memory.is_settled());
}

#[test]
fn every_change_below_a_reader_reports_it_and_no_other() {
    let (memory, vm) = memory();
    for reader in [2, 4, 6, 9] {
        let zero = observed(Seen::Exactly(0));
        assert_eq!(memory.check(&vm, &zero, reader, true).unwrap(), Finding::Holds);
    }
    let readers =
        |stale: Vec<Stale<u64>>| stale.into_iter().map(|(reader, _)| reader).collect::<Vec<_>>();
    // A new location, seen by all above.
    assert_eq!(readers(publish(&memory, (6, 0), Write::Set(7))), [9]);
    // A delta below it: the transaction that wrote the `Set` still reads below itself.
    assert_eq!(readers(publish(&memory, (2, 0), Write::Add(7))), [4, 6]);
    // The same value again changes nothing, another one does.
    memory.mark_estimates(6, &[(X, Write::Set(7))]);
    assert_eq!(readers(publish(&memory, (6, 1), Write::Set(7))), []);
    assert_eq!(readers(publish(&memory, (6, 2), Write::Set(8))), [9]);
    // A location that is not written again, and one that is discarded.
    let mut stale = Vec::new();
    memory.publish((2, 1), &[], &[(X, Write::Add(7))], false, &mut stale);
    assert_eq!(readers(stale), [4, 6]);
    let mut stale = Vec::new();
    memory.discard(6, &[(X, Write::Set(8))], &mut stale);
    assert_eq!(readers(stale), [9]);
    assert!(memory.is_settled());
}

#[test]
fn an_estimate_that_nobody_saw_as_a_value_is_news_when_it_becomes_one() {
    let (memory, vm) = memory();
    assert_eq!(memory.check(&vm, &observed(Seen::Exactly(0)), 9, true).unwrap(), Finding::Holds);
    let mut stale = Vec::new();
    memory.publish((3, 0), &[(X, Write::Set(5))], &[], true, &mut stale);
    assert!(stale.is_empty());
    assert_eq!(publish(&memory, (3, 1), Write::Set(5)), [(9, X)]);
}

#[test]
fn folding_a_settled_write_changes_no_higher_read() {
    let (memory, vm) = memory();
    publish(&memory, (0, 0), Write::Add(5));
    publish(&memory, (1, 0), Write::Add(-2));
    publish(&memory, (3, 0), Write::Set(9));
    let reads = |memory: &Memory<Toy>| [2, 4].map(|index| value(memory, &vm, index));
    assert_eq!(reads(&memory), [3, 9]);
    memory.settle(&vm, 0, &[(X, Write::Add(5))]);
    assert_eq!(reads(&memory), [3, 9]);
    memory.settle(&vm, 1, &[(X, Write::Add(-2))]);
    assert_eq!(reads(&memory), [3, 9]);
    assert_eq!(memory.misfit(&vm, &[(X, Write::Add(-4))]).unwrap(), Some(&X));
    assert_eq!(memory.misfit(&vm, &[(X, Write::Add(-3))]).unwrap(), None);
    assert_eq!(memory.into_settled_values().get(&X), Some(&3));
}

#[test]
fn a_broken_observation_names_the_last_writer_below() {
    let (memory, vm) = memory();
    let at_least = observed(Seen::AtLeast(6));
    assert_eq!(memory.check(&vm, &at_least, 8, false).unwrap(), Finding::Broken { writer: None });
    publish(&memory, (2, 0), Write::Add(5));
    assert_eq!(
        memory.check(&vm, &at_least, 8, false).unwrap(),
        Finding::Broken { writer: Some(2) }
    );
    publish(&memory, (3, 0), Write::Add(1));
    assert_eq!(memory.check(&vm, &at_least, 8, false).unwrap(), Finding::Holds);
    memory.settle(&vm, 2, &[(X, Write::Add(5))]);
    memory.discard(3, &[(X, Write::Add(1))], &mut Vec::new());
    assert_eq!(
        memory.check(&vm, &at_least, 8, false).unwrap(),
        Finding::Broken { writer: Some(2) }
    );
}

/// A kept sum must never outlive what it was made of: every kind of change, compared with a memory that keeps nothing.
#[test]
fn long_folds_give_the_same_as_short_ones_after_every_change() {
    let (kept, vm) = memory();
    let mut generator = crate::toy::Generator::new(7);
    let mut expected: Vec<Option<(i128, bool)>> = (0..60).map(|_| None).collect();
    for round in 0..3000 {
        let index = u32::try_from(generator.below(60)).unwrap();
        let slot = &mut expected[index as usize];
        match generator.below(3) {
            0 => {
                kept.discard(index, &[(X, Write::Add(0))], &mut Vec::new());
                *slot = None;
            }
            1 => {
                kept.mark_estimates(index, &[(X, Write::Add(0))]);
                if let Some((_, estimate)) = slot {
                    *estimate = true;
                }
            }
            _ => {
                let delta = i128::from(generator.below(50));
                publish(&kept, (index, 2 * round), Write::Add(delta));
                *slot = Some((delta, false));
            }
        }
        // Mostly without estimates, so that folds get long.
        if generator.below(2) == 0 {
            for (index, slot) in expected.iter_mut().enumerate() {
                if let Some((delta, true)) = slot {
                    publish(
                        &kept,
                        (u32::try_from(index).unwrap(), 2 * round + 1),
                        Write::Add(*delta),
                    );
                    *slot = Some((*delta, false));
                }
            }
        }
        let reader = generator.below(61);
        let below = &expected[..usize::try_from(reader).unwrap()];
        let sum: i128 = below.iter().flatten().map(|(delta, _)| delta).sum();
        let read = kept.read(&vm, &X, u32::try_from(reader).unwrap());
        if below.iter().flatten().any(|(_, estimate)| *estimate) {
            assert!(matches!(read, Err(Obstacle::Estimate { .. })), "round {round}: {read:?}");
        } else {
            let value = read.unwrap().unwrap_or_else(|| vm.initial(X));
            assert_eq!(i128::from(value), sum, "round {round}");
        }
    }
}
