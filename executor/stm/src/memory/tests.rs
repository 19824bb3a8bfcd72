//! The memory alone, driven by hand. The toy's registers serve as locations.

use super::*;
use crate::toy::{Seen, Toy};

const X: u64 = 1;
/// The field of `X` in its cell.
const FIELD: Field = 1;
/// Three transactions, all settled at first try.
const SETTLED: [(u32, bool); 3] = [(0, false); 3];

/// Memory and a machine whose register `X` starts at 0, and the cell of `X`.
fn memory() -> (Memory<Toy>, Toy, CellId) {
    let vm = (0..).map(|seed| Toy::new(Vec::new()).with_seed(seed)).find(|vm| vm.initial(X) == 0);
    let (memory, vm) = (Memory::new(60), vm.expect("some seed gives 0"));
    let cell =
        memory.cell(&vm, &mut Ahead::default(), &(X / 2)).expect("the toy's snapshot has it");
    (memory, vm, cell)
}

/// A write to `X`.
fn put(cell: CellId, write: Write<u64, i128>) -> Put<Toy> {
    Put { cell, field: FIELD, write }
}

/// What transaction `index` reads.
fn read(
    memory: &Memory<Toy>,
    vm: &Toy,
    cell: CellId,
    index: u32,
) -> Result<Read<Toy>, crate::view::Blocked> {
    memory.reading(vm, cell, index).value(FIELD)
}

/// The value that transaction `index` sees.
fn value(memory: &Memory<Toy>, vm: &Toy, cell: CellId, index: u32) -> u64 {
    read(memory, vm, cell, index).unwrap().value
}

fn publish(
    memory: &Memory<Toy>,
    cell: CellId,
    version: (u32, u32),
    write: Write<u64, i128>,
) -> Vec<Stale> {
    let mut stale = Vec::new();
    memory.publish(version, &[put(cell, write)], &[], false, &mut stale);
    stale
}

/// An observation that the machine has not seen, so that it is judged whatever the change count says.
fn observed(cell: CellId, seen: Seen) -> Observed<Toy> {
    Observed { cell, field: FIELD, seen: NEVER, assumed: false, observation: seen }
}

/// Registers transaction `index` as a reader with one observation.
fn register(memory: &Memory<Toy>, vm: &Toy, cell: CellId, index: u32, seen: Seen) -> bool {
    memory.register(vm, index, &mut [observed(cell, seen)]).is_none()
}

fn blocked(writer: u32, until: Until) -> crate::view::Blocked {
    crate::view::Blocked { on: writer, until }
}

#[test]
fn a_read_folds_the_deltas_above_the_last_set_and_below_itself() {
    let (memory, vm, cell) = memory();
    assert_eq!(value(&memory, &vm, cell, 3), 0);
    publish(&memory, cell, (1, 0), Write::Add(4));
    publish(&memory, cell, (2, 0), Write::Set(10));
    publish(&memory, cell, (5, 0), Write::Add(-3));
    publish(&memory, cell, (7, 0), Write::Add(1));
    let seen: Vec<u64> = (0..9).map(|index| value(&memory, &vm, cell, index)).collect();
    assert_eq!(seen, [0, 0, 4, 10, 10, 10, 7, 7, 8]);
}

#[test]
fn a_delta_that_does_not_fit_yet_is_an_obstacle_and_no_wrapped_value() {
    let (memory, vm, cell) = memory();
    publish(&memory, cell, (1, 0), Write::Add(-3));
    assert_eq!(read(&memory, &vm, cell, 2).unwrap_err(), blocked(1, Until::Settled));
    publish(&memory, cell, (0, 0), Write::Add(5));
    assert_eq!(value(&memory, &vm, cell, 2), 2);
}

#[test]
fn an_estimate_blocks_higher_readers_only_and_only_above_the_last_set() {
    let (memory, vm, cell) = memory();
    let writes = [put(cell, Write::Set(6))];
    publish(&memory, cell, (2, 0), Write::Set(6));
    memory.mark_estimates(2, &writes);
    assert_eq!(value(&memory, &vm, cell, 2), 0);
    assert_eq!(read(&memory, &vm, cell, 3).unwrap_err(), blocked(2, Until::Executed));
    publish(&memory, cell, (4, 0), Write::Set(1));
    assert_eq!(value(&memory, &vm, cell, 5), 1);
    assert!(!memory.is_settled(&SETTLED));
}

#[test]
fn every_change_below_a_reader_reports_it_and_no_other() {
    let (memory, vm, cell) = memory();
    for reader in [2, 4, 6, 9] {
        assert!(register(&memory, &vm, cell, reader, Seen::Exactly(0)));
    }
    let readers =
        |stale: Vec<Stale>| stale.into_iter().map(|(reader, ..)| reader).collect::<Vec<_>>();
    // A new location, seen by all above.
    assert_eq!(readers(publish(&memory, cell, (6, 0), Write::Set(7))), [9]);
    // A delta below it: the transaction that wrote the `Set` still reads below itself.
    assert_eq!(readers(publish(&memory, cell, (2, 0), Write::Add(7))), [4, 6]);
    // The same value again changes nothing, another one does.
    memory.mark_estimates(6, &[put(cell, Write::Set(7))]);
    assert_eq!(readers(publish(&memory, cell, (6, 1), Write::Set(7))), []);
    assert_eq!(readers(publish(&memory, cell, (6, 2), Write::Set(8))), [9]);
    // A location that is not written again, and one that is discarded.
    let mut stale = Vec::new();
    memory.publish((2, 1), &[], &[put(cell, Write::Add(7))], false, &mut stale);
    assert_eq!(readers(stale), [4, 6]);
    let mut stale = Vec::new();
    memory.discard(6, &[put(cell, Write::Set(8))], &mut stale);
    assert_eq!(readers(stale), [9]);
    assert!(memory.is_settled(&[]));
}

#[test]
fn an_estimate_that_nobody_saw_as_a_value_is_news_when_it_becomes_one() {
    let (memory, vm, cell) = memory();
    assert!(register(&memory, &vm, cell, 9, Seen::Exactly(0)));
    let mut stale = Vec::new();
    memory.publish((3, 0), &[put(cell, Write::Set(5))], &[], true, &mut stale);
    assert!(stale.is_empty());
    assert_eq!(publish(&memory, cell, (3, 1), Write::Set(5)), [(9, cell, FIELD)]);
}

#[test]
fn a_delta_that_takes_the_value_below_it_out_of_range_is_named() {
    let (memory, vm, cell) = memory();
    publish(&memory, cell, (0, 0), Write::Add(5));
    publish(&memory, cell, (1, 0), Write::Add(-2));
    publish(&memory, cell, (3, 0), Write::Set(9));
    let too_much = [put(cell, Write::Set(7)), put(cell, Write::Add(-4))];
    assert_eq!(memory.misfit(&vm, 2, &too_much).map(|put| put.write), Some(Write::Add(-4)));
    assert!(memory.misfit(&vm, 2, &[put(cell, Write::Add(-3))]).is_none());
    // Above the `Set` there is more to take from.
    assert!(memory.misfit(&vm, 4, &too_much).is_none());
}

#[test]
fn hazard_32_memory_counts_as_settled_only_with_the_settled_incarnations_and_no_estimate() {
    let (memory, _, cell) = memory();
    publish(&memory, cell, (2, 0), Write::Set(6));
    assert!(memory.is_settled(&SETTLED));
    assert!(!memory.is_settled(&SETTLED[..2]), "transaction 2 is not settled");
    assert!(!memory.is_settled(&[(0, false), (0, false), (1, false)]), "another incarnation is");
    assert!(!memory.is_settled(&[(0, false), (0, false), (0, true)]), "it was skipped");
    memory.mark_estimates(2, &[put(cell, Write::Set(6))]);
    assert!(!memory.is_settled(&SETTLED), "an estimate is left");
}

/// A reader and the validator use one function: what is read holds at once, whatever the memory looks like.
#[test]
fn hazard_17_whatever_is_read_is_valid_until_something_changes() {
    let (memory, vm, cell) = memory();
    let mut generator = crate::toy::Generator::new(11);
    let mut read_and_valid = 0;
    for incarnation in 0..2000 {
        let index = u32::try_from(generator.below(12)).unwrap();
        let now = [put(cell, Write::Add(i128::from(generator.below(5)) - 2))];
        match generator.below(4) {
            0 => memory.mark_estimates(index, &now),
            1 => memory.discard(index, &now, &mut Vec::new()),
            kind => {
                let write =
                    if kind == 2 { [put(cell, Write::Set(generator.below(4)))] } else { now };
                memory.publish((index, incarnation), &write, &[], false, &mut Vec::new());
            }
        }
        for reader in 0..13 {
            let Ok(read) = read(&memory, &vm, cell, reader) else { continue };
            for seen in [read.seen, NEVER] {
                for observation in [Seen::Exactly(read.value), Seen::AtLeast(read.value)] {
                    let mut observed = [Observed { seen, ..observed(cell, observation) }];
                    assert_eq!(memory.register(&vm, reader, &mut observed), None);
                    let [observed] = observed;
                    assert!(matches!(memory.check(&vm, &observed, reader), Finding::Holds { .. }));
                }
            }
            read_and_valid += 1;
        }
    }
    assert!(read_and_valid > 5000, "{read_and_valid}");
}

#[test]
fn a_broken_observation_names_the_last_writer_below() {
    let (memory, vm, cell) = memory();
    let at_least = observed(cell, Seen::AtLeast(6));
    let broken = |writer| Finding::Broken { writer };
    assert_eq!(memory.check(&vm, &at_least, 8), broken(None));
    publish(&memory, cell, (2, 0), Write::Add(5));
    assert_eq!(memory.check(&vm, &at_least, 8), broken(Some(2)));
    publish(&memory, cell, (3, 0), Write::Add(1));
    assert!(matches!(memory.check(&vm, &at_least, 8), Finding::Holds { .. }));
    memory.discard(3, &[put(cell, Write::Add(1))], &mut Vec::new());
    assert_eq!(memory.check(&vm, &at_least, 8), broken(Some(2)));
    // What is about to change is no answer, whatever it was.
    memory.mark_estimates(2, &[put(cell, Write::Add(5))]);
    assert_eq!(memory.check(&vm, &observed(cell, Seen::AtLeast(0)), 8), broken(Some(2)));
}

#[test]
fn a_guess_is_the_value_before_the_abort_and_says_whom_to_wait_for() {
    let (memory, vm, cell) = memory();
    publish(&memory, cell, (1, 0), Write::Set(6));
    publish(&memory, cell, (2, 0), Write::Add(4));
    let guess = |index| memory.reading(&vm, cell, index).guess(FIELD);
    assert_eq!((guess(3).value, guess(3).pending), (10, None));
    memory.mark_estimates(1, &[put(cell, Write::Set(6))]);
    assert_eq!((guess(3).value, guess(3).pending), (10, Some(blocked(1, Until::Executed))));
    assert_eq!((guess(1).value, guess(1).pending), (0, None));
    // A guess is never what a validator would take for something that was seen.
    assert_eq!(guess(3).seen, NEVER);
    publish(&memory, cell, (1, 1), Write::Set(2));
    publish(&memory, cell, (4, 0), Write::Add(-8));
    assert_eq!((guess(5).value, guess(5).pending), (6, Some(blocked(4, Until::Settled))));
}

#[test]
fn what_was_written_is_shown_as_each_field_is_read_and_what_was_not_is_not() {
    let (memory, vm, cell) = memory();
    let shown = |index| {
        let mut shown = Vec::new();
        let mut reading = memory.reading(&vm, cell, index);
        reading.written(|field, read| shown.push((field, read.value, read.seen, read.pending)));
        let single: Vec<_> = shown.iter().map(|(field, ..)| reading.guess(*field)).collect();
        let pairs = shown.iter().zip(&single);
        for ((field, value, seen, pending), read) in pairs {
            assert_eq!((*value, *seen, *pending), (read.value, read.seen, read.pending));
            assert!(pending.is_some() || *seen == reading.seen()[usize::from(*field)]);
        }
        shown
            .into_iter()
            .map(|(field, value, _, pending)| (field, value, pending))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(5), []);
    publish(&memory, cell, (1, 0), Write::Set(6));
    publish(&memory, cell, (3, 0), Write::Add(4));
    assert_eq!(shown(5), [(FIELD, 10, None)]);
    // Below all writes the field is as before the block.
    assert_eq!(shown(0), [(FIELD, 0, None)]);
    memory.mark_estimates(3, &[put(cell, Write::Add(4))]);
    assert_eq!(shown(5), [(FIELD, 10, Some(blocked(3, Until::Executed)))]);
    assert_eq!(shown(3), [(FIELD, 6, None)]);
}

/// What is written in order keeps its sum: the next reader must find what folding everything gives.
#[test]
fn writes_that_are_appended_are_read_as_if_they_were_published() {
    let (appended, vm, cell) = memory();
    let (published, _, other) = memory();
    let mut generator = crate::toy::Generator::new(5);
    for index in 0..400 {
        let write = match generator.below(12) {
            0 => Write::Set(generator.below(9)),
            _ => Write::Add(i128::from(generator.below(9)) + 1),
        };
        appended.append(&vm, (index, 0), &[put(cell, write)]);
        publish(&published, other, (index, 0), write);
        for reader in [index, index + 1, index / 2] {
            let expected = value(&published, &vm, other, reader);
            assert_eq!(value(&appended, &vm, cell, reader), expected, "{index} {reader}");
        }
    }
}

#[test]
fn a_reader_is_remembered_with_the_observation_that_does_not_hold() {
    let (memory, vm, cell) = memory();
    let other = memory.cell(&vm, &mut Ahead::default(), &77).unwrap();
    publish(&memory, cell, (1, 0), Write::Set(6));
    let mut observations = [
        Observed { cell: other, ..observed(cell, Seen::AtLeast(0)) },
        Observed { assumed: true, ..observed(cell, Seen::Exactly(1)) },
        observed(cell, Seen::Exactly(5)),
        observed(cell, Seen::Exactly(6)),
    ];
    assert_eq!(memory.register(&vm, 4, &mut observations), Some((2, Some(1))));
    assert_eq!(publish(&memory, cell, (2, 0), Write::Set(5)), [(4, cell, FIELD)]);
    // A field that nobody observed concerns nobody.
    let mut stale = Vec::new();
    let elsewhere = Put { cell, field: 0, write: Write::Set(1) };
    memory.publish((0, 0), &[elsewhere], &[], false, &mut stale);
    assert_eq!(stale, []);
}

/// A kept sum must never outlive what it was made of: every kind of change, compared with a memory that keeps nothing.
#[test]
fn long_folds_give_the_same_as_short_ones_after_every_change() {
    let (kept, vm, cell) = memory();
    let mut generator = crate::toy::Generator::new(7);
    let mut expected: Vec<Option<(i128, bool)>> = (0..60).map(|_| None).collect();
    for round in 0..3000 {
        let index = u32::try_from(generator.below(60)).unwrap();
        let slot = &mut expected[index as usize];
        match generator.below(3) {
            0 => {
                kept.discard(index, &[put(cell, Write::Add(0))], &mut Vec::new());
                *slot = None;
            }
            1 => {
                kept.mark_estimates(index, &[put(cell, Write::Add(0))]);
                if let Some((_, estimate)) = slot {
                    *estimate = true;
                }
            }
            _ => {
                let delta = i128::from(generator.below(50));
                publish(&kept, cell, (index, 2 * round), Write::Add(delta));
                *slot = Some((delta, false));
            }
        }
        // Mostly without estimates, so that folds get long.
        if generator.below(2) == 0 {
            for (index, slot) in expected.iter_mut().enumerate() {
                if let Some((delta, true)) = slot {
                    publish(
                        &kept,
                        cell,
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
        let read = read(&kept, &vm, cell, u32::try_from(reader).unwrap());
        if below.iter().flatten().any(|(_, estimate)| *estimate) {
            assert_eq!(read.unwrap_err().until, Until::Executed, "round {round}");
        } else {
            assert_eq!(i128::from(read.unwrap().value), sum, "round {round}");
        }
    }
}

/// What the check before settling rests on: while a field's change count stays, so do the values that its readers see.
#[test]
fn equal_change_counts_mean_equal_values_for_every_reader() {
    const READERS: u32 = 12;
    let (memory, vm, cell) = memory();
    let mut generator = crate::toy::Generator::new(3);
    let mut published: Vec<Option<Put<Toy>>> = (0..READERS).map(|_| None).collect();
    let mut seen = std::collections::BTreeMap::new();
    let mut unchanged = 0;
    for incarnation in 0..4000 {
        let index = u32::try_from(generator.below(u64::from(READERS))).unwrap();
        let slot = &mut published[index as usize];
        let write = match generator.below(3) {
            0 => Write::Set(generator.below(3)),
            _ => Write::Add(i128::from(generator.below(4)) - 1),
        };
        match generator.below(6) {
            0 => memory.mark_estimates(index, slot.as_slice()),
            1 => memory.discard(index, slot.take().as_slice(), &mut Vec::new()),
            2 => {
                let previous = slot.take();
                memory.publish(
                    (index, incarnation),
                    &[],
                    previous.as_slice(),
                    false,
                    &mut Vec::new(),
                );
            }
            kind => {
                // Every other time the same write as before, which is no change.
                let write = slot.as_ref().filter(|_| kind == 3).map_or(write, |put| put.write);
                let (now, previous) = (put(cell, write), slot.take());
                let version = (index, incarnation);
                let writes = std::slice::from_ref(&now);
                memory.publish(version, writes, previous.as_slice(), kind == 4, &mut Vec::new());
                *slot = Some(now);
            }
        }
        for reader in 0..=READERS {
            let Ok(read) = read(&memory, &vm, cell, reader) else { continue };
            match seen.insert((reader, read.seen), read.value) {
                Some(before) => {
                    assert_eq!(before, read.value, "reader {reader}, operation {incarnation}");
                    unchanged += 1;
                }
                None => assert_ne!(read.seen, NEVER),
            }
        }
    }
    assert!(unchanged > 1000, "the count must not rise without need: {unchanged}");
}

#[test]
fn threads_that_ask_for_one_key_at_once_get_one_cell() {
    for _ in 0..200 {
        let (memory, vm, _) = memory();
        let start = std::sync::Barrier::new(4);
        let cells: Vec<Vec<CellId>> = std::thread::scope(|scope| {
            let ask = || {
                let mut ahead = Ahead::default();
                start.wait();
                (0..50).map(|key| memory.cell(&vm, &mut ahead, &key).unwrap()).collect()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(cells.iter().all(|of_one| *of_one == cells[0]));
        let ids = (0..u32::try_from(memory.end()).unwrap()).map(CellId);
        let mut keys: Vec<u64> =
            ids.filter(|id| memory.is_cell(*id)).map(|id| *memory.key(id)).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..50).collect::<Vec<u64>>());
    }
}
