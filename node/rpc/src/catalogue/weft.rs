//! `weft_*`: what other chains do not have.

use super::{BLOCK, Method, Parameter, optional, required};

const HEIGHT: Parameter = required("height", "Quantity", "which block");

pub(super) const METHODS: &[Method] = &[
    Method::new(
        "weft_chainInfo",
        "What the chain is: ids, parameters, validators, what is kept of the past, and the limits of this server. States that `latest`, `safe` and `finalized` are the same block.",
    )
    .gives("Object", ""),
    Method::new(
        "weft_getBlockRecord",
        "The parallel execution record of a block. Its deterministic half is equal on every node; its local half is what this node saw. Where the deterministic half was not stored with the block (`recordLevel` of `weft_chainInfo` is `counts`), the block is executed again for it, as long as the state before it is kept.",
    )
    .takes(&[
        required("block", "BlockId", "which block"),
        optional("options", "Object", "`{reads, incarnations}`: `false` leaves them out; `{names, columns}`: `true` adds names, gives arrays in the place of objects"),
    ])
    .gives("ObjectOrNull", "`{number, hash, deterministic, local}`; `null` where `recordLevel` is `off`")
    .fails(&[4444])
    .limits("5 s of deriving the record where it is not stored"),
    Method::new(
        "weft_getCertificate",
        "The quorum of precommits that decided a block, with the bytes that each validator signed: it can be verified offline.",
    )
    .takes(&[HEIGHT])
    .gives("ObjectOrNull", "`null` for genesis")
    .fails(&[-32001]),
    Method::new("weft_getValidators", "The validators of a height, in the order of certificates.")
        .takes(&[optional("height", "Quantity", "which block; the next one to be decided")])
        .gives("Object", "`{height, totalPower, quorumPower, validators}`")
        .fails(&[-32001]),
    Method::new(
        "weft_consensusState",
        "Where the consensus of this node stands: height, round, step, proposer, and the voting power that it has seen for each block.",
    )
    .gives("ObjectOrNull", "`null` while the node does not take part in a height")
    .private(),
    Method::new("weft_peers", "The connected peers: id, address, direction, height.")
        .gives("Object[]", "")
        .private(),
    Method::new("weft_nodeInfo", "What this node is: version, chain, peer id, validator, addresses.")
        .gives("Object", "")
        .private(),
    Method::new(
        "weft_getProof",
        "An account and its slots with the nodes of the binary tree that lead to them from the header's state root (EIP-8297 with BLAKE3).",
    )
    .takes(&[
        required("address", "Address", "the account"),
        optional("slots", "Slot[]", "which slots"),
        BLOCK,
    ])
    .gives("Object", "`{address, blockNumber, blockHash, stateRoot, account, slots, proof}`")
    .fails(&[-32000, -32001, 4444])
    .limits("1,024 slots; the last 128 blocks"),
    Method::new(
        "weft_subscribe",
        "Subscribes over a WebSocket; events come as `weft_subscription`. `records`: the execution record of each block, once, in order, none skipped; options as `weft_getBlockRecord`, with `transactions`, all off by default; a half is `null` where there is none, or deriving it takes more than 5 s. `consensus`: proposals, quorums and commits as this node sees them.",
    )
    .takes(&[
        required("subscription", "Text", "`records` or `consensus`"),
        optional("options", "Object", "`{transactions, reads, incarnations}` for `records`"),
    ])
    .gives("SubscriptionId", "")
    .fails(&[-32004])
    .limits("as `eth_subscribe`; 1,024 events of the consensus behind"),
    Method::new("weft_unsubscribe", "Ends a subscription of this connection.")
        .takes(&[required("subscription", "SubscriptionId", "which one")])
        .gives("Boolean", "whether it existed")
        .fails(&[-32004]),
];
