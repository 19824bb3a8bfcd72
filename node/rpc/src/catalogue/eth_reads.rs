//! `eth_*`: accounts, lists and simulations beyond the usual ones.

use super::{BLOCK, Method, optional, required};

pub(super) const METHODS: &[Method] = &[
    Method::new(
        "eth_coinbase",
        "Fee recipient of the newest block.",
    )
    .gives("Address", ""),
    Method::new(
        "eth_capabilities",
        "From which height on this node has state, transactions, receipts, logs and traces.",
    )
    .gives("Object", "geth's form"),
    Method::new(
        "eth_config",
        "Forks, precompiles and system contracts (EIP-7910).",
    )
    .gives("Object", "`{current, next, last}`"),
    Method::new(
        "eth_getAccount",
        "An account as a trie would hold it; `storageRoot` is zero, because there is no such trie on this chain.",
    )
    .takes(&[required("address", "Address", "which account"), BLOCK])
    .gives("ObjectOrNull", "`{balance, nonce, codeHash, storageRoot}`")
    .fails(&[-32001, 4444]),
    Method::new(
        "eth_getAccountInfo",
        "Balance, nonce and code of an account at once.",
    )
    .takes(&[required("address", "Address", "which account"), BLOCK])
    .gives("Object", "`{balance, nonce, code}`")
    .fails(&[-32001, 4444]),
    Method::new(
        "eth_getStorageValues",
        "Many slots of many accounts at once.",
    )
    .takes(&[required("requests", "Object", "a list of slots by address"), BLOCK])
    .gives("Object", "a list of words by address")
    .fails(&[-32001, 4444])
    .limits("1,024 slots"),
    Method::new(
        "eth_getTransactionBySenderAndNonce",
        "The transaction that a sender sent with a nonce; of the pool too.",
    )
    .takes(&[required("sender", "Address", "who sent it"), required("nonce", "Quantity", "with which nonce")])
    .gives("Transaction", "")
    .fails(&[-32001, 4444]),
    Method::new(
        "eth_pendingTransactions",
        "Every transaction that can go into the next block.",
    )
    .gives("Transaction[]", "")
    .private(),
    Method::new(
        "eth_getRawTransactionByBlockHashAndIndex",
        "A transaction as it was sent, by block hash and place.",
    )
    .takes(&[required("blockHash", "Hash", "which block"), required("index", "Quantity", "from 0")])
    .gives("Any", "encoded (EIP-2718), or `null`")
    .fails(&[-32001, 4444]),
    Method::new(
        "eth_getRawTransactionByBlockNumberAndIndex",
        "A transaction as it was sent, by block and place.",
    )
    .takes(&[required("block", "BlockNumberOrTag", "which block"), required("index", "Quantity", "from 0")])
    .gives("Any", "encoded (EIP-2718), or `null`")
    .fails(&[-32001, 4444]),
    Method::new(
        "eth_getBlockAccessListByBlockHash",
        "The access list of a block (EIP-7928), by hash.",
    )
    .takes(&[required("blockHash", "Hash", "which block")])
    .gives("Any", "a list of accounts with their changes, or `null`")
    .fails(&[-32001, 4444]),
    Method::new(
        "eth_getBlockAccessListByBlockNumber",
        "The access list of a block (EIP-7928), by number.",
    )
    .takes(&[required("block", "BlockNumberOrTag", "which block")])
    .gives("Any", "a list of accounts with their changes, or `null`")
    .fails(&[-32001, 4444]),
    Method::new(
        "eth_fillTransaction",
        "A transaction with everything that the caller left open: nonce, gas, fees, chain id; ready to be signed.",
    )
    .takes(&[required("transaction", "Call", "what is known of it")])
    .gives("Object", "`{raw, tx}`")
    .fails(&[-32000, 3]),
    Method::new(
        "eth_createAccessList",
        "The access list (EIP-2930) that a call would use, and the gas with it.",
    )
    .takes(&[required("transaction", "Call", "what to run"), BLOCK, optional("stateOverrides", "StateOverrides", "changes to the state before the call"), optional("blockOverrides", "BlockOverrides", "changes to the environment of the call")])
    .gives("Object", "`{accessList, gasUsed, error}`")
    .fails(&[-32000, -32001, 4444]),
    Method::new(
        "eth_simulateV1",
        "Runs blocks of calls on top of a block, with changes of state between them, and returns them as blocks.",
    )
    .takes(&[required("payload", "Object", "`{blockStateCalls, traceTransfers, validation, returnFullTransactions}`"), BLOCK])
    .gives("Object[]", "blocks with `calls`")
    .fails(&[-32000, -32001, 4444])
    .limits("256 blocks; gas: `rpc.gas_cap` together"),
    Method::new(
        "eth_callMany",
        "Runs bundles of calls, each on the state that those before it left.",
    )
    .takes(&[required("bundles", "Object[]", "`{transactions, blockOverride}`"), optional("stateContext", "Object", "`{blockNumber, transactionIndex}`"), optional("stateOverrides", "StateOverrides", "changes to the state before the first call")])
    .gives("Any", "a list for each bundle, with `{value}` or `{error}` a call")
    .fails(&[-32000, -32001, 4444]),
];
