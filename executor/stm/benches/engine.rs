//! The engine on toy blocks, each beside its sequential twin.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use weft_stm::toy::{Op, Output, Toy};
use weft_stm::{Options, Pool, Settle, Settled, Verdict, run, run_sequential};

/// Transactions in each block.
const TRANSACTIONS: u64 = 4000;
/// Rounds of mixing in each transaction: about the time of a plain transfer on an EVM.
const WORK: u32 = 700;

/// Steps of the transaction with this index.
type Program = fn(u64) -> Vec<Op>;

/// A settler that costs nothing.
struct Count(u64);

impl Settle<Toy> for Count {
    fn settle(&mut self, _: u32, settled: Settled<'_, Toy>) -> Verdict {
        let Output { accumulator, verdict, .. } = settled.output;
        self.0 ^= accumulator;
        verdict
    }
}

/// Each transaction has registers of its own; all pay a fee into one that nobody reads.
fn independent(index: u64) -> Vec<Op> {
    let own = 10_000 + 4 * index;
    vec![
        Op::Read(own),
        Op::Work(WORK),
        Op::Set(own),
        Op::Pay(own + 1, 1),
        Op::Add(own + 2, 1),
        Op::Add(0, 3),
    ]
}

/// Each transaction reads what the one before it wrote: nothing to gain.
fn chain(index: u64) -> Vec<Op> {
    vec![Op::Read(10_000 + index), Op::Work(WORK), Op::Set(10_001 + index)]
}

/// One balance that every transaction pays into, and every other one pays from.
fn hot_delta(index: u64) -> Vec<Op> {
    let own = 10_000 + index;
    let hot = if index.is_multiple_of(2) { Op::Add(0, 10) } else { Op::Pay(0, 7) };
    vec![Op::Read(own), Op::Work(WORK), hot, Op::Set(own)]
}

fn engine(criterion: &mut Criterion) {
    let shapes: [(&str, Program); 3] =
        [("independent", independent), ("chain", chain), ("hot_delta", hot_delta)];
    for (shape, program) in shapes {
        let block = Toy::new((0..TRANSACTIONS).map(program).collect());
        let mut group = criterion.benchmark_group("engine");
        group.throughput(Throughput::Elements(TRANSACTIONS)).sample_size(20);
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        group.bench_function(
            BenchmarkId::new("run_sequential", format!("shape={shape}")),
            |bencher| {
                bencher.iter(|| {
                    let mut count = Count(0);
                    run_sequential(&block, &mut count).expect("the block is valid");
                    black_box(count.0)
                });
            },
        );
        for workers in [1, 2, 4] {
            let pool = Pool::new(workers).expect("threads start").oversubscribed();
            let options = Options { workers, incarnations: false, ..Options::default() };
            let id = BenchmarkId::new("run", format!("shape={shape}/workers={workers}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let mut count = Count(0);
                    run(&pool, &block, &mut count, &options).expect("the block is valid");
                    black_box(count.0)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);
