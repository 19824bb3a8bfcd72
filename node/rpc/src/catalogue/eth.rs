//! `eth_*`: the chain, its blocks, transactions and accounts.

use super::{BLOCK, Method, Parameter, optional, required};

const NUMBER: Parameter = required("block", "BlockNumberOrTag", "which block");
const HASH: Parameter = required("blockHash", "Hash", "which block");
const FULL: Parameter =
    optional("fullTransactions", "Boolean", "whole transactions instead of hashes; `false`");
const ADDRESS: Parameter = required("address", "Address", "the account");
const INDEX: Parameter = required("index", "Quantity", "place in the block, from 0");
const TRANSACTION: Parameter = required("hash", "Hash", "the transaction");

const UNKNOWN: &[i32] = &[-32001, 4444];
const PRUNED: &[i32] = &[4444];

pub(super) const METHODS: &[Method] = &[
    Method::new("eth_chainId", "Id of the chain, as signatures carry it (EIP-155).")
        .gives("Quantity", "the chain id"),
    Method::new("eth_protocolVersion", "Kept for old clients; always `0x1`.").gives("Quantity", ""),
    Method::new(
        "eth_blockNumber",
        "Height of the newest block. It is decided, executed and durable: its receipts, logs and state can be read.",
    )
    .gives("Quantity", "the height"),
    Method::new(
        "eth_syncing",
        "`false` within two blocks of the best height that peers report; otherwise how far the node is.",
    )
    .gives("Any", "`false`, or `{startingBlock, currentBlock, highestBlock}`"),
    Method::new("eth_accounts", "Accounts that the node can sign for; a node holds no keys of users.")
        .gives("Address[]", "the accounts"),
    Method::new("eth_getBalance", "Balance of an account.")
        .takes(&[ADDRESS, BLOCK])
        .gives("Quantity", "in wei")
        .fails(UNKNOWN),
    Method::new(
        "eth_getTransactionCount",
        "Nonce of an account. At `pending` the first nonce after all its transactions in the pool that follow without a gap.",
    )
    .takes(&[ADDRESS, BLOCK])
    .gives("Quantity", "the nonce of its next transaction")
    .fails(UNKNOWN),
    Method::new("eth_getCode", "Code of an account.")
        .takes(&[ADDRESS, BLOCK])
        .gives("Data", "empty when it has none")
        .fails(UNKNOWN),
    Method::new("eth_getStorageAt", "One storage slot of an account.")
        .takes(&[ADDRESS, required("slot", "Slot", "the slot"), BLOCK])
        .gives("Hash", "the value")
        .fails(UNKNOWN),
    Method::new(
        "eth_getProof",
        "Refused: the state is committed with BLAKE3 in a binary tree, so there is no Merkle-Patricia proof. `weft_getProof` serves the proofs of this chain.",
    )
    .fails(&[-32004]),
    Method::new("eth_getBlockByNumber", "A block by number. `pending` shows the block that would be proposed now: what is not known before it is built is `null` or zero.")
        .takes(&[NUMBER, FULL])
        .gives("Block", "")
        .fails(PRUNED),
    Method::new("eth_getBlockByHash", "A block by hash.")
        .takes(&[HASH, FULL])
        .gives("Block", "")
        .fails(PRUNED),
    Method::new("eth_getHeaderByNumber", "A header by number.")
        .takes(&[NUMBER])
        .gives("Header", ""),
    Method::new("eth_getHeaderByHash", "A header by hash.").takes(&[HASH]).gives("Header", ""),
    Method::new("eth_getBlockReceipts", "All receipts of a block, in order.")
        .takes(&[required("block", "BlockId", "which block")])
        .gives("Receipt[]", "`null` for an unknown block")
        .fails(PRUNED),
    Method::new("eth_getBlockTransactionCountByNumber", "Number of transactions in a block.")
        .takes(&[NUMBER])
        .gives("Quantity", "`null` for an unknown block"),
    Method::new("eth_getBlockTransactionCountByHash", "Number of transactions in a block.")
        .takes(&[HASH])
        .gives("Quantity", "`null` for an unknown block"),
    Method::new("eth_getUncleCountByBlockNumber", "Always zero: a block is the only one of its height.")
        .takes(&[NUMBER])
        .gives("Quantity", "`null` for an unknown block"),
    Method::new("eth_getUncleCountByBlockHash", "Always zero: a block is the only one of its height.")
        .takes(&[HASH])
        .gives("Quantity", "`null` for an unknown block"),
    Method::new("eth_getUncleByBlockNumberAndIndex", "Always `null`: there are no uncles.")
        .takes(&[NUMBER, INDEX])
        .gives("Block", "`null`"),
    Method::new("eth_getUncleByBlockHashAndIndex", "Always `null`: there are no uncles.")
        .takes(&[HASH, INDEX])
        .gives("Block", "`null`"),
    Method::new("eth_getBlockAccessList", "The block access list (EIP-7928): what each transaction read and wrote.")
        .takes(&[required("block", "BlockId", "which block")])
        .gives("Any", "`null` for an unknown block")
        .fails(PRUNED),
    Method::new("eth_getBlockAccessListRaw", "The block access list, encoded as the header's hash covers it.")
        .takes(&[required("block", "BlockId", "which block")])
        .gives("Data", "`null` for an unknown block")
        .fails(PRUNED),
    Method::new(
        "eth_getTransactionByHash",
        "A transaction of the chain with its place, or of the pool without one.",
    )
    .takes(&[TRANSACTION])
    .gives("Transaction", ""),
    Method::new("eth_getRawTransactionByHash", "A transaction of the chain or the pool, encoded (EIP-2718).")
        .takes(&[TRANSACTION])
        .gives("Data", "`null` when it is not known"),
    Method::new("eth_getTransactionByBlockHashAndIndex", "A transaction by its place in a block.")
        .takes(&[HASH, INDEX])
        .gives("Transaction", ""),
    Method::new("eth_getTransactionByBlockNumberAndIndex", "A transaction by its place in a block.")
        .takes(&[NUMBER, INDEX])
        .gives("Transaction", ""),
    Method::new(
        "eth_getTransactionReceipt",
        "Receipt of an included transaction. Inclusion is final: a receipt never goes away.",
    )
    .takes(&[TRANSACTION])
    .gives("Receipt", "")
    .fails(PRUNED),
];
