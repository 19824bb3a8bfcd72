//! `ots_*` and `erigon_*`: what the block explorer Otterscan asks for (level 8).

use super::{BLOCK, Method, Parameter, required};

const HASH: Parameter = required("hash", "Hash", "hash of the transaction");
const ADDRESS: Parameter = required("address", "Address", "which account");
const NUMBER: Parameter = required("block", "BlockNumberOrTag", "which block");

pub(super) const METHODS: &[Method] = &[
    Method::new(
        "ots_getApiLevel",
        "The level of this interface: 8.",
    )
    .gives("Number", ""),
    Method::new(
        "erigon_getHeaderByNumber",
        "A header by number.",
    )
    .takes(&[NUMBER])
    .gives("Header", "")
    .fails(&[-32001, 4444]),
    Method::new(
        "ots_hasCode",
        "Whether an account has code.",
    )
    .takes(&[ADDRESS, BLOCK])
    .gives("Boolean", "")
    .fails(&[-32001, 4444]),
    Method::new(
        "ots_getBlockDetails",
        "A block without its transactions and bloom, with its issuance and fees.",
    )
    .takes(&[NUMBER])
    .gives("ObjectOrNull", "`{block, issuance, totalFees}`")
    .fails(&[-32001, 4444]),
    Method::new(
        "ots_getBlockDetailsByHash",
        "A block without its transactions and bloom, with its issuance and fees.",
    )
    .takes(&[required("blockHash", "Hash", "which block")])
    .gives("ObjectOrNull", "`{block, issuance, totalFees}`")
    .fails(&[-32001, 4444]),
    Method::new(
        "ots_getBlockTransactions",
        "A page of a block's transactions with their receipts; page 0 has the last ones.",
    )
    .takes(&[NUMBER, required("page", "Quantity", "which page, from 0"), required("pageSize", "Quantity", "transactions of a page")])
    .gives("ObjectOrNull", "`{fullblock, receipts}`")
    .fails(&[-32001, 4444]),
    Method::new(
        "ots_getInternalOperations",
        "Transfers, creations and self-destructions within a transaction.",
    )
    .takes(&[HASH])
    .gives("Object[]", "`{type, from, to, value}`")
    .fails(&[-32000, -32001, 4444]),
    Method::new(
        "ots_traceTransaction",
        "The tree of a transaction's calls, as a list with depths.",
    )
    .takes(&[HASH])
    .gives("Object[]", "`{type, depth, from, to, value, input, output}`")
    .fails(&[-32000, -32001, 4444]),
    Method::new(
        "ots_getTransactionError",
        "What a failed transaction returned.",
    )
    .takes(&[HASH])
    .gives("Data", "`0x` when it succeeded or returned nothing")
    .fails(&[-32000, -32001, 4444]),
    Method::new(
        "ots_searchTransactionsBefore",
        "Transactions that touched an account, the newest first, below a block.",
    )
    .takes(&[ADDRESS, required("block", "Quantity", "below which block; 0 for the head"), required("pageSize", "Quantity", "about how many; a block is never split")])
    .gives("Object", "`{txs, receipts, firstPage, lastPage}`")
    .fails(&[-32001, 4444]),
    Method::new(
        "ots_searchTransactionsAfter",
        "Transactions that touched an account, the newest first, of the blocks right above a block.",
    )
    .takes(&[ADDRESS, required("block", "Quantity", "above which block"), required("pageSize", "Quantity", "about how many; a block is never split")])
    .gives("Object", "`{txs, receipts, firstPage, lastPage}`")
    .fails(&[-32001, 4444]),
    Method::new(
        "ots_getTransactionBySenderAndNonce",
        "Hash of the transaction that a sender sent with a nonce.",
    )
    .takes(&[required("sender", "Address", "which account"), required("nonce", "Quantity", "which nonce")])
    .gives("Any", "a hash, or `null`")
    .fails(&[-32001, 4444]),
    Method::new(
        "ots_getContractCreator",
        "Who created a contract, and with which transaction.",
    )
    .takes(&[ADDRESS])
    .gives("ObjectOrNull", "`{hash, creator}`")
    .fails(&[-32000, -32001, 4444]),
];
