//! Transfers of value as logs, for `eth_simulateV1` with `traceTransfers`.

use alloy_primitives::{Address, B256, Log, LogData, U256, address, b256};
use revm::context_interface::{ContextTr, JournalTr};
use revm::inspector::Inspector;
use revm::interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter};

/// Who seems to log transfers (execution-apis, `eth_simulateV1`).
pub const TRANSFER_EMITTER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");

/// `Transfer(address,address,uint256)`.
const TRANSFER_TOPIC: B256 =
    b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

#[derive(Clone, Copy, Debug)]
struct Transfer {
    from: Address,
    to: Address,
    value: U256,
}

/// Logs every transfer of value where it happens, so that a revert takes its log back as well.
#[derive(Debug, Default)]
pub struct Transfers {
    /// Of the call that is about to begin. Its log must come after the checkpoint that a revert of the call goes back to,
    /// and before the logs that its code makes.
    beginning: Option<Transfer>,
    /// Of a self-destruction, whose hook sees no journal.
    ended: Option<Transfer>,
}

impl Transfers {
    fn begin(&mut self, from: Address, to: Address, value: U256) {
        self.beginning = (!value.is_zero()).then_some(Transfer { from, to, value });
    }

    /// What was to begin and ran no code, or was a self-destruction, has succeeded or not.
    fn end<C: ContextTr>(&mut self, context: &mut C, succeeded: bool) {
        for transfer in [self.beginning.take(), self.ended.take()].into_iter().flatten() {
            if succeeded {
                log(context, transfer);
            }
        }
    }
}

fn log<C: ContextTr>(context: &mut C, transfer: Transfer) {
    let topics = vec![TRANSFER_TOPIC, transfer.from.into_word(), transfer.to.into_word()];
    let data = transfer.value.to_be_bytes_vec().into();
    let data = LogData::new_unchecked(topics, data);
    context.journal_mut().log(Log { address: TRANSFER_EMITTER, data });
}

impl<C: ContextTr> Inspector<C> for Transfers {
    fn initialize_interp(&mut self, _: &mut Interpreter, context: &mut C) {
        if let Some(transfer) = self.beginning.take() {
            log(context, transfer);
        }
    }

    fn call(&mut self, _: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let value = inputs.transfer_value().unwrap_or_default();
        self.begin(inputs.transfer_from(), inputs.transfer_to(), value);
        None
    }

    fn call_end(&mut self, context: &mut C, _: &CallInputs, outcome: &mut CallOutcome) {
        self.end(context, outcome.result.is_ok());
    }

    fn create(&mut self, context: &mut C, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let caller = context.journal_mut().load_account(inputs.caller()).ok()?;
        let nonce = caller.data.info.nonce;
        self.begin(inputs.caller(), inputs.created_address(nonce), inputs.value());
        None
    }

    fn create_end(&mut self, context: &mut C, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.end(context, outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, from: Address, to: Address, value: U256) {
        if !value.is_zero() && from != to {
            self.ended = Some(Transfer { from, to, value });
        }
    }
}
