//! What commands have set for the blocks to come: slots of an account of the protocol, and what they mean.
//!
//! The settings are state: they are in the state root, in the access list of the block that changes them, and in every
//! snapshot. A block is judged by the settings of its parent.
//!
//! ```text
//! slot 0   seconds added to every clock, two's complement of 64 bits
//! slot 1   timestamp of one block       height (64 bits) | value (64 bits)
//! slot 2   base fee of one block        height | wei
//! slot 3   block gas limit, 0 for that of the genesis
//! slot 4   2^160 + beneficiary, 0 for each proposer's own
//! slot 5   1 when a transaction does not start a block by itself
//! slot 6   1 + milliseconds between blocks without a reason, 1 for never, 0 for that of the genesis
//! slot 7   blocks made at once          last height | seconds between timestamps
//! slot 8   1 when every sender is impersonated
//! slot 9   wei that commands have made
//! slot 2^160 + address                  1 when that sender is impersonated
//! ```

use crate::command::{Action, Clock, Command};
use crate::{ChainParams, Header, StateError, StateReader};
use alloy_primitives::{Address, U256, address};

/// The account whose storage holds the settings: `weft` in ASCII, with zeros before it. Genesis gives it nonce 1.
pub const SETTINGS_ADDRESS: Address = address!("0000000000000000000000000000000077656674");

/// Slots of the settings; see the module.
pub mod slot {
    /// Seconds added to every clock.
    pub const OFFSET: u64 = 0;
    /// Timestamp of one block.
    pub const TIMESTAMP: u64 = 1;
    /// Base fee of one block.
    pub const BASE_FEE: u64 = 2;
    /// Block gas limit.
    pub const GAS_LIMIT: u64 = 3;
    /// Beneficiary.
    pub const COINBASE: u64 = 4;
    /// A transaction does not start a block by itself.
    pub const MANUAL: u64 = 5;
    /// Time between blocks without a reason.
    pub const INTERVAL: u64 = 6;
    /// Blocks made at once.
    pub const MINING: u64 = 7;
    /// Every sender is impersonated.
    pub const IMPERSONATE_ALL: u64 = 8;
    /// Wei that commands have made.
    pub const SUPPLY: u64 = 9;
    /// Slots of [`super::Settings`].
    pub const COUNT: u64 = 10;
}

/// The settings after a block: what the next one is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Seconds that every clock is to be read as later.
    pub offset_s: i64,
    /// Height and timestamp of a block that is to have just that timestamp.
    pub timestamp: Option<(u64, u64)>,
    /// Height and base fee of a block that is to have just that base fee.
    pub base_fee: Option<(u64, u64)>,
    /// Block gas limit, if it is not that of the genesis.
    pub gas_limit: Option<u64>,
    /// Beneficiary, if it is not each proposer's own.
    pub coinbase: Option<Address>,
    /// A transaction does not start a block by itself.
    pub manual: bool,
    /// Milliseconds between blocks without a reason, if not those of the genesis; 0 for never.
    pub interval_ms: Option<u64>,
    /// Last height of the blocks made at once, and the seconds between their timestamps.
    pub mining: Option<(u64, u64)>,
    /// Every sender is impersonated.
    pub impersonate_all: bool,
}

/// The slot that says whether a sender is impersonated.
#[must_use]
pub fn impersonation_slot(address: Address) -> U256 {
    (U256::from(1) << 160) + U256::from_be_slice(address.as_slice())
}

/// Two numbers in one slot.
#[must_use]
pub fn pair(high: u64, low: u64) -> U256 {
    (U256::from(high) << 64) + U256::from(low)
}

fn unpair(value: U256) -> Option<(u64, u64)> {
    let [low, high, ..] = *value.as_limbs();
    (!value.is_zero()).then_some((high, low))
}

impl Settings {
    /// Reads the settings of a chain; those of a chain without cheats are the default, and cost nothing.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn read(params: &ChainParams, state: &dyn StateReader) -> Result<Self, StateError> {
        if !params.devnet_cheats {
            return Ok(Self::default());
        }
        let mut values = [U256::ZERO; slot::COUNT as usize];
        for (value, slot) in values.iter_mut().zip(0u64..) {
            *value = state.storage(&SETTINGS_ADDRESS, &U256::from(slot))?;
        }
        Ok(Self::of(&values))
    }

    fn of(values: &[U256; slot::COUNT as usize]) -> Self {
        let value = |slot: u64| values[slot as usize];
        let small = |slot: u64| value(slot).as_limbs()[0];
        let some = |slot: u64| (!value(slot).is_zero()).then(|| small(slot));
        let coinbase = value(slot::COINBASE);
        Self {
            offset_s: small(slot::OFFSET).cast_signed(),
            timestamp: unpair(value(slot::TIMESTAMP)),
            base_fee: unpair(value(slot::BASE_FEE)),
            gas_limit: some(slot::GAS_LIMIT),
            coinbase: (!coinbase.is_zero())
                .then(|| Address::from_slice(&coinbase.to_be_bytes::<32>()[12..])),
            manual: small(slot::MANUAL) != 0,
            interval_ms: some(slot::INTERVAL).map(|ms| ms - 1),
            mining: unpair(value(slot::MINING)),
            impersonate_all: small(slot::IMPERSONATE_ALL) != 0,
        }
    }

    /// A clock as this chain reads it, in seconds.
    #[must_use]
    pub fn clock(&self, now_seconds: u64) -> u64 {
        now_seconds.saturating_add_signed(self.offset_s)
    }

    /// The timestamp that the block after `parent` must have, if it is not left to the proposer's clock.
    #[must_use]
    pub fn fixed_timestamp(&self, parent: &Header, commands: &[Command]) -> Option<u64> {
        let height = parent.number + 1;
        let asked = commands.iter().rev().find_map(|command| match command.action {
            Action::Mine { clock: Some(Clock { timestamp, .. }), .. } => Some(timestamp),
            _ => None,
        });
        let asked = asked.or(self.timestamp.filter(|(at, _)| *at == height).map(|(_, time)| time));
        let spaced = self.mining.filter(|(last, interval)| *last >= height && *interval > 0);
        let spaced = spaced.map(|(_, interval)| parent.timestamp.saturating_add(interval));
        asked.or(spaced).map(|time| time.max(parent.timestamp))
    }

    /// The base fee that a command has set for the block at `height`, in wei.
    #[must_use]
    pub fn base_fee_at(&self, height: u64) -> Option<u64> {
        self.base_fee.filter(|(at, _)| *at == height).map(|(_, fee)| fee)
    }

    /// Whether the block at `height` is one of those that a command asked for.
    #[must_use]
    pub fn mines(&self, height: u64) -> bool {
        self.mining.is_some_and(|(last, _)| last >= height)
    }

    /// Whether the block at `height` is set apart by a timestamp or base fee: it waits for what it was set apart for.
    #[must_use]
    pub fn awaits(&self, height: u64) -> bool {
        self.base_fee_at(height).is_some() || self.timestamp.is_some_and(|(at, _)| at == height)
    }

    /// Blocks are made by [`Action::Mine`] alone.
    #[must_use]
    pub fn only_by_hand(&self) -> bool {
        self.manual && self.interval_ms == Some(0)
    }

    /// Whether the block at `height` may have transactions.
    #[must_use]
    pub fn takes_transactions(&self, height: u64, commands: &[Command]) -> bool {
        let asked = || commands.iter().any(|c| matches!(c.action, Action::Mine { .. }));
        !self.only_by_hand() || self.mines(height) || asked()
    }

    /// Whether transactions of this sender need no signature in the block after `state`.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn impersonates(
        &self,
        sender: Address,
        state: &dyn StateReader,
    ) -> Result<bool, StateError> {
        let slot = impersonation_slot(sender);
        Ok(self.impersonate_all || !state.storage(&SETTINGS_ADDRESS, &slot)?.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent() -> Header {
        Header { number: 9, timestamp: 100, ..Header::default() }
    }

    fn command(action: Action) -> Command {
        Command { salt: 0, last_height: 10, action }
    }

    #[test]
    fn slots_that_were_never_written_are_the_default() {
        assert_eq!(Settings::of(&[U256::ZERO; slot::COUNT as usize]), Settings::default());
    }

    #[test]
    fn what_is_in_the_slots_is_what_is_read() {
        let mut values = [U256::ZERO; slot::COUNT as usize];
        values[slot::OFFSET as usize] = U256::from((-5i64).cast_unsigned());
        values[slot::TIMESTAMP as usize] = pair(10, 0);
        values[slot::COINBASE as usize] = U256::from(1) << 160;
        values[slot::INTERVAL as usize] = U256::from(1);
        values[slot::MANUAL as usize] = U256::from(1);
        let settings = Settings::of(&values);
        assert_eq!((settings.offset_s, settings.clock(105)), (-5, 100));
        assert_eq!(settings.timestamp, Some((10, 0)));
        assert_eq!(settings.coinbase, Some(Address::ZERO));
        assert_eq!(settings.interval_ms, Some(0));
        assert!(settings.only_by_hand() && settings.awaits(10) && !settings.awaits(11));
    }

    #[test]
    fn a_timestamp_is_fixed_by_the_command_then_by_the_settings_and_never_goes_back() {
        let clock = |timestamp| Some(Clock { timestamp, now: 0 });
        let mine = |time| [command(Action::Mine { blocks: 1, interval_s: 0, clock: clock(time) })];
        let settings = Settings { timestamp: Some((10, 150)), ..Settings::default() };
        assert_eq!(Settings::default().fixed_timestamp(&parent(), &[]), None);
        assert_eq!(settings.fixed_timestamp(&parent(), &[]), Some(150));
        assert_eq!(settings.fixed_timestamp(&parent(), &mine(200)), Some(200));
        assert_eq!(settings.fixed_timestamp(&parent(), &mine(20)), Some(100));
        let later = Header { number: 10, ..parent() };
        assert_eq!(settings.fixed_timestamp(&later, &[]), None, "only that one block");
        let mining = Settings { mining: Some((10, 60)), ..Settings::default() };
        assert_eq!(mining.fixed_timestamp(&parent(), &[]), Some(160));
        assert_eq!(mining.fixed_timestamp(&later, &[]), None);
    }

    #[test]
    fn by_hand_only_a_block_that_was_asked_for_takes_transactions() {
        let by_hand = Settings {
            manual: true,
            interval_ms: Some(0),
            mining: Some((12, 0)),
            ..Settings::default()
        };
        let mine = command(Action::Mine { blocks: 1, interval_s: 0, clock: None });
        assert!(by_hand.takes_transactions(12, &[]));
        assert!(!by_hand.takes_transactions(13, &[]));
        assert!(!by_hand.takes_transactions(13, &[command(Action::DropTransactions)]));
        assert!(by_hand.takes_transactions(13, &[mine]));
        let at_intervals = Settings { interval_ms: Some(1000), ..by_hand };
        assert!(at_intervals.takes_transactions(13, &[]));
    }
}
