//! `weft_*`: the parallel execution record and what follows from it.

use super::{Method, Parameter, optional, required};

const BLOCKS: Parameter = required("blocks", "Any", "a block, or `{from, to}`, both included");
const BLOCK_ID: Parameter = required("block", "BlockId", "which block");
/// Of what looks at many blocks.
const LIMITS: &str =
    "256 blocks, 100,000 transactions; 5 s of deriving records that are not stored";
/// Of what looks at one block.
const LIMIT: &str = "5 s of deriving the record where it is not stored";

pub(super) const METHODS: &[Method] = &[
    Method::new(
        "weft_getConflicts",
        "Which locations the transactions of blocks collided on: who wrote, who read, and how much gas had to wait.",
    )
    .takes(&[BLOCKS, optional("options", "Object", "`{minGas, kinds, limit}`")])
    .gives("Object[]", "`{block, key, name, kind, writers, readers, serialisedGas, edges}`, the costliest first")
    .fails(&[-32001, 4444])
    .limits(LIMITS),
    Method::new(
        "weft_getHotspots",
        "What made transactions wait, over blocks, the costliest first.",
    )
    .takes(&[BLOCKS, optional("options", "Object", "`{by: slot, account, function or sender, limit}`")])
    .gives("Object[]", "`{key, name, serialisedGas, share, readers, writers, transactions}`")
    .fails(&[-32001, 4444])
    .limits(LIMITS),
    Method::new(
        "weft_getCriticalPath",
        "The chain of dependencies that no number of workers can shorten.",
    )
    .takes(&[BLOCK_ID])
    .gives("ObjectOrNull", "`{workGas, pathGas, bestSpeedup, steps}`, each step with the location that binds it to the one before")
    .fails(&[-32001, 4444])
    .limits(LIMIT),
    Method::new(
        "weft_getAdvice",
        "What to change so that more runs in parallel, by rules over the deterministic half of the record; each piece cites its transactions.",
    )
    .takes(&[BLOCKS])
    .gives("Object[]", "`{rule, text, key, name, transactions}`")
    .fails(&[-32001, 4444])
    .limits(LIMITS),
    Method::new(
        "weft_getTransactionRecord",
        "One transaction: what it read and from whom, what it wrote, what it waited for and what waited for it, and each time it ran.",
    )
    .takes(&[required("transaction", "Any", "a hash, or `{block, index}`")])
    .gives("ObjectOrNull", "")
    .fails(&[-32001, 4444])
    .limits(LIMIT),
    Method::new(
        "weft_getExecutionTrace",
        "What ran when on which worker, as a Chrome trace that Perfetto opens.",
    )
    .takes(&[BLOCK_ID, optional("options", "Object", "`{format: chrome}`")])
    .gives("ObjectOrNull", "`{traceEvents}`; `null` where the executions were not recorded (`recordLevel` other than `full`)")
    .fails(&[-32001, 4444])
    .limits(LIMIT),
    Method::new(
        "weft_getRecordFile",
        "Everything that the record page and `weft record` show of a block, as one object that needs no node any more.",
    )
    .takes(&[BLOCK_ID])
    .gives("ObjectOrNull", "`{format, source, record, criticalPath, conflicts, advice, transactions}`")
    .fails(&[-32001, 4444])
    .limits("what each transaction read and wrote: blocks of up to 2,000 transactions; 5 s of deriving the record where it is not stored"),
    Method::new(
        "weft_getRecordStats",
        "One line of numbers for each of the newest blocks, and their totals.",
    )
    .takes(&[optional("options", "Object", "`{last, to, after, skipEmpty}`")])
    .gives("Object", "`{totals, columns}`")
    .limits("1,000 blocks; 5 s of deriving records that are not stored, then as far as it came"),
    Method::new(
        "weft_simulateBlock",
        "Runs transactions as a block on the newest state and returns its record: a test of how parallel a contract is. Nothing is kept.",
    )
    .takes(&[required("transactions", "Call[]", "what to run, in this order"), optional("options", "Object", "`{workers, stateOverrides, noFunding, reads, incarnations}`; senders are lent what they lack unless `noFunding`")])
    .gives("Object", "the record, as of `weft_getBlockRecord`, with conflicts, critical path and advice")
    .fails(&[-32000])
    .limits("one at a time for each place among the calls")
    .private(),
    Method::new(
        "weft_registerAbi",
        "Gives the functions and slots of a contract names, in this node's memory.",
    )
    .takes(&[required("address", "Address", "the contract"), optional("abi", "Any", "its ABI, as JSON"), optional("storageLayout", "Any", "its storage layout, as solc writes it"), optional("name", "Text", "its name")])
    .gives("Boolean", "whether it is new")
    .private(),
    Method::new(
        "weft_getTransactionStatus",
        "Where a transaction is: in a block, in the pool and what it waits for, or dropped and why.",
    )
    .takes(&[required("hash", "Hash", "hash of the transaction")])
    .gives("Object", "`{status: included, pending, queued, dropped or unknown, …}`"),
];
