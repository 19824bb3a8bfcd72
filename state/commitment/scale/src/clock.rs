//! What some work costs.

use std::time::Instant;

/// Time of one piece of work among many equal ones.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Median by the clock on the wall.
    pub(crate) wall_ms: f64,
    /// Mean processor time of all threads.
    pub(crate) cpu_ms: f64,
}

/// Runs `work` so many times. What it returns is dropped outside of the measurement.
pub(crate) fn measure<T>(times: usize, mut work: impl FnMut(usize) -> T) -> Cost {
    let (mut walls, mut cpu_ms) = (Vec::with_capacity(times), 0.0);
    for time in 0..times {
        let (started, cpu) = (Instant::now(), cpu_ns());
        let done = work(time);
        walls.push(started.elapsed().as_secs_f64() * 1e3);
        cpu_ms += (cpu_ns() - cpu) as f64 / 1e6 / times as f64;
        drop(done);
    }
    walls.sort_by(f64::total_cmp);
    Cost { wall_ms: walls[times / 2], cpu_ms }
}

/// Processor time of all threads so far.
fn cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this is Linux");
    let ns = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    ns.sum()
}
