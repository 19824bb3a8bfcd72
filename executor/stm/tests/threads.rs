//! What a pool costs when there is nothing to do, and what is left when it is gone: seen from outside, by the operating
//! system's own books.
#![cfg(target_os = "linux")]

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use weft_stm::toy::{Ledger, Op, Toy};
use weft_stm::{Options, Pool, run};

/// One test at a time: they count the threads of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// The threads of pools, as folders of `/proc`.
fn threads() -> Vec<std::path::PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").expect("the process has threads");
    let is_ours = |path: &std::path::PathBuf| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("weft-stm-"))
    };
    tasks.filter_map(|task| Some(task.ok()?.path())).filter(is_ours).collect()
}

/// Ticks (1/100 s) that these threads have used.
fn ticks() -> u64 {
    let used = |path: std::path::PathBuf| {
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        // The name in brackets may hold blanks; after it come the state and ten numbers before the two times.
        let numbers = stat.rsplit(')').next().unwrap_or_default();
        let times = numbers.split_whitespace().skip(11).take(2);
        times.filter_map(|time| time.parse::<u64>().ok()).sum::<u64>()
    };
    threads().into_iter().map(used).sum()
}

fn expect_no_threads() {
    let begin = Instant::now();
    while !threads().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(10), "left behind: {:?}", threads());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn block(end: Op) -> Toy {
    let mut programs: Vec<Vec<Op>> =
        (0..400).map(|at| vec![Op::Read(2 * at), Op::Work(200), Op::Set(2 * at + 2)]).collect();
    // Register 1 is odd with this seed, so that the step takes effect.
    programs[200] = vec![end];
    let odd = |toy: &Toy| toy.initial(1) % 2 == 1;
    let toy = Toy::new(programs);
    (0..).map(|seed| toy.clone().with_seed(seed)).find(odd).expect("some seed")
}

#[test]
fn a_pool_without_work_uses_no_processor_time() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let pool = Pool::new(4).expect("threads start").oversubscribed();
    let block = block(Op::Yield);
    run(&pool, &block, &mut Ledger::new(&block), &Options::default()).expect("nothing fails");
    pool.warm(Duration::from_millis(20));
    assert!(!threads().is_empty());
    // Longer than anybody looks out.
    std::thread::sleep(Duration::from_millis(200));
    let before = ticks();
    std::thread::sleep(Duration::from_millis(500));
    let used = ticks() - before;
    assert!(used <= 1, "{used} ticks of 10 ms in half a second");
}

#[test]
fn no_thread_outlives_its_pool_however_the_run_ended() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    expect_no_threads();
    for end in [Op::Yield, Op::StopIfOdd(1), Op::FailIfOdd(1), Op::PanicIfOdd(1)] {
        let pool = Pool::new(4).expect("threads start").oversubscribed();
        let block = block(end.clone());
        let options = Options { conflict_sample: 0, ..Options::default() };
        let result = run(&pool, &block, &mut Ledger::new(&block), &options);
        assert_eq!(result.is_err(), matches!(end, Op::FailIfOdd(_) | Op::PanicIfOdd(_)));
        pool.warm(Duration::from_secs(3600));
        drop((result, pool));
        expect_no_threads();
    }
}
