//! Commands of a development chain that wait for a block, beside the transactions.
//!
//! A command is held until a block has it or until no block may have it any more. Those that a block had are remembered
//! just as long: gossip may bring them again.

use crate::Pool;
use alloy_primitives::B256;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use weft_types::command::{COMMANDS_BYTES_MAX, COMMANDS_MAX, Command, CommandError};
use weft_types::header::next_base_fee;
use weft_types::{Action, Header};

/// Most commands that wait.
const WAITING_MAX: usize = 4096;
/// Most bytes of all that wait.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// See the module. Thread-safe; one lock, held for memory operations only.
#[derive(Debug, Default)]
pub struct Commands {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By arrival: encoded size and command.
    waiting: BTreeMap<u64, (usize, B256, Command)>,
    known: HashSet<B256>,
    bytes: usize,
    sequence: u64,
    /// Those that a block had, with their last height.
    included: HashMap<B256, u64>,
    /// Height and base fee, in wei, of a block whose base fee a command has set.
    base_fee: Option<(u64, u64)>,
}

impl Commands {
    /// Takes a command for the block at `height` or a later one; false when it is known already.
    ///
    /// # Errors
    /// [`CommandError`] for one that no such block may hold, or when there is no room.
    pub fn admit(&self, command: Command, height: u64) -> Result<bool, CommandError> {
        command.action.check()?;
        command.check_height(height)?;
        let (id, size) = (command.id(), command.encode().len());
        let mut inner = self.inner.lock();
        if inner.known.contains(&id) || inner.included.contains_key(&id) {
            return Ok(false);
        }
        let full = |what, found: usize, limit: usize| {
            Err(CommandError::Limit { what, found: found as u64, limit: limit as u64 })
        };
        if inner.waiting.len() >= WAITING_MAX {
            return full("waiting commands", inner.waiting.len() + 1, WAITING_MAX);
        }
        if inner.bytes + size > WAITING_BYTES_MAX {
            return full("bytes of waiting commands", inner.bytes + size, WAITING_BYTES_MAX);
        }
        inner.sequence += 1;
        let sequence = inner.sequence;
        inner.bytes += size;
        inner.known.insert(id);
        inner.waiting.insert(sequence, (size, id, command));
        Ok(true)
    }

    /// The commands for the block at `height`, in the order of their arrival.
    #[must_use]
    pub fn best(&self, height: u64) -> Vec<Command> {
        let inner = self.inner.lock();
        // Besides the commands there is their count.
        let mut room = COMMANDS_BYTES_MAX - 64;
        let fits = inner.waiting.values().filter(|(_, _, c)| c.check_height(height).is_ok());
        fits.take(COMMANDS_MAX)
            .take_while(|(size, ..)| {
                let fits = *size <= room;
                room = room.saturating_sub(*size);
                fits
            })
            .map(|(.., command)| command.clone())
            .collect()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.lock().waiting.is_empty()
    }

    /// Moves on to a new head with the commands of its block: they are done, and those of no later block are given up.
    /// `base_fee` is the height and base fee of a block whose base fee is set.
    pub fn on_block(&self, done: &[Command], height: u64, base_fee: Option<(u64, u64)>) {
        let mut inner = self.inner.lock();
        inner.base_fee = base_fee;
        for command in done {
            inner.included.insert(command.id(), command.last_height);
        }
        inner.included.retain(|_, last| *last > height);
        let Inner { waiting, known, bytes, included, .. } = &mut *inner;
        waiting.retain(|_, (size, id, command)| {
            let keep = !included.contains_key(id) && command.last_height > height;
            if !keep {
                *bytes -= *size;
                known.remove(id);
            }
            keep
        });
        // One whose last height this was is not remembered above, and must not stay.
        let done: HashSet<B256> = done.iter().map(Command::id).collect();
        inner.waiting.retain(|_, (_, id, _)| !done.contains(id));
    }

    /// Base fee of the block after `head`, in wei.
    #[must_use]
    pub fn next_base_fee(&self, head: &Header) -> u64 {
        let set = self.inner.lock().base_fee;
        set.filter(|(height, _)| *height == head.number + 1)
            .map_or_else(|| next_base_fee(head), |(_, wei)| wei)
    }
}

impl Pool {
    /// Does what the commands of a committed block ask of the pool.
    pub fn obey(&self, done: &[Command]) {
        for command in done {
            match command.action {
                Action::DropTransaction { hash } => {
                    self.inner.lock().drop_with(&hash, "dropped by anvil_dropTransaction");
                }
                Action::DropTransactions => {
                    let mut inner = self.inner.lock();
                    let all: Vec<B256> = inner.by_hash.keys().copied().collect();
                    for hash in all {
                        inner.drop_with(&hash, "dropped by anvil_dropAllTransactions");
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(salt: u64, last_height: u64) -> Command {
        Command { salt, last_height, action: Action::DropTransactions }
    }

    #[test]
    fn a_command_is_held_once_in_order_until_a_block_has_it() {
        let commands = Commands::default();
        let (one, two) = (command(1, 50), command(2, 50));
        assert_eq!(commands.admit(one.clone(), 10), Ok(true));
        assert_eq!(commands.admit(two.clone(), 10), Ok(true));
        assert_eq!(commands.admit(one.clone(), 10), Ok(false));
        assert_eq!(commands.best(10), [one.clone(), two.clone()]);
        commands.on_block(std::slice::from_ref(&one), 10, None);
        assert_eq!(commands.best(11), [two]);
        assert_eq!(commands.admit(one, 11), Ok(false), "a block had it");
    }

    #[test]
    fn one_that_no_block_may_hold_any_more_is_given_up() {
        let commands = Commands::default();
        assert_eq!(commands.admit(command(1, 12), 10), Ok(true));
        commands.on_block(&[], 11, None);
        assert_eq!(commands.best(12).len(), 1);
        commands.on_block(&[], 12, None);
        assert!(commands.is_empty());
        assert!(commands.admit(command(1, 12), 13).is_err());
    }

    #[test]
    fn a_block_gets_no_more_than_it_may_hold() {
        let commands = Commands::default();
        for salt in 0..COMMANDS_MAX as u64 + 5 {
            assert_eq!(commands.admit(command(salt, 50), 10), Ok(true));
        }
        assert_eq!(commands.best(10).len(), COMMANDS_MAX);
        let large = Commands::default();
        let code = vec![0; 120 * 1024];
        for salt in 0..30 {
            let action = Action::SetCode { address: Default::default(), code: code.clone() };
            assert_eq!(large.admit(Command { salt, last_height: 50, action }, 10), Ok(true));
        }
        let best = large.best(10);
        assert!((10..20).contains(&best.len()), "{}", best.len());
        assert_eq!(weft_types::command::check_commands(&best, 10, true), Ok(()));
    }

    #[test]
    fn a_base_fee_that_is_set_holds_for_one_block() {
        let commands = Commands::default();
        let head = |number| Header {
            number,
            gas_limit: 1000,
            gas_used: 500,
            base_fee_per_gas: Some(7),
            ..Header::default()
        };
        commands.on_block(&[], 4, Some((5, 0)));
        assert_eq!((commands.next_base_fee(&head(4)), commands.next_base_fee(&head(5))), (0, 7));
    }
}
