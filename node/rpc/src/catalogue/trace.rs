//! `trace_*`: call traces in Parity's form.

use super::{Method, Parameter, optional, required};

const HASH: Parameter = required("hash", "Hash", "hash of the transaction");
const KINDS: Parameter = required("traceTypes", "Text[]", "of `trace`, `vmTrace`, `stateDiff`");
const BLOCK_ID: Parameter = required("block", "BlockId", "which block");
const AT: Parameter = optional("block", "BlockId", "after which block; `latest`");
/// Of what runs again.
const LIMITS: &str = "5 s and 128 MiB of what is recorded";

pub(super) const METHODS: &[Method] = &[
    Method::new("trace_block", "Call traces of every transaction of a block.")
        .takes(&[BLOCK_ID])
        .gives("Any", "a list of traces, or `null` when the block does not exist")
        .fails(&[-32000, -32001, 4444])
        .limits(LIMITS),
    Method::new("trace_transaction", "Call traces of an included transaction.")
        .takes(&[HASH])
        .gives("Any", "a list of traces, or `null` when it is not included")
        .fails(&[-32000, -32001, 4444])
        .limits(LIMITS),
    Method::new(
        "trace_get",
        "One trace of an included transaction, by its place in the tree of calls.",
    )
    .takes(&[HASH, required("indices", "Quantity[]", "the `traceAddress`")])
    .gives("ObjectOrNull", "a trace")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "trace_filter",
        "Call traces of a range of blocks, by sender and receiver of the call.",
    )
    .takes(&[required(
        "filter",
        "Object",
        "`{fromBlock, toBlock, fromAddress, toAddress, mode, after, count}`",
    )])
    .gives("Object[]", "traces")
    .fails(&[-32000, -32001, 4444])
    .limits("1,000 blocks; an index of addresses skips those without a match"),
    Method::new("trace_call", "Runs a call and returns its traces.")
        .takes(&[
            required("transaction", "Call", "what to run"),
            KINDS,
            AT,
            optional("stateOverrides", "StateOverrides", "changes to the state before the call"),
            optional("blockOverrides", "BlockOverrides", "changes to the environment of the call"),
        ])
        .gives("Object", "`{output, trace, vmTrace, stateDiff}`")
        .fails(&[-32000, -32001, 4444])
        .limits(LIMITS),
    Method::new(
        "trace_callMany",
        "Runs calls one after the other, each on what the one before it left.",
    )
    .takes(&[required("calls", "Any[]", "pairs of a call and its trace types"), AT])
    .gives("Object[]", "as of `trace_call`")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "trace_rawTransaction",
        "Runs a signed transaction without sending it, and returns its traces.",
    )
    .takes(&[required("data", "Data", "a signed transaction, encoded (EIP-2718)"), KINDS, AT])
    .gives("Object", "as of `trace_call`")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "trace_replayTransaction",
        "Runs an included transaction again and returns its traces.",
    )
    .takes(&[HASH, KINDS])
    .gives("Object", "as of `trace_call`")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "trace_replayBlockTransactions",
        "Runs a block again and returns the traces of each transaction.",
    )
    .takes(&[BLOCK_ID, KINDS])
    .gives(
        "Any",
        "a list as of `trace_call` with `transactionHash`, or `null` when the block does not exist",
    )
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
];
