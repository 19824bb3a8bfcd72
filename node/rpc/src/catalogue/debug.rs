//! `debug_*`: transactions run again with a tracer, and what is stored as it is stored.

use super::{Method, Parameter, optional, required};

const HASH: Parameter = required("hash", "Hash", "hash of the transaction");
const OPTIONS: Parameter = optional(
    "options",
    "Object",
    "geth's: `tracer` (callTracer, prestateTracer, 4byteTracer, flatCallTracer, muxTracer, noopTracer; struct logs without), `tracerConfig`, `timeout`, `disableStack`, `disableStorage`, `enableMemory`, `enableReturnData`, `limit`",
);
const CALL_OPTIONS: Parameter = optional(
    "options",
    "Object",
    "those of `debug_traceTransaction`, and `stateOverrides`, `blockOverrides`, `txIndex`",
);
const BLOCK_ID: Parameter = required("block", "BlockId", "which block");
/// Of what runs again.
const LIMITS: &str = "time and memory: `timeout` in the options, 5 s by default and 50 s at most; 128 MiB of what is recorded";

pub(super) const METHODS: &[Method] = &[
    Method::new(
        "debug_traceTransaction",
        "Runs an included transaction again, on the state that the block's access list gives it, and returns what the tracer saw.",
    )
    .takes(&[HASH, OPTIONS])
    .gives("Any", "the tracer's form")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "debug_traceBlockByNumber",
        "Runs a block again and returns what the tracer saw of each transaction.",
    )
    .takes(&[required("block", "BlockNumberOrTag", "which block"), OPTIONS])
    .gives("Object[]", "`{txHash, result}` in block order")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "debug_traceBlockByHash",
        "Runs a block again and returns what the tracer saw of each transaction.",
    )
    .takes(&[required("blockHash", "Hash", "which block"), OPTIONS])
    .gives("Object[]", "`{txHash, result}` in block order")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "debug_traceBlock",
        "Like `debug_traceBlockByHash`, for a block of this chain given as RLP.",
    )
    .takes(&[required("block", "Data", "the block, RLP"), OPTIONS])
    .gives("Object[]", "`{txHash, result}` in block order")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "debug_traceCall",
        "Runs a call on the state of a block and returns what the tracer saw.",
    )
    .takes(&[required("transaction", "Call", "what to run"), optional("block", "BlockId", "after which block; `latest`"), CALL_OPTIONS])
    .gives("Any", "the tracer's form")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "debug_traceCallMany",
        "Runs bundles of calls, each on the state that those before it left.",
    )
    .takes(&[required("bundles", "Object[]", "`{transactions, blockOverride}`"), optional("stateContext", "Object", "`{blockNumber, transactionIndex}`"), CALL_OPTIONS])
    .gives("Any", "a list for each bundle, with one result a call")
    .fails(&[-32000, -32001, 4444])
    .limits(LIMITS),
    Method::new(
        "debug_getRawHeader",
        "A header as it is hashed.",
    )
    .takes(&[BLOCK_ID])
    .gives("Data", "RLP")
    .fails(&[-32001, 4444]),
    Method::new(
        "debug_getRawBlock",
        "A block in the encoding of Ethereum.",
    )
    .takes(&[BLOCK_ID])
    .gives("Data", "RLP")
    .fails(&[-32001, 4444]),
    Method::new(
        "debug_getRawReceipts",
        "The receipts of a block.",
    )
    .takes(&[BLOCK_ID])
    .gives("Data[]", "each encoded (EIP-2718)")
    .fails(&[-32001, 4444]),
    Method::new(
        "debug_getRawTransaction",
        "A transaction as it was sent; of the pool too.",
    )
    .takes(&[HASH])
    .gives("Data", "encoded (EIP-2718); empty when it is not known"),
    Method::new(
        "debug_getRawBlockAccessList",
        "The access list of a block as the header commits to it (EIP-7928).",
    )
    .takes(&[BLOCK_ID])
    .gives("Data", "RLP")
    .fails(&[-32001, 4444]),
    Method::new(
        "debug_getBadBlocks",
        "Blocks that were refused: none is kept.",
    )
    .gives("Object[]", "always empty"),
];
