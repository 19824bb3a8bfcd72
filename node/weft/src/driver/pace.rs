//! When the next height starts, and the timers of the consensus.

use super::{Driver, Phase};
use std::time::{Duration, Instant};
use weft_consensus::{Input, TimeoutId};

/// Transactions that arrive together go into one block: waiting this long after the first one
/// costs little and saves a nearly empty block.
const BATCHING: Duration = Duration::from_millis(10);

/// Longest time that what peers claim about their height delays a start: claims cost them nothing.
const HOLD_MAX: Duration = Duration::from_secs(1);

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Longest sleep, so that repairs and sync are looked at.
const WAKEUP_MAX: Duration = Duration::from_millis(500);

impl Driver {
    /// Plans the next height after a block was committed.
    pub(super) fn wait_for_next_height(&mut self) {
        let earliest = self.started_at + self.parts.pace.interval;
        self.read_settings();
        self.phase = Phase::Waiting(earliest, self.latest_start());
        self.waiting_since = Instant::now();
        self.transactions_since = (self.parts.has_transactions)().then(Instant::now);
    }

    /// What commands have set for the next height.
    fn read_settings(&mut self) {
        match self.parts.chain.settings(&self.head) {
            Ok(settings) => self.settings = settings,
            // Only the pace depends on it here: blocks are judged by what is read then.
            Err(error) => tracing::warn!(%error, "the settings of the chain cannot be read"),
        }
    }

    /// When the next height starts although there is nothing to include. A block that is set apart by a command waits for
    /// what it was set apart for, and one that a command has asked for waits for nothing.
    fn latest_start(&self) -> Instant {
        let height = self.height().0;
        if self.settings.mines(height) {
            return self.started_at;
        }
        let interval = match self.settings.interval_ms {
            None => self.parts.pace.empty_interval,
            Some(0) => NEVER,
            Some(ms) => Duration::from_millis(ms),
        };
        let interval = if self.settings.awaits(height) { NEVER } else { interval };
        self.started_at + interval
    }

    /// A node that starts where no block comes without a reason must not make one.
    pub(super) fn resume_pace(&mut self) {
        self.read_settings();
        if let Phase::Waiting(earliest, latest) = self.phase
            && self.latest_start() >= latest + NEVER
        {
            self.phase = Phase::Waiting(earliest, self.latest_start());
        }
    }

    /// Whether the next height is to start at once: a command waits for its block.
    fn hurries(&self) -> bool {
        (self.parts.has_commands)()
    }

    /// Starts the next height when its time has come, there is something to include, or another
    /// validator has started it.
    pub(super) fn start_height_if_due(&mut self) {
        let Phase::Waiting(earliest, latest) = self.phase else { return };
        let now = Instant::now();
        if !self.may_start(now) {
            return;
        }
        let batch = self.transactions_since.is_some_and(|since| now >= since + BATCHING);
        let batch = batch && !self.settings.manual;
        let early = now >= earliest && (batch || self.another_has_started());
        let early = early || self.hurries();
        if now < latest && !early && !self.others_have_started() {
            return;
        }
        self.started_at = now;
        self.transactions_since = None;
        self.start_height();
    }

    /// Whether nothing better is to be done than to start a height: no decided block is being
    /// executed or waits for it, and no peer seems to be far ahead.
    fn may_start(&self, now: Instant) -> bool {
        let held = now < self.waiting_since + HOLD_MAX
            && self.sync.best_height(now) >= self.head.block.height().0.saturating_add(2);
        self.connected && !self.committing && !self.sync.has_blocks() && !held
    }

    /// Whether a validator works on the next height. One alone may not hurry the others beyond the
    /// shortest interval.
    fn another_has_started(&self) -> bool {
        let height = self.height();
        self.proposals.iter().any(|p| p.init.height == height)
            || self.sync.power_at(height, &self.parts.validators) > 0
    }

    /// Whether so many validators work on the next height that an honest one is among them.
    fn others_have_started(&self) -> bool {
        let validators = &self.parts.validators;
        self.sync.power_at(self.height(), validators) > validators.total_power() / 3
    }

    fn start_height(&mut self) {
        let height = self.height();
        let replay = match self.parts.log.entries(height) {
            Ok(entries) => entries,
            Err(error) => return self.stop_for_storage("the consensus log cannot be read", error),
        };
        if !replay.is_empty() {
            tracing::info!(%height, entries = replay.len(), "replaying the consensus log");
        }
        // A log without a past on a chain that has one: this key may have signed for this height
        // in an earlier life of the home. It signs again when that height is decided. (A new chain
        // may hand its first block to a slow validator: one height is no past.)
        if self.parts.log_is_fresh && self.head.block.height().0 > 1 {
            self.parts.log_is_fresh = false;
            tracing::warn!(from = %height.next(), "joined late: signing starts with the next height");
            self.parts.consensus.sign_not_before(height.next());
        }
        self.phase = Phase::Running;
        self.publish_working_height();
        self.step(Input::StartHeight { height, replay });
        self.judge_waiting_proposals();
    }

    /// Sets a timer of the consensus.
    pub(super) fn schedule(&mut self, id: TimeoutId, after: Duration) {
        self.cancel(&id);
        self.timer_sequence += 1;
        self.timers.insert((Instant::now() + after, self.timer_sequence), id);
    }

    /// Removes a timer.
    pub(super) fn cancel(&mut self, id: &TimeoutId) {
        self.timers.retain(|_, known| known != id);
    }

    /// Feeds every timer that is due.
    pub(super) fn fire_timers(&mut self) {
        while let Some((&key, _)) = self.timers.first_key_value() {
            if key.0 > Instant::now() || self.end.is_some() {
                return;
            }
            let id = self.timers.remove(&key).expect("the key was just read");
            self.step(Input::Timeout(id));
        }
    }

    /// When the driver must look at something even if nothing happens.
    pub(super) fn next_wakeup(&self) -> Instant {
        let now = Instant::now();
        let mut next = now + WAKEUP_MAX;
        if let Some(((at, _), _)) = self.timers.first_key_value() {
            next = next.min(*at);
        }
        if let Phase::Waiting(earliest, latest) = self.phase {
            let since = self.transactions_since.filter(|_| !self.settings.manual);
            let due = match since {
                _ if self.hurries() => now,
                _ if self.another_has_started() => earliest.min(latest),
                Some(since) => earliest.max(since + BATCHING).min(latest),
                None => latest,
            };
            if self.may_start(now) {
                next = next.min(due);
            } else if now < self.waiting_since + HOLD_MAX {
                next = next.min(due.max(self.waiting_since + HOLD_MAX));
            }
        }
        let sync = if self.committing {
            None
        } else {
            self.sync.next_wakeup(self.head.block.height(), now)
        };
        sync.map_or(next, |at| next.min(at))
    }
}
