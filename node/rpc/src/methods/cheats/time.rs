//! Time, blocks and what they are made with.

use super::{Wish, refused, settings};
use crate::context::{Context, now_seconds};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use serde::Deserialize;
use serde_json::json;
use weft_types::Action;
use weft_types::command::Clock;

/// A time that is not before the head's, read beside this node's clock.
fn clock(context: &Context, timestamp: u64) -> Result<Clock, Failure> {
    let before = context.backend.store.head().block.header().timestamp;
    if timestamp < before {
        return refused(format!(
            "Timestamp error: {timestamp} is lower than previous block's timestamp {before}"
        ));
    }
    Ok(Clock { timestamp, now: now_seconds() })
}

/// Callers write milliseconds where seconds are meant: what is too late for any chain is read as such.
fn seconds(Quantity(time): Quantity) -> u64 {
    if time > weft_types::command::COMMAND_TIMESTAMP_MAX { time / 1000 } else { time }
}

fn count(Quantity(blocks): Quantity) -> u32 {
    u32::try_from(blocks).unwrap_or(u32::MAX)
}

/// `[blocks, seconds between them]`
pub(super) fn mine(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let blocks = args.optional("blocks")?.map_or(1, count);
    let interval_s = args.optional::<Quantity>("interval")?.map_or(0, |interval| interval.0);
    Wish::of(Action::Mine { blocks, interval_s, clock: None })
}

/// What `evm_mine` takes: nothing, a timestamp, or both of these.
#[derive(Deserialize)]
#[serde(untagged)]
enum MineOptions {
    Options { timestamp: Option<Quantity>, blocks: Option<Quantity> },
    Timestamp(Option<Quantity>),
}

pub(super) fn mine_one(context: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let (timestamp, blocks) = match args.optional("options")? {
        None => (None, None),
        Some(MineOptions::Options { timestamp, blocks }) => (timestamp, blocks),
        Some(MineOptions::Timestamp(timestamp)) => (timestamp, None),
    };
    let clock = timestamp.map(|time| clock(context, seconds(time))).transpose()?;
    let blocks = blocks.map_or(1, count);
    Ok(Wish::of(Action::Mine { blocks, interval_s: 0, clock })?.answering("0x0"))
}

/// Answers by how much this chain's clock is then ahead, in seconds.
fn offset(wish: Wish) -> Wish {
    wish.finding(|context| Ok(json!(settings(context)?.offset_s)))
}

pub(super) fn increase(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let Quantity(seconds) = args.required("seconds")?;
    Ok(offset(Wish::of(Action::IncreaseTime { seconds })?))
}

pub(super) fn set_next(context: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let clock = clock(context, seconds(args.required("timestamp")?))?;
    Wish::of(Action::NextTimestamp { clock })
}

pub(super) fn set(context: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let clock = clock(context, seconds(args.required("timestamp")?))?;
    Ok(offset(Wish::of(Action::SetTime { clock })?))
}

pub(super) fn set_base_fee(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let Quantity(wei) = args.required("baseFee")?;
    Wish::of(Action::NextBaseFee { wei })
}

pub(super) fn set_gas_limit(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let Quantity(gas) = args.required("gasLimit")?;
    Ok(Wish::of(Action::GasLimit { gas })?.answering(true))
}

pub(super) fn set_coinbase(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    Wish::of(Action::Coinbase { address: Some(args.required("address")?) })
}

/// Off, blocks are made by `evm_mine` alone, as in anvil: until `evm_setIntervalMining` says otherwise.
pub(super) fn set_automine(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let on = args.required("enabled")?;
    let mut wish = Wish::of(Action::Automine { on })?;
    if !on {
        wish.actions.push(Action::Interval { ms: 0 });
    }
    Ok(wish)
}

/// In seconds, as in anvil; 0 makes no blocks without a reason.
pub(super) fn set_interval(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let Quantity(seconds) = args.required("interval")?;
    Wish::of(Action::Interval { ms: seconds.saturating_mul(1000) })
}
