//! The types of parameters and results, as JSON Schema.

/// A named type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) text: &'static str,
    /// JSON Schema, as text.
    pub(crate) schema: &'static str,
}

const fn kind(name: &'static str, text: &'static str, schema: &'static str) -> Type {
    Type { name, text, schema }
}

const OBJECT: &str = r#"{"type":"object"}"#;
const OBJECT_OR_NULL: &str = r#"{"type":["object","null"]}"#;

/// Every type that a description may name.
pub(crate) const TYPES: &[Type] = &[
    kind("Any", "Any JSON value.", "{}"),
    kind("Boolean", "`true` or `false`.", r#"{"type":"boolean"}"#),
    kind("Text", "A string.", r#"{"type":"string"}"#),
    kind("Number", "A JSON number.", r#"{"type":"number"}"#),
    kind("Address", "20 bytes in hex.", r#"{"type":"string","pattern":"^0x[0-9a-fA-F]{40}$"}"#),
    kind("Hash", "32 bytes in hex.", r#"{"type":"string","pattern":"^0x[0-9a-fA-F]{64}$"}"#),
    kind(
        "Data",
        "Bytes in hex, two digits each.",
        r#"{"type":"string","pattern":"^0x([0-9a-fA-F]{2})*$"}"#,
    ),
    kind(
        "Quantity",
        "A number in hex without leading zeros; as a parameter also a decimal string or a JSON number.",
        r#"{"type":"string","pattern":"^0x(0|[1-9a-f][0-9a-f]*)$"}"#,
    ),
    kind(
        "Slot",
        "A storage slot: up to 32 bytes in hex.",
        r#"{"type":"string","pattern":"^0x[0-9a-fA-F]{1,64}$"}"#,
    ),
    kind(
        "BlockNumberOrTag",
        "A block number, or `latest`, `safe`, `finalized` (all three are the newest block), `earliest` (genesis) or `pending` (state of the newest block in the environment of the next).",
        r#"{"type":"string"}"#,
    ),
    kind(
        "BlockId",
        "A block number or tag, a block hash, or an object `{blockNumber}` or `{blockHash}` (EIP-1898).",
        r#"{"oneOf":[{"type":"string"},{"type":"object"}]}"#,
    ),
    kind(
        "Call",
        "A transaction to try: `from`, `to`, `gas`, `gasPrice`, `maxFeePerGas`, `maxPriorityFeePerGas`, `value`, `input` or `data`, `nonce`, `accessList`, `authorizationList`.",
        OBJECT,
    ),
    kind(
        "StateOverrides",
        "By address: `balance`, `nonce`, `code`, and `state` (all slots) or `stateDiff` (single slots).",
        OBJECT,
    ),
    kind(
        "BlockOverrides",
        "Fields of the block's environment: `number`, `time`, `gasLimit`, `feeRecipient`, `prevRandao`, `baseFeePerGas`, `blobBaseFee`.",
        OBJECT,
    ),
    kind(
        "LogFilter",
        "`fromBlock` and `toBlock` or `blockHash`; `address`: one or a list; `topics`: by position `null`, one, or a list.",
        OBJECT,
    ),
    kind("Log", "A log with its place in the chain; `removed` is always `false`.", OBJECT),
    kind("Block", "A block, or `null` when it does not exist.", OBJECT_OR_NULL),
    kind("Header", "A header, or `null` when it does not exist.", OBJECT_OR_NULL),
    kind("Transaction", "A transaction, or `null` when it does not exist.", OBJECT_OR_NULL),
    kind("Receipt", "A receipt, or `null` when the transaction is not included.", OBJECT_OR_NULL),
    kind("Object", "An object; see the text.", OBJECT),
    kind("ObjectOrNull", "An object, or `null`; see the text.", OBJECT_OR_NULL),
    kind("FilterId", "The id that a filter was created with.", r#"{"type":"string"}"#),
    kind("SubscriptionId", "The id that a subscription was created with.", r#"{"type":"string"}"#),
];
