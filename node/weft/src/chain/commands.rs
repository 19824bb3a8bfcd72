//! What commands of a development chain mean for building, judging and committing blocks. On any other chain every one of
//! these does nothing, or refuses.

use super::{Chain, PrepareError, invalid};
use std::sync::Arc;
use weft_store::Head;
use weft_types::block::BlockBody;
use weft_types::command::{COMMAND_HEIGHTS_MAX, check_commands};
use weft_types::impersonation::impersonated_sender;
use weft_types::{
    Address, Command, Header, Height, RecoveredTransaction, Settings, StateError, Transaction,
};

impl Chain {
    /// The settings that the block after `head` is judged by.
    ///
    /// # Errors
    /// [`PrepareError::Operational`] when state cannot be read.
    pub fn settings(&self, head: &Head) -> Result<Settings, PrepareError> {
        Settings::read(&self.params, &*head.state).map_err(unreadable)
    }

    /// Whether commands wait for a block.
    #[must_use]
    pub fn has_commands(&self) -> bool {
        self.params.devnet_cheats && !self.pool.commands().is_empty()
    }

    /// The commands to put into the block at `height`.
    pub(super) fn commands(&self, height: Height) -> Vec<Command> {
        if self.params.devnet_cheats { self.pool.commands().best(height.0) } else { Vec::new() }
    }

    /// The transactions to try: none where blocks with transactions are made by hand, and none of a sender that is not
    /// impersonated any more.
    pub(super) fn candidates(
        &self,
        head: &Head,
        settings: &Settings,
        commands: &[Command],
        environment: &Header,
    ) -> Result<Vec<Arc<RecoveredTransaction>>, PrepareError> {
        if !settings.takes_transactions(environment.number, commands) {
            return Ok(Vec::new());
        }
        let base_fee = environment.base_fee_per_gas.unwrap_or_default();
        let best = self.pool.best(base_fee, environment.gas_limit);
        if !self.params.devnet_cheats {
            return Ok(best);
        }
        let (mut candidates, mut dropped) = (Vec::with_capacity(best.len()), Vec::new());
        for transaction in best {
            match self.impersonated(transaction.inner(), (head, settings)) {
                Ok(_) => candidates.push(transaction),
                Err(PrepareError::Invalid { reason }) => {
                    dropped.push((*transaction.tx_hash(), reason));
                }
                Err(error) => return Err(error),
            }
        }
        if !dropped.is_empty() {
            self.pool.drop_invalid(&dropped);
        }
        Ok(candidates)
    }

    /// Judges the commands of a block, without executing them, and whether it may have transactions.
    pub(super) fn check_commands(
        &self,
        settings: &Settings,
        header: &Header,
        body: &BlockBody,
    ) -> Result<(), PrepareError> {
        check_commands(&body.commands, header.number, self.params.devnet_cheats)
            .map_err(invalid)?;
        let count = body.transactions.len();
        if count > 0 && !settings.takes_transactions(header.number, &body.commands) {
            let reason = format!(
                "automine is off: expected no transactions in a block that nobody asked for, found {count}"
            );
            return Err(PrepareError::Invalid { reason });
        }
        Ok(())
    }

    /// The sender that a transaction names in place of a signature; `None` for one that is signed.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`] when that sender is not impersonated.
    pub(super) fn impersonated(
        &self,
        transaction: &Transaction,
        (head, settings): (&Head, &Settings),
    ) -> Result<Option<Address>, PrepareError> {
        let sender = impersonated_sender(transaction).filter(|_| self.params.devnet_cheats);
        let Some(sender) = sender else { return Ok(None) };
        if settings.impersonates(sender, &*head.state).map_err(unreadable)? {
            return Ok(Some(sender));
        }
        Err(PrepareError::Invalid {
            reason: format!("transaction without a signature: {sender} is not impersonated"),
        })
    }

    /// Tells the pool what the commands of the block that has just become `head` ask of it.
    pub(super) fn obey(&self, head: &Head, commands: &[Command]) {
        if !self.params.devnet_cheats {
            return;
        }
        let base_fee = match self.settings(head) {
            Ok(settings) => settings.base_fee,
            // The pool then orders by the ordinary base fee: nothing depends on it.
            Err(error) => {
                tracing::warn!(%error, "the settings of the chain cannot be read");
                None
            }
        };
        self.pool.commands().on_block(commands, head.block.height().0, base_fee);
        self.pool.obey(commands);
    }

    /// After a start: the commands of the last blocks must not be taken again.
    pub fn recall_commands(&self) {
        if !self.params.devnet_cheats {
            return;
        }
        let head = self.store.head();
        let height = head.block.height().0;
        for number in height.saturating_sub(COMMAND_HEIGHTS_MAX)..=height {
            // What was pruned or never stored here cannot come back by this node's own gossip.
            if let Ok(Some(stored)) = self.store.block(number) {
                self.pool.commands().on_block(stored.block.commands(), number, None);
            }
        }
        self.obey(&head, &[]);
    }
}

fn unreadable(error: StateError) -> PrepareError {
    PrepareError::Operational { reason: error.to_string() }
}
