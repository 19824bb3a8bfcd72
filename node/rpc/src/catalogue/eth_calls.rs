//! `eth_*`: running, pricing and sending transactions.

use super::{BLOCK, Method, Parameter, optional, required};

const CALL: Parameter = required("transaction", "Call", "what to run");
const OVERRIDES: Parameter =
    optional("stateOverrides", "StateOverrides", "changes to the state before the call");
const ENVIRONMENT: Parameter =
    optional("blockOverrides", "BlockOverrides", "changes to the environment of the call");
const RAW: Parameter = required("transaction", "Data", "a signed transaction, encoded (EIP-2718)");

const SENDING: &[i32] = &[-32000, 1, 2, 800, 1000, 1001];

pub(super) const METHODS: &[Method] = &[
    Method::new("eth_call", "Runs a call on the state of a block and returns what it returns. Nothing is kept.")
        .takes(&[CALL, BLOCK, OVERRIDES, ENVIRONMENT])
        .gives("Data", "the output")
        .fails(&[-32000, -32001, 3, 4444])
        .limits("gas: `rpc.gas_cap`, 50,000,000 by default"),
    Method::new(
        "eth_estimateGas",
        "The least gas limit with which the call succeeds. Future nonces are no obstacle.",
    )
    .takes(&[CALL, BLOCK, OVERRIDES, ENVIRONMENT])
    .gives("Quantity", "gas")
    .fails(&[-32000, -32001, 3, 4444])
    .limits("gas: `rpc.gas_cap`, 50,000,000 by default"),
    Method::new("eth_gasPrice", "Base fee of the next block and the suggested tip together.")
        .gives("Quantity", "wei per gas"),
    Method::new("eth_maxPriorityFeePerGas", "A tip that was enough in recent blocks.")
        .gives("Quantity", "wei per gas"),
    Method::new("eth_baseFee", "Base fee of the next block.").gives("Quantity", "wei per gas"),
    Method::new("eth_blobBaseFee", "The least possible: there are no blob transactions on this chain.")
        .gives("Quantity", "wei per gas"),
    Method::new(
        "eth_feeHistory",
        "Base fees, fullness and paid tips of past blocks, and the base fee of the next one.",
    )
    .takes(&[
        required("blockCount", "Quantity", "how many blocks"),
        required("newestBlock", "BlockNumberOrTag", "the last of them"),
        optional("rewardPercentiles", "Number[]", "rising percentiles of the tips, weighted by gas"),
    ])
    .gives("Object", "`{oldestBlock, baseFeePerGas, gasUsedRatio, reward, …}`")
    .fails(&[-32001, 4444])
    .limits("1,024 blocks"),
    Method::new(
        "eth_sendRawTransaction",
        "Hands a signed transaction to the pool, which accepts or refuses it at once. One with a nonce gap is accepted and waits.",
    )
    .takes(&[RAW])
    .gives("Hash", "hash of the transaction")
    .fails(SENDING),
    Method::new(
        "eth_sendRawTransactionSync",
        "Like `eth_sendRawTransaction`, and waits for the receipt (EIP-7966).",
    )
    .takes(&[RAW, optional("timeout", "Quantity", "how long to wait, in ms; 2,000")])
    .gives("Receipt", "")
    .fails(&[-32000, 1, 2, 4, 5, 800, 1000, 1001])
    .limits("waits at most ten times the default"),
];
