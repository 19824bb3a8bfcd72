//! CPU time of another process on this machine.

use std::time::Duration;

/// Linux counts CPU time for programs in hundredths of a second, whatever the kernel's own clock.
const TICKS_PER_SECOND: u32 = 100;

/// User and system time of the process so far; `None` when it cannot be read.
pub(super) fn of(pid: Option<u32>) -> Option<Duration> {
    parse(&std::fs::read_to_string(format!("/proc/{}/stat", pid?)).ok()?)
}

/// Fields 14 and 15 of `/proc/PID/stat` (proc(5)); the second field may contain blanks and brackets.
fn parse(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(Duration::from_secs(u64::from(user) + u64::from(system)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 100 1 1";
        assert_eq!(parse(stat), Some(Duration::from_secs(3)));
        assert!(of(Some(std::process::id())).is_some());
        assert_eq!(of(None), None);
    }
}
