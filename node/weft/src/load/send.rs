//! Signing the transactions of a load, sending them over several connections, and waiting for them.

use super::LoadArgs;
use super::client::{Client, RpcFailure, batch_body};
use super::contracts::{Call, Contracts};
use super::report::Report;
use crate::accounts::FundedAccount;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use weft_types::Transaction;

/// Fee cap of every transaction, in wei; a chain under load may double its base fee a few times.
const MAX_FEE: u128 = 100_000_000_000;
/// Tip of every transaction, in wei.
const TIP: u128 = 1_000_000;
/// Gas for deploying one contract.
const CREATION_GAS: u64 = 8_000_000;
/// Between two looks at what has been included.
const POLL_EVERY: Duration = Duration::from_millis(10);
/// Without progress for so long the rest counts as lost.
const STALL_MAX: Duration = Duration::from_secs(30);

/// One request: its body, and how many transactions it carries.
type Batch = (hyper::body::Bytes, usize);

/// Who sends, and with which nonces.
pub(super) struct Plan {
    chain_id: u64,
    signers: Vec<PrivateKeySigner>,
    addresses: Vec<Address>,
    nonces: Vec<u64>,
}

impl Plan {
    pub(super) fn new(chain_id: u64, senders: Vec<FundedAccount>, nonces: Vec<u64>) -> Self {
        let addresses = senders.iter().map(|sender| sender.address).collect();
        let signers = senders
            .iter()
            .map(|sender| {
                PrivateKeySigner::from_bytes(&sender.secret).expect("derived from a mnemonic")
            })
            .collect();
        Self { chain_id, signers, addresses, nonces }
    }

    pub(super) fn senders(&self) -> &[Address] {
        &self.addresses
    }

    pub(super) fn next_nonce(&self, sender: usize) -> u64 {
        self.nonces[sender]
    }

    /// A signed creation by the first sender.
    pub(super) fn creation(&mut self, code: Bytes) -> Bytes {
        let nonce = self.nonces[0];
        self.nonces[0] += 1;
        let transaction = TxEip1559 {
            gas_limit: CREATION_GAS,
            to: TxKind::Create,
            input: code,
            ..self.fees(nonce)
        };
        sign(&self.signers[0], transaction)
    }

    fn fees(&self, nonce: u64) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: TIP,
            ..TxEip1559::default()
        }
    }

    /// All transactions as bodies of requests, for each connection in the order of sending. A sender
    /// belongs to one connection, so its nonces arrive in order.
    pub(super) fn sign(&mut self, args: &LoadArgs, contracts: &Contracts) -> Vec<Vec<Batch>> {
        let (count, senders) = (u64::from(args.transactions), self.signers.len() as u64);
        let raw: Vec<Bytes> = (0..count)
            .into_par_iter()
            .map(|n| {
                let sender = (n % senders) as usize;
                let Call { to, value, input, gas_limit } =
                    contracts.call(args.mix.kind(n / senders), n, sender, self.addresses[sender]);
                let nonce = self.nonces[sender] + n / senders;
                let to = TxKind::Call(to);
                let transaction = TxEip1559 { to, value, input, gas_limit, ..self.fees(nonce) };
                sign(&self.signers[sender], transaction)
            })
            .collect();
        let connections = args.connections.min(args.senders) as usize;
        let mut queues: Vec<Vec<Bytes>> = vec![Vec::new(); connections];
        for (n, raw) in raw.into_iter().enumerate() {
            queues[(n % self.signers.len()) % connections].push(raw);
        }
        for (sender, nonce) in self.nonces.iter_mut().enumerate() {
            *nonce += (count + senders - 1 - sender as u64) / senders;
        }
        let cut = |queue: Vec<Bytes>| {
            queue.chunks(args.batch as usize).map(|raw| (batch_body(raw), raw.len())).collect()
        };
        queues.into_par_iter().map(cut).collect()
    }
}

fn sign(signer: &PrivateKeySigner, transaction: TxEip1559) -> Bytes {
    let signature = signer
        .sign_hash_sync(&transaction.signature_hash())
        .expect("a local key can sign any hash");
    let signed: Transaction = transaction.into_signed(signature).into();
    signed.encoded_2718().into()
}

/// What one connection saw.
#[derive(Default)]
struct Outcome {
    accepted: usize,
    refused: BTreeMap<String, usize>,
}

/// Sends everything and waits until it is included.
pub(super) async fn all(
    args: &LoadArgs,
    plan: &Plan,
    queues: Vec<Vec<Batch>>,
    client: &mut Client,
) -> Result<Report, RpcFailure> {
    let mut clients = Vec::new();
    for at in 0..queues.len() {
        clients.push(Client::connect(&args.rpc[at % args.rpc.len()]).await?);
    }
    let share = queues.len() as f64;
    let pause = args
        .rate
        .map(|rate| Duration::from_secs_f64(f64::from(args.batch) * share / f64::from(rate)));
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (client, queue) in clients.into_iter().zip(queues) {
        tasks.spawn(connection(client, queue, pause));
    }
    let mut report = Report::new(args);
    while let Some(outcome) = tasks.join_next().await {
        let outcome = outcome.expect("sending does not panic")?;
        report.accepted += outcome.accepted;
        for (reason, count) in outcome.refused {
            *report.reasons.entry(reason).or_default() += count;
        }
    }
    report.accepted_after = started.elapsed();
    report.included = wait(args, plan, client, report.refused()).await?;
    report.included_after = started.elapsed();
    Ok(report)
}

async fn connection(
    mut client: Client,
    queue: Vec<Batch>,
    pause: Option<Duration>,
) -> Result<Outcome, RpcFailure> {
    let mut outcome = Outcome::default();
    let mut clock = pause.map(tokio::time::interval);
    for (body, count) in queue {
        if let Some(clock) = &mut clock {
            clock.tick().await;
        }
        let answer = client.post(body).await?;
        let answers = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let accepted = answers.iter().filter(|one| one["result"].is_string()).count();
        outcome.accepted += accepted;
        for one in answers.iter().filter(|one| !one["result"].is_string()) {
            *outcome.refused.entry(reason(one)).or_default() += 1;
        }
        if answers.len() < count {
            *outcome.refused.entry(reason(&answer)).or_default() += count - answers.len();
        }
    }
    Ok(outcome)
}

fn reason(answer: &Value) -> String {
    answer["error"]["message"].as_str().unwrap_or("no answer").chars().take(160).collect()
}

/// Waits until every accepted transaction is included; returns how many are.
async fn wait(
    args: &LoadArgs,
    plan: &Plan,
    client: &mut Client,
    refused: usize,
) -> Result<usize, RpcFailure> {
    let total = args.transactions as usize;
    let (mut most, mut since) = (0, Instant::now());
    loop {
        if args.mine {
            client.call("evm_mine", &json!([])).await?;
        }
        let nonces = client.nonces(&plan.addresses, "latest").await?;
        let missing: u64 =
            plan.nonces.iter().zip(&nonces).map(|(end, now)| end.saturating_sub(*now)).sum();
        let included = total.saturating_sub(missing as usize);
        if included + refused >= total {
            return Ok(included);
        }
        if included > most {
            (most, since) = (included, Instant::now());
        } else if since.elapsed() > STALL_MAX {
            return Ok(included);
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}
