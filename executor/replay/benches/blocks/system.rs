//! What Linux knows about this process.

use std::fs::read_to_string;

/// Clock ticks a second in `/proc`: 100 on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of all threads so far, in ticks of 10 ms; 0 where there is no `/proc`.
pub(crate) fn cpu_ticks() -> u64 {
    let Ok(stat) = read_to_string("/proc/self/stat") else { return 0 };
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field after it.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Ticks as milliseconds.
pub(crate) fn ticks_ms(ticks: u64) -> f64 {
    ticks as f64 * 1e3 / TICKS_PER_SECOND
}

/// A size in `/proc/self/status`, in KiB.
pub(crate) fn memory_kib(field: &str) -> Result<u64, String> {
    let status = read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| *name == field)
        .and_then(|(_, value)| value.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("/proc/self/status has no {field}"))
}
