//! What a load came to.

use super::LoadArgs;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Counts and times of one load.
pub(super) struct Report {
    mix: String,
    sent: usize,
    pub(super) accepted: usize,
    /// Reasons of refusals, with their numbers.
    pub(super) reasons: BTreeMap<String, usize>,
    pub(super) included: usize,
    /// From the first byte sent to the last answer.
    pub(super) accepted_after: Duration,
    /// From the first byte sent until the last transaction was seen in a block.
    pub(super) included_after: Duration,
    pub(super) blocks: u64,
    /// CPU time of the server's process meanwhile.
    pub(super) cpu: Option<Duration>,
}

impl Report {
    pub(super) fn new(args: &LoadArgs) -> Self {
        Self {
            mix: args.mix.to_string(),
            sent: args.transactions as usize,
            accepted: 0,
            reasons: BTreeMap::new(),
            included: 0,
            accepted_after: Duration::ZERO,
            included_after: Duration::ZERO,
            blocks: 0,
            cpu: None,
        }
    }

    pub(super) fn refused(&self) -> usize {
        self.reasons.values().sum()
    }

    fn rate(&self) -> f64 {
        self.included as f64 / self.included_after.as_secs_f64().max(1e-9)
    }

    /// CPU time for each included transaction, in milliseconds.
    fn cpu_ms(&self) -> Option<f64> {
        let cpu = self.cpu.filter(|_| self.included > 0)?;
        Some(cpu.as_secs_f64() * 1e3 / self.included as f64)
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} transactions ({}): {} accepted in {:.2} s, {} included in {:.2} s, {} blocks\n{:.0} transactions a second\n",
            self.sent,
            self.mix,
            self.accepted,
            self.accepted_after.as_secs_f64(),
            self.included,
            self.included_after.as_secs_f64(),
            self.blocks,
            self.rate(),
        );
        if let Some(cpu) = self.cpu_ms() {
            let _ = writeln!(text, "{cpu:.3} ms CPU of the server for each");
        }
        for (reason, count) in &self.reasons {
            let _ = writeln!(text, "refused {count}: {reason}");
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let value = json!({
            "mix": self.mix,
            "sent": self.sent,
            "accepted": self.accepted,
            "included": self.included,
            "acceptedSeconds": self.accepted_after.as_secs_f64(),
            "includedSeconds": self.included_after.as_secs_f64(),
            "transactionsPerSecond": self.rate(),
            "blocks": self.blocks,
            "cpuMillisecondsEach": self.cpu_ms(),
            "refused": self.reasons,
        });
        format!("{value}\n")
    }
}
