//! Commands of a development chain: changes that no transaction can make, ordered by consensus like one.
//!
//! # Flow
//! A caller's wish (`anvil_setBalance` and its kin) becomes a [`Command`], is gossiped, and put into the body of a block
//! by its proposer. Every validator applies the commands of a block, in their order, after the system calls and before the
//! transactions: at access index 0 of the block access list. So they are in the state root, in the list and in the
//! history like everything else, and a node that catches up by any road agrees.
//!
//! # Invariants
//! - Only a chain whose parameters say so ([`ChainParams::devnet_cheats`](crate::ChainParams)) takes them.
//! - The header commits to them: `parentBeaconBlockRoot` is [`commands_root`], zero without commands. A chain without a
//!   beacon chain has no other use for the field, and every tool knows it.
//! - Applying one cannot fail: what is not possible (a lower nonce, say) has no effect. So a command never makes a block
//!   invalid, and a proposer need not try it first.

use crate::limits::{BLOCK_GAS_LIMIT_MAX, TRANSACTION_BYTES_MAX};
use alloy_primitives::{Address, B256, U256};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

/// Most commands in one block.
pub const COMMANDS_MAX: usize = 256;

/// Most bytes of all commands of one block, encoded.
pub const COMMANDS_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most bytes of one command, encoded.
pub const COMMAND_BYTES_MAX: usize = TRANSACTION_BYTES_MAX - 1024;

/// A command names a last height so many blocks ahead at most: nobody has to remember it for longer.
pub const COMMAND_HEIGHTS_MAX: u64 = 512;

/// Most blocks that one command may ask for.
pub const MINED_BLOCKS_MAX: u32 = 4096;

/// Latest timestamp that a command may bring about, in seconds.
pub const COMMAND_TIMESTAMP_MAX: u64 = 1 << 36;

/// Highest base fee that a command may set, in wei: a million gwei.
pub const COMMAND_BASE_FEE_MAX: u64 = 1_000_000_000_000_000;

/// Lowest block gas limit that a command may set: one transfer must fit.
pub const COMMAND_GAS_LIMIT_MIN: u64 = 21_000;

/// Longest interval of blocks that a command may set, in milliseconds.
pub const COMMAND_INTERVAL_MS_MAX: u64 = 3_600_000;

/// Most wei that commands may add to what there is: balances stay within the 128 bits that the state commits to.
pub const COMMAND_SUPPLY_MAX: U256 = U256::from_limbs([0, 1 << 63, 0, 0]);

/// First byte of a gossiped command, where a transaction has its type. No transaction type has it.
pub const COMMAND_TYPE: u8 = 0x7e;

/// What a command does. Fields that name a block count from the one that holds the command.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Action {
    /// Sets a balance.
    SetBalance {
        /// Whose.
        address: Address,
        /// In wei.
        balance: U256,
    },
    /// Adds to a balance.
    AddBalance {
        /// Whose.
        address: Address,
        /// In wei.
        amount: U256,
    },
    /// Raises a nonce. A lower one has no effect: a transaction could be included twice.
    SetNonce {
        /// Whose.
        address: Address,
        /// The next nonce.
        nonce: u64,
    },
    /// Replaces the code of an account.
    SetCode {
        /// Whose.
        address: Address,
        /// The runtime code; empty for none.
        code: Vec<u8>,
    },
    /// Writes a storage slot. An account that was empty has nonce 1 afterwards.
    SetStorage {
        /// Whose.
        address: Address,
        /// The slot.
        slot: U256,
        /// The value.
        value: U256,
    },
    /// From the next block on, transactions of this sender need no signature, or need one again.
    Impersonate {
        /// The sender.
        address: Address,
        /// Whether.
        on: bool,
    },
    /// The same for every sender.
    ImpersonateAll {
        /// Whether.
        on: bool,
    },
    /// Makes this block and those after it at once, whether or not there is a transaction.
    Mine {
        /// How many, this one included.
        blocks: u32,
        /// Seconds between the timestamps of two of them; 0 leaves them to the clock.
        interval_s: u64,
        /// Timestamp of this block, from which the clock goes on.
        clock: Option<Clock>,
    },
    /// From the next block on, timestamps are so much later.
    IncreaseTime {
        /// In seconds.
        seconds: u64,
    },
    /// From the next block on, timestamps go on from another time.
    SetTime {
        /// Which.
        clock: Clock,
    },
    /// The next block has this timestamp, and the clock goes on from there.
    NextTimestamp {
        /// Which.
        clock: Clock,
    },
    /// The next block has this base fee.
    NextBaseFee {
        /// In wei.
        wei: u64,
    },
    /// Gas limit from the next block on.
    GasLimit {
        /// Gas.
        gas: u64,
    },
    /// Beneficiary from the next block on; `None` gives each proposer its own again.
    Coinbase {
        /// Who gets the tips.
        address: Option<Address>,
    },
    /// Whether a transaction starts a block by itself.
    Automine {
        /// Without, blocks are made at intervals or by [`Action::Mine`] alone.
        on: bool,
    },
    /// Time between two blocks when nothing else starts one.
    Interval {
        /// In milliseconds; 0 for never.
        ms: u64,
    },
    /// Has every pool drop a transaction.
    DropTransaction {
        /// Its hash.
        hash: B256,
    },
    /// Has every pool drop all transactions.
    DropTransactions,
}

/// A time, and the caller's clock when it was asked for: the difference is what all validators add to their clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Clock {
    /// The time asked for, in seconds since 1970.
    pub timestamp: u64,
    /// The clock of the node that took the call, in seconds since 1970.
    pub now: u64,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Command {
    /// Tells two commands with the same action apart.
    pub salt: u64,
    /// Last height whose block may hold it.
    pub last_height: u64,
    /// What it does.
    pub action: Action,
}

/// Commands cannot be in a block, or a command in any block.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// The chain takes none.
    #[error("this chain takes no commands: its genesis does not say devnetCheats")]
    Off,
    /// Bytes are not a command.
    #[error("command is malformed: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// Too many, or too large.
    #[error("{what}: found {found}, limit {limit}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// What was found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A number is out of its range.
    #[error("{what}: found {found}, expected {least} to {most}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What was found.
        found: u64,
        /// Lowest.
        least: u64,
        /// Highest.
        most: u64,
    },
    /// More wei than commands may make.
    #[error("balance {found} wei is more than commands may make: {COMMAND_SUPPLY_MAX}")]
    Supply {
        /// What was asked for, in wei.
        found: U256,
    },
    /// The same command twice in a block.
    #[error("command {id} is there twice")]
    Repeated {
        /// Its id.
        id: B256,
    },
}

impl Action {
    /// Checks every limit that does not depend on the state.
    ///
    /// # Errors
    /// [`CommandError`]; whoever asked for it is to blame.
    pub fn check(&self) -> Result<(), CommandError> {
        let range = |what, found, least, most| {
            if (least..=most).contains(&found) {
                return Ok(());
            }
            Err(CommandError::Range { what, found, least, most })
        };
        let time = |timestamp| range("timestamp", timestamp, 0, COMMAND_TIMESTAMP_MAX);
        match self {
            Self::SetBalance { balance: found, .. } | Self::AddBalance { amount: found, .. }
                if *found > COMMAND_SUPPLY_MAX =>
            {
                Err(CommandError::Supply { found: *found })
            }
            Self::SetNonce { nonce, .. } => range("nonce", *nonce, 0, u64::MAX - 1),
            Self::Mine { blocks, interval_s, clock } => {
                range("blocks", u64::from(*blocks), 1, u64::from(MINED_BLOCKS_MAX))?;
                range("interval", *interval_s, 0, COMMAND_TIMESTAMP_MAX)?;
                clock.map_or(Ok(()), |clock| time(clock.timestamp))
            }
            Self::IncreaseTime { seconds } => range("seconds", *seconds, 0, COMMAND_TIMESTAMP_MAX),
            Self::SetTime { clock } | Self::NextTimestamp { clock } => time(clock.timestamp),
            Self::NextBaseFee { wei } => range("base fee", *wei, 0, COMMAND_BASE_FEE_MAX),
            Self::GasLimit { gas } => {
                range("gas limit", *gas, COMMAND_GAS_LIMIT_MIN, BLOCK_GAS_LIMIT_MAX)
            }
            Self::Interval { ms } => range("interval", *ms, 0, COMMAND_INTERVAL_MS_MAX),
            _ => Ok(()),
        }
    }
}

impl Command {
    /// What names it: BLAKE3 over a domain and its encoding.
    #[must_use]
    pub fn id(&self) -> B256 {
        hash(b"weft/command/v1", &self.encoded())
    }

    fn encoded(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory cannot fail")
    }

    /// As it is gossiped among transactions: [`COMMAND_TYPE`] and its encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&[COMMAND_TYPE], self.encoded().as_slice()].concat()
    }

    /// Whether gossiped bytes say that they are a command.
    #[must_use]
    pub fn is_command(bytes: &[u8]) -> bool {
        bytes.first() == Some(&COMMAND_TYPE)
    }

    /// Decodes and checks what [`encode`](Self::encode) gave.
    ///
    /// # Errors
    /// [`CommandError`]; the sender is to blame.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let malformed = |reason: String| CommandError::Malformed { reason };
        let Some((&COMMAND_TYPE, rest)) = bytes.split_first() else {
            return Err(malformed(format!("expected first byte {COMMAND_TYPE:#x}")));
        };
        size("bytes of a command", rest.len(), COMMAND_BYTES_MAX)?;
        let command: Self =
            borsh::from_slice(rest).map_err(|error| malformed(error.to_string()))?;
        command.action.check()?;
        Ok(command)
    }

    /// Whether the block at `height` may hold it.
    ///
    /// # Errors
    /// [`CommandError::Range`] for one that is too old, or that would have to be remembered too long.
    pub fn check_height(&self, height: u64) -> Result<(), CommandError> {
        let most = height.saturating_add(COMMAND_HEIGHTS_MAX);
        let found = self.last_height;
        if (height..=most).contains(&found) {
            return Ok(());
        }
        Err(CommandError::Range { what: "last height of a command", found, least: height, most })
    }
}

/// What a header says of its block's commands: zero for none, else BLAKE3 over a domain and their encoding.
#[must_use]
pub fn commands_root(commands: &[Command]) -> B256 {
    if commands.is_empty() {
        B256::ZERO
    } else {
        hash(b"weft/commands/v1", &encode_commands(commands))
    }
}

/// The commands of a block as they lie in its body; empty for none.
#[must_use]
pub fn encode_commands(commands: &[Command]) -> Vec<u8> {
    if commands.is_empty() {
        return Vec::new();
    }
    borsh::to_vec(commands).expect("writing to memory cannot fail")
}

/// Decodes the commands of a body. One without says so by leaving them out.
///
/// # Errors
/// [`CommandError`]; the sender is to blame.
pub fn decode_commands(bytes: &[u8]) -> Result<Vec<Command>, CommandError> {
    size("bytes of commands", bytes.len(), COMMANDS_BYTES_MAX)?;
    // Each takes 17 bytes at least, so that the count is bounded before anything is allocated.
    let count = bytes.first_chunk::<4>().map_or(0, |count| u32::from_le_bytes(*count));
    size("commands", count as usize, COMMANDS_MAX)?;
    let commands: Vec<Command> = borsh::from_slice(bytes)
        .map_err(|error| CommandError::Malformed { reason: error.to_string() })?;
    if commands.is_empty() {
        return Err(CommandError::Malformed { reason: "an empty list".into() });
    }
    Ok(commands)
}

/// Checks everything about the commands of the block at `height` that does not depend on the state.
///
/// # Errors
/// [`CommandError`]; the proposer is to blame.
pub fn check_commands(
    commands: &[Command],
    height: u64,
    allowed: bool,
) -> Result<(), CommandError> {
    if commands.is_empty() {
        return Ok(());
    }
    if !allowed {
        return Err(CommandError::Off);
    }
    size("commands", commands.len(), COMMANDS_MAX)?;
    size("bytes of commands", encode_commands(commands).len(), COMMANDS_BYTES_MAX)?;
    let mut seen = BTreeSet::new();
    for command in commands {
        command.action.check()?;
        command.check_height(height)?;
        let id = command.id();
        if !seen.insert(id) {
            return Err(CommandError::Repeated { id });
        }
    }
    Ok(())
}

fn size(what: &'static str, found: usize, limit: usize) -> Result<(), CommandError> {
    if found <= limit {
        return Ok(());
    }
    Err(CommandError::Limit { what, found: found as u64, limit: limit as u64 })
}

fn hash(domain: &[u8], bytes: &[u8]) -> B256 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(domain);
    hasher.update(bytes);
    B256::from(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(salt: u64, action: Action) -> Command {
        Command { salt, last_height: 20, action }
    }

    fn balance(salt: u64) -> Command {
        let address = Address::repeat_byte(1);
        command(salt, Action::SetBalance { address, balance: U256::from(7) })
    }

    #[test]
    fn a_command_decodes_to_what_was_encoded_and_to_nothing_when_cut() {
        let code = Action::SetCode { address: Address::repeat_byte(2), code: vec![1, 2, 3] };
        for command in [balance(1), command(2, code), command(3, Action::DropTransactions)] {
            let bytes = command.encode();
            assert!(Command::is_command(&bytes));
            assert_eq!(Command::decode(&bytes), Ok(command));
            for end in 0..bytes.len() {
                assert!(Command::decode(&bytes[..end]).is_err(), "cut at {end}");
            }
            assert!(Command::decode(&[bytes.as_slice(), &[0]].concat()).is_err(), "and one more");
        }
    }

    #[test]
    fn a_block_takes_each_command_once_in_its_time_and_only_where_cheats_are_on() {
        let commands = [balance(1), balance(2)];
        assert_eq!(check_commands(&commands, 10, true), Ok(()));
        assert_eq!(check_commands(&[], 10, false), Ok(()));
        assert_eq!(check_commands(&commands, 10, false), Err(CommandError::Off));
        let twice = [balance(1), balance(1)];
        assert!(matches!(check_commands(&twice, 10, true), Err(CommandError::Repeated { .. })));
        assert!(matches!(check_commands(&commands, 21, true), Err(CommandError::Range { .. })));
        let early = 20 - COMMAND_HEIGHTS_MAX.min(19);
        assert_eq!(check_commands(&commands, early, true), Ok(()));
        let far = [Command { last_height: 11 + COMMAND_HEIGHTS_MAX, ..balance(1) }];
        assert!(matches!(check_commands(&far, 10, true), Err(CommandError::Range { .. })));
        let many: Vec<Command> = (0..=COMMANDS_MAX as u64).map(balance).collect();
        assert!(matches!(check_commands(&many, 10, true), Err(CommandError::Limit { .. })));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let address = Address::ZERO;
        let clock = Clock { timestamp: COMMAND_TIMESTAMP_MAX + 1, now: 0 };
        for action in [
            Action::SetBalance { address, balance: COMMAND_SUPPLY_MAX + U256::from(1) },
            Action::SetNonce { address, nonce: u64::MAX },
            Action::Mine { blocks: 0, interval_s: 0, clock: None },
            Action::Mine { blocks: MINED_BLOCKS_MAX + 1, interval_s: 0, clock: None },
            Action::Mine { blocks: 1, interval_s: 0, clock: Some(clock) },
            Action::NextTimestamp { clock },
            Action::GasLimit { gas: COMMAND_GAS_LIMIT_MIN - 1 },
            Action::NextBaseFee { wei: COMMAND_BASE_FEE_MAX + 1 },
            Action::Interval { ms: COMMAND_INTERVAL_MS_MAX + 1 },
        ] {
            assert!(action.check().is_err(), "{action:?}");
            assert!(Command::decode(&command(0, action.clone()).encode()).is_err(), "{action:?}");
        }
    }

    #[test]
    fn the_root_names_order_and_content_and_is_zero_for_nothing() {
        assert_eq!(commands_root(&[]), B256::ZERO);
        let (one, two) = (balance(1), balance(2));
        let root = commands_root(&[one.clone(), two.clone()]);
        assert_ne!(root, B256::ZERO);
        assert_ne!(root, commands_root(&[two, one.clone()]));
        assert_ne!(root, commands_root(&[one]));
        let list = encode_commands(&[balance(1)]);
        assert_eq!(decode_commands(&list), Ok(vec![balance(1)]));
        assert!(decode_commands(&[0, 0, 0, 0]).is_err(), "an empty list is left out instead");
        assert!(matches!(decode_commands(&[255; 4]), Err(CommandError::Limit { .. })));
    }
}
