//! `eth_*`: logs, filters and subscriptions.

use super::{Method, Parameter, optional, required};

const FILTER: Parameter = required("filter", "LogFilter", "which logs");
const FILTER_ID: Parameter = required("filterId", "FilterId", "the filter");

pub(super) const METHODS: &[Method] = &[
    Method::new(
        "eth_getLogs",
        "Logs of a range of blocks, found through an index. Too much at once is refused with a range in the error's `data` (`{from, to}`) that starts where the asked one does, is smaller and succeeds: asking for it, and then for what follows it, reads everything.",
    )
    .takes(&[FILTER])
    .gives("Log[]", "in the order of the chain")
    .fails(&[-32001, -32005, 4444])
    .limits("10,000 blocks, 20,000 logs and 32 MiB (one block always succeeds); 1,000 addresses, and 1,000 topics at one place"),
    Method::new("eth_newFilter", "Makes a filter for logs, to be polled with `eth_getFilterChanges`.")
        .takes(&[FILTER])
        .gives("FilterId", "")
        .limits("10,000 filters of all callers; one that is not polled for 5 minutes is forgotten"),
    Method::new("eth_newBlockFilter", "Makes a filter for hashes of new blocks.")
        .gives("FilterId", "")
        .limits("10,000 filters of all callers; one that is not polled for 5 minutes is forgotten"),
    Method::new(
        "eth_newPendingTransactionFilter",
        "Makes a filter for hashes of transactions that became ready in the pool.",
    )
    .gives("FilterId", "")
    .limits("10,000 filters of all callers; the newest 16,384 hashes are kept between two polls")
    .private(),
    Method::new("eth_getFilterChanges", "What is new since the last poll, or since the filter was made.")
        .takes(&[FILTER_ID])
        .gives("Any", "hashes or logs")
        .fails(&[-32000, -32005])
        .limits("1,024 blocks at a time; the next poll goes on from there"),
    Method::new("eth_getFilterLogs", "All logs in the range of a filter for logs.")
        .takes(&[FILTER_ID])
        .gives("Log[]", "")
        .fails(&[-32000, -32001, -32005, 4444])
        .limits("as `eth_getLogs`"),
    Method::new("eth_uninstallFilter", "Forgets a filter.")
        .takes(&[FILTER_ID])
        .gives("Boolean", "whether it existed"),
    Method::new(
        "eth_subscribe",
        "Subscribes over a WebSocket; events come as `eth_subscription`. `newHeads`: each block's header, once, in order, none skipped. `logs`: with an optional LogFilter. `newPendingTransactions`: hashes of transactions that became ready, with `true` whole ones. `syncing`: the state at once, then each change. `transactionReceipts`: the receipts of each block, with `{transactionHashes: […]}` only those. A subscriber that falls behind is served from the store; one that does not read is closed with a last notification whose `error` says why.",
    )
    .takes(&[
        required("subscription", "Text", "what to hear of"),
        optional("options", "Any", "a LogFilter, `true`, or `{transactionHashes}`; see above"),
    ])
    .gives("SubscriptionId", "")
    .fails(&[-32004])
    .limits("128 subscriptions of one connection; 1,024 blocks behind; 10 s without reading; 200 hashes"),
    Method::new("eth_unsubscribe", "Ends a subscription of this connection.")
        .takes(&[required("subscription", "SubscriptionId", "which one")])
        .gives("Boolean", "whether it existed")
        .fails(&[-32004]),
];
