//! Makespans of known dependency graphs, beside the perfect schedule of the same graph.

use std::collections::BTreeSet;

use super::*;
use crate::report::Outcome;
use crate::seed::Numbers;
use crate::toy::{Ledger, Op, Register, Toy};

/// For each transaction the lower ones whose register it reads.
type Graph = Vec<Vec<usize>>;

fn register(index: usize) -> Register {
    1000 + 2 * index as Register
}

/// Transaction `i` reads the registers of those that it depends on, and sets its own.
fn block(graph: &Graph) -> Toy {
    let program = |(index, lower): (usize, &Vec<usize>)| {
        let mut ops: Vec<Op> = lower.iter().map(|lower| Op::Read(register(*lower))).collect();
        ops.push(Op::Set(register(index)));
        ops
    };
    Toy::new(graph.iter().enumerate().map(program).collect())
}

/// The time that a scheduler needs that knows all dependencies and costs: lowest index first, nothing done twice.
fn perfect(graph: &Graph, workers: usize, costs: &[u64]) -> u64 {
    let mut free = vec![0; workers];
    let mut ends: Vec<Option<u64>> = vec![None; graph.len()];
    let mut now = 0;
    let mut left: BTreeSet<usize> = (0..graph.len()).collect();
    while !left.is_empty() {
        let ready = |index: &&usize| {
            let mut lower = graph[**index].iter();
            lower.all(|lower| ends[*lower].is_some_and(|end| end <= now))
        };
        let next = left.iter().find(ready).copied();
        let worker = free.iter().position(|free| *free <= now);
        match (next, worker) {
            (Some(index), Some(worker)) => {
                free[worker] = now + costs[index];
                ends[index] = Some(free[worker]);
                left.remove(&index);
            }
            _ => now = *free.iter().filter(|free| **free > now).min().expect("somebody works"),
        }
    }
    ends.into_iter().flatten().max().unwrap_or(0)
}

fn made(graph: &Graph, workers: usize, costs: &[u64]) -> Makespan<Register> {
    let block = block(graph);
    let options = Options { workers, conflict_sample: 0, ..Options::default() };
    let mut ledger = Ledger::new(&block);
    let made =
        makespan(&block, &mut ledger, &options, &|index: u32| costs[index as usize]).unwrap();
    let mut expected = Ledger::new(&block);
    crate::run_sequential(&block, &mut expected).unwrap();
    assert_eq!(ledger, expected);
    made
}

fn independent(transactions: usize) -> Graph {
    vec![Vec::new(); transactions]
}

/// So many chains, woven into each other.
fn chains(transactions: usize, chains: usize) -> Graph {
    (0..transactions).map(|index| index.checked_sub(chains).into_iter().collect()).collect()
}

/// Everybody reads what the first one wrote.
fn star(transactions: usize) -> Graph {
    (0..transactions).map(|index| if index == 0 { vec![] } else { vec![0] }).collect()
}

/// One, then `width` that depend on it, then one that depends on these, and again.
fn diamonds(count: usize, width: usize) -> Graph {
    let mut graph: Graph = vec![Vec::new()];
    for _ in 0..count {
        let top = graph.len() - 1;
        graph.extend((0..width).map(|_| vec![top]));
        graph.push((top + 1..=top + width).collect());
    }
    graph
}

fn random_costs(transactions: usize, seed: u64) -> Vec<u64> {
    let mut numbers = Numbers::new(seed);
    (0..transactions).map(|_| 1 + numbers.below(100)).collect()
}

/// For all numbers of workers: the makespan on the engine, and on the perfect schedule.
fn each_worker_count(
    graph: &Graph,
    costs: &[u64],
    mut expect: impl FnMut(usize, &Makespan<Register>, u64),
) {
    for workers in [1, 2, 3, 4, 8, 16, 64] {
        let made = made(graph, workers, costs);
        assert!(made.busy <= made.total * workers as u64);
        assert!(made.busy >= costs.iter().sum());
        expect(workers, &made, perfect(graph, workers, costs));
    }
}

#[test]
fn independent_transactions_take_exactly_what_the_perfect_schedule_takes() {
    let graph = independent(256);
    for costs in [vec![10; 256], random_costs(256, 5)] {
        each_worker_count(&graph, &costs, |workers, made, perfect| {
            assert_eq!(made.total, perfect, "{workers} workers");
            assert_eq!((made.report.executions, made.busy), (256, costs.iter().sum()));
        });
    }
}

#[test]
fn equal_steps_of_many_chains_take_exactly_what_the_perfect_schedule_takes() {
    let graph = chains(256, 16);
    each_worker_count(&graph, &[10; 256], |workers, made, perfect| {
        assert_eq!(made.total, perfect, "{workers} workers");
    });
}

/// A chain is never faster than one worker; the engine must not make it slower. It may be a little faster: a value that is
/// right by accident was read early.
#[test]
fn a_chain_takes_the_time_of_one_worker_however_many_try() {
    for costs in [vec![10; 256], random_costs(256, 5)] {
        each_worker_count(&chains(256, 1), &costs, |workers, made, perfect| {
            let about = perfect * 96 / 100..=perfect * 102 / 100;
            assert!(about.contains(&made.total), "{workers} workers: {} of {perfect}", made.total);
        });
    }
}

#[test]
fn readers_of_one_early_write_wait_for_it_and_for_nothing_else() {
    each_worker_count(&star(256), &[10; 256], |workers, made, perfect| {
        assert_eq!(made.total, perfect, "{workers} workers");
        let again = made.report.re_executions;
        assert!(again < workers as u64, "{workers} workers: {again} re-executions");
    });
    let costs = random_costs(256, 5);
    each_worker_count(&star(256), &costs, |workers, made, perfect| {
        assert!(made.total <= perfect + 2 * 100, "{workers} workers: {} of {perfect}", made.total);
    });
}

#[test]
fn diamonds_of_equal_steps_take_what_the_perfect_schedule_takes() {
    let graph = diamonds(32, 7);
    let costs = vec![10; graph.len()];
    each_worker_count(&graph, &costs, |workers, made, perfect| {
        assert_eq!(made.total, perfect, "{workers} workers");
    });
}

/// The throttle on a block that is a chain, then independent, then a chain: it saves most of the wasted executions, and the
/// independent part still runs on all workers.
#[test]
fn a_chain_between_independent_parts_is_left_to_one_worker_and_the_rest_is_not() {
    let mut graph = chains(300, 1);
    graph.extend(independent(3000));
    let first = graph.len();
    graph.extend((0..300).map(|at| if at == 0 { vec![] } else { vec![first + at - 1] }));
    let block = block(&graph);
    let run = |conflict_sample| {
        let options = Options { workers: 8, conflict_sample, ..Options::default() };
        makespan(&block, &mut Ledger::new(&block), &options, &|_: u32| 10).unwrap()
    };
    let (free, throttled) = (run(0), run(16));
    let wasted = |made: &Makespan<Register>| made.report.re_executions;
    assert!(wasted(&free) > 3000, "{}", wasted(&free));
    assert!(wasted(&throttled) < 1200, "{}", wasted(&throttled));
    let alone = 10 * graph.len() as u64;
    assert!(throttled.total < alone * 3 / 10, "{} of {alone}", throttled.total);
    assert!(throttled.total < free.total * 21 / 20, "{} against {}", throttled.total, free.total);
}

/// Where workers get something done together, re-executions or not, none of them is sent away for long.
#[test]
fn who_gets_something_done_is_not_sent_away() {
    let cases = [(chains(600, 8), 8), (chains(600, 8), 16), (chains(600, 8), 64)];
    let more = [(diamonds(20, 30), 8), (diamonds(20, 30), 32), (diamonds(20, 30), 64)];
    for (graph, workers) in cases.into_iter().chain(more) {
        let (block, costs) = (block(&graph), random_costs(graph.len(), 5));
        let total = |conflict_sample| {
            let options = Options { workers, conflict_sample, ..Options::default() };
            let costs = |index: u32| costs[index as usize];
            makespan(&block, &mut Ledger::new(&block), &options, &costs).unwrap().total
        };
        let (free, throttled) = (total(0), total(16));
        assert!(throttled <= free * 21 / 20, "{workers} workers: {throttled} against {free}");
    }
}

#[test]
fn a_blocked_execution_costs_what_the_caller_says() {
    struct Early;
    impl Costs for Early {
        fn execution(&self, _: u32) -> u64 {
            10
        }
        fn blocked(&self, _: u32) -> u64 {
            1
        }
    }
    let graph = diamonds(10, 5);
    let block = block(&graph);
    let options = Options { workers: 4, conflict_sample: 0, ..Options::default() };
    let made = makespan(&block, &mut Ledger::new(&block), &options, &Early).unwrap();
    let runs = &made.report.incarnations;
    let blocked = runs.iter().filter(|run| matches!(run.outcome, Outcome::Blocked { .. })).count();
    assert!(blocked > 0);
    assert_eq!(made.busy, (10 * (runs.len() - blocked) + blocked) as u64);
}

/// A transaction that has had its share of executions waits for its last one, and nobody else does.
#[test]
fn few_incarnations_slow_nobody_down_who_does_not_need_them() {
    let graph = chains(256, 2);
    let block = block(&graph);
    for max_incarnations in [1, 2, 16] {
        let options =
            Options { workers: 16, max_incarnations, conflict_sample: 0, ..Options::default() };
        let made = makespan(&block, &mut Ledger::new(&block), &options, &|_: u32| 10).unwrap();
        assert!(made.report.executions <= 256 * u64::from(max_incarnations + 1));
        assert_eq!(made.report.sequential, None);
        let (alone, perfect) = (2560, 1280);
        assert!(made.total <= alone, "{max_incarnations} incarnations: {}", made.total);
        assert!(max_incarnations < 16 || made.total == perfect, "{}", made.total);
    }
}

#[test]
fn one_worker_and_small_blocks_take_the_sum_of_their_costs() {
    let graph = independent(5);
    let block = block(&graph);
    for (workers, min_parallel_transactions) in [(1, 0), (0, 0), (8, 6)] {
        let options = Options { workers, min_parallel_transactions, ..Options::default() };
        let costs = |index: u32| u64::from(index);
        let made = makespan(&block, &mut Ledger::new(&block), &options, &costs).unwrap();
        assert_eq!((made.total, made.busy), (10, 10));
    }
}

#[test]
fn every_makespan_is_the_same_each_time() {
    let graph = diamonds(10, 5);
    let costs = random_costs(graph.len(), 9);
    let once = made(&graph, 7, &costs);
    for _ in 0..20 {
        let again = made(&graph, 7, &costs);
        assert_eq!((again.total, again.busy), (once.total, once.busy));
        assert_eq!(again.report.executions, once.report.executions);
    }
}
