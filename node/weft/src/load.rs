//! `weft load`: signed traffic for any Ethereum JSON-RPC server, and how fast it was included.

pub(crate) mod client;
mod contracts;
mod cpu;
mod mix;
mod report;
mod send;

use crate::failure::{ExitStatus, Failure};
use crate::{accounts, node, say};
use alloy_primitives::{Address, U256};
use clap::Args;
use client::{Client, RpcFailure};
use contracts::Contracts;
use mix::Mix;
use report::Report;
use send::Plan;

/// Flags of `weft load`.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Server to send to; several take turns, connection by connection
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8545"
    )]
    pub rpc: Vec<String>,
    /// Transactions to send
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub transactions: u32,
    /// What they do, with weights: transfer, erc20, swap, mint, deposit
    #[arg(long, value_name = "KIND=WEIGHT,…", default_value = "transfer=1", value_parser = Mix::parse)]
    pub mix: Mix,
    /// Share of them that meet at one place: one recipient, one pool, one counter
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = share)]
    pub conflict: f64,
    /// Funded accounts of the mnemonic that send in turn
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub senders: u32,
    /// Connections that send at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub connections: u32,
    /// Transactions in one request
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub batch: u32,
    /// Transactions a second; without it as fast as the server takes them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Mnemonic of the senders
    #[arg(long, default_value = accounts::TEST_MNEMONIC)]
    pub mnemonic: String,
    /// Process of the server on this machine, to report its CPU time
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Call `evm_mine` until everything is included, for servers that do not make blocks by themselves
    #[arg(long)]
    pub mine: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] when the server cannot be reached, refuses transactions, or does not include them.
pub fn run(args: &LoadArgs) -> Result<(), Failure> {
    let report = node::runtime()?.block_on(load(args))?;
    let refused = report.refused();
    say(&if args.json { report.json() } else { report.text() })?;
    if refused == 0 {
        return Ok(());
    }
    Err(Failure::new(ExitStatus::Mismatch, format!("{refused} transactions were refused"))
        .fix("see the reasons above; the senders need funds, and nobody else may send from them"))
}

async fn load(args: &LoadArgs) -> Result<Report, Failure> {
    let mut client = Client::connect(&args.rpc[0]).await.map_err(unreachable)?;
    let senders = accounts::derive(&args.mnemonic, args.senders)?;
    let addresses: Vec<Address> = senders.iter().map(|sender| sender.address).collect();
    let chain_id =
        client.quantity("eth_chainId", &serde_json::json!([])).await.map_err(unreachable)?;
    let first = client.nonces(&addresses, "pending").await.map_err(unreachable)?;
    let poor = client.balances(&addresses).await.map_err(unreachable)?;
    if let Some(at) = poor.iter().position(|balance| *balance < U256::from(10).pow(U256::from(17)))
    {
        return Err(Failure::new(ExitStatus::Config, "a sender has less than 0.1 ether")
            .fact("account", addresses[at])
            .fact("balance", format!("{} wei", poor[at]))
            .fix("fund it, send from fewer accounts (--senders), or name another --mnemonic"));
    }
    let mut plan = Plan::new(chain_id, senders, first);
    let contracts =
        Contracts::deploy(&args.mix, args.conflict, &mut plan, &mut client, args.mine).await?;
    let batches = plan.sign(args, &contracts);
    let before = (client.height().await.map_err(unreachable)?, cpu::of(args.pid));
    let mut report = send::all(args, &plan, batches, &mut client).await.map_err(unreachable)?;
    report.blocks = client.height().await.map_err(unreachable)?.saturating_sub(before.0);
    report.cpu =
        cpu::of(args.pid).zip(before.1).map(|(after, before)| after.saturating_sub(before));
    Ok(report)
}

fn unreachable(error: RpcFailure) -> Failure {
    Failure::new(ExitStatus::Unexpected, "the load was not carried out")
        .fact("cause", error)
        .fix("is the server there? weft devnet starts one; --rpc names another")
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 =
        text.parse().map_err(|_| format!("expected a number from 0 to 1, found {text:?}"))?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(format!("expected 0 to 1, found {share}"))
    }
}
