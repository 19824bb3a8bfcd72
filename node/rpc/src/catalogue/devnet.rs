//! `anvil_*`, `hardhat_*`, `evm_*`, `tenderly_*` and the unlocked accounts: what only a development chain
//! does. See docs/cheats.md.

use super::{Method, Parameter, optional, required};

const ADDRESS: Parameter = required("address", "Address", "which account");
const TRANSACTION: Parameter = required("transaction", "Call", "from an unlocked account");
const WEI: Parameter = required("wei", "Quantity", "how much");
const CODE: Parameter = required("code", "Data", "the new code");
const NONCE: Parameter = required("nonce", "Quantity", "not lower than it is");
const SLOT: Parameter = required("slot", "Slot", "which slot");
const WORD: Parameter = required("value", "Data", "32 bytes");
const TOKEN: Parameter = required("token", "Address", "an ERC-20 contract");
const SECONDS: Parameter = required("seconds", "Quantity", "how many seconds");
const TIME: Parameter = required("timestamp", "Quantity", "seconds since 1970");
const ON: Parameter = required("enabled", "Boolean", "on or off");
const BASE_FEE: Parameter = required("baseFee", "Quantity", "wei per gas");
const INTERVAL: Parameter = required("interval", "Quantity", "in seconds");
const HASH: Parameter = required("hash", "Hash", "which transaction");

/// A command that consensus orders.
const fn cheat(
    name: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
) -> Method {
    Method::new(name, summary).takes(parameters).gives("Any", "").fails(&[-32000, -32004]).private()
}

/// What cannot be done here.
const fn refused(name: &'static str, summary: &'static str) -> Method {
    Method::new(name, summary).fails(&[-32004]).private()
}

/// What only a node with unlocked accounts answers.
const fn unlocked(
    name: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
) -> Method {
    Method::new(name, summary).takes(parameters).fails(&[-32000]).private()
}

pub(super) const METHODS: &[Method] = &[
    cheat("anvil_setBalance", "Sets the balance of an account.", &[ADDRESS, WEI]),
    cheat("hardhat_setBalance", "Sets the balance of an account.", &[ADDRESS, WEI]),
    cheat("tenderly_setBalance", "Sets the balance of an account.", &[ADDRESS, WEI]),
    cheat("anvil_addBalance", "Adds to the balance of an account.", &[ADDRESS, WEI]),
    cheat("hardhat_addBalance", "Adds to the balance of an account.", &[ADDRESS, WEI]),
    cheat("tenderly_addBalance", "Adds to the balance of an account.", &[ADDRESS, WEI]),
    cheat("anvil_setCode", "Sets the code of an account.", &[ADDRESS, CODE]),
    cheat("hardhat_setCode", "Sets the code of an account.", &[ADDRESS, CODE]),
    cheat("tenderly_setCode", "Sets the code of an account.", &[ADDRESS, CODE]),
    cheat("anvil_setNonce", "Sets the nonce of an account.", &[ADDRESS, NONCE]),
    cheat("hardhat_setNonce", "Sets the nonce of an account.", &[ADDRESS, NONCE]),
    cheat("tenderly_setNonce", "Sets the nonce of an account.", &[ADDRESS, NONCE]),
    cheat("evm_setAccountNonce", "Sets the nonce of an account.", &[ADDRESS, NONCE]),
    cheat("anvil_setStorageAt", "Sets one storage slot.", &[ADDRESS, SLOT, WORD]),
    cheat("hardhat_setStorageAt", "Sets one storage slot.", &[ADDRESS, SLOT, WORD]),
    cheat("tenderly_setStorageAt", "Sets one storage slot.", &[ADDRESS, SLOT, WORD]),
    cheat("anvil_dealERC20", "Sets a balance of an ERC-20 token.", &[ADDRESS, TOKEN, WEI]),
    cheat("anvil_dealErc20", "Sets a balance of an ERC-20 token.", &[ADDRESS, TOKEN, WEI]),
    cheat("hardhat_dealERC20", "Sets a balance of an ERC-20 token.", &[ADDRESS, TOKEN, WEI]),
    cheat("tenderly_setErc20Balance", "Sets a balance of an ERC-20 token.", &[ADDRESS, TOKEN, WEI]),
    cheat(
        "anvil_impersonateAccount",
        "Lets anybody send from an account, without its key.",
        &[ADDRESS],
    ),
    cheat(
        "hardhat_impersonateAccount",
        "Lets anybody send from an account, without its key.",
        &[ADDRESS],
    ),
    cheat("anvil_stopImpersonatingAccount", "Ends an impersonation.", &[ADDRESS]),
    cheat("hardhat_stopImpersonatingAccount", "Ends an impersonation.", &[ADDRESS]),
    cheat(
        "anvil_autoImpersonateAccount",
        "Impersonates every account, or none but those named.",
        &[ON],
    ),
    cheat(
        "hardhat_autoImpersonateAccount",
        "Impersonates every account, or none but those named.",
        &[ON],
    ),
    cheat(
        "anvil_mine",
        "Makes blocks, whether there are transactions or not.",
        &[
            optional("blocks", "Quantity", "how many; 1"),
            optional("seconds", "Quantity", "between them"),
        ],
    ),
    cheat(
        "hardhat_mine",
        "Makes blocks, whether there are transactions or not.",
        &[
            optional("blocks", "Quantity", "how many; 1"),
            optional("seconds", "Quantity", "between them"),
        ],
    ),
    cheat(
        "evm_mine",
        "Makes a block, whether there are transactions or not.",
        &[optional("options", "Any", "a timestamp, or `{timestamp, blocks}`")],
    ),
    cheat("evm_increaseTime", "Moves the time of later blocks ahead.", &[SECONDS]),
    cheat("anvil_increaseTime", "Moves the time of later blocks ahead.", &[SECONDS]),
    cheat("evm_setNextBlockTimestamp", "Sets the timestamp of the next block.", &[TIME]),
    cheat("anvil_setNextBlockTimestamp", "Sets the timestamp of the next block.", &[TIME]),
    cheat("evm_setTime", "Sets the time, which then goes on.", &[TIME]),
    cheat("anvil_setTime", "Sets the time, which then goes on.", &[TIME]),
    cheat("anvil_setNextBlockBaseFeePerGas", "Sets the base fee of the next block.", &[BASE_FEE]),
    cheat("hardhat_setNextBlockBaseFeePerGas", "Sets the base fee of the next block.", &[BASE_FEE]),
    cheat(
        "anvil_setBlockGasLimit",
        "Sets the gas limit of later blocks.",
        &[required("gasLimit", "Quantity", "the limit")],
    ),
    cheat(
        "evm_setBlockGasLimit",
        "Sets the gas limit of later blocks.",
        &[required("gasLimit", "Quantity", "the limit")],
    ),
    cheat("anvil_setCoinbase", "Sets the fee recipient of later blocks.", &[ADDRESS]),
    cheat("hardhat_setCoinbase", "Sets the fee recipient of later blocks.", &[ADDRESS]),
    cheat("evm_setAutomine", "Whether transactions make blocks by themselves.", &[ON]),
    cheat("anvil_setAutomine", "Whether transactions make blocks by themselves.", &[ON]),
    cheat(
        "evm_setIntervalMining",
        "Makes blocks at an interval; 0 for none without a reason.",
        &[INTERVAL],
    ),
    cheat(
        "anvil_setIntervalMining",
        "Makes blocks at an interval; 0 for none without a reason.",
        &[INTERVAL],
    ),
    cheat(
        "anvil_dropTransaction",
        "Drops a transaction from the pools of all validators.",
        &[HASH],
    ),
    cheat(
        "hardhat_dropTransaction",
        "Drops a transaction from the pools of all validators.",
        &[HASH],
    ),
    cheat(
        "anvil_dropAllTransactions",
        "Drops every transaction from the pools of all validators.",
        &[],
    ),
    cheat(
        "hardhat_dropAllTransactions",
        "Drops every transaction from the pools of all validators.",
        &[],
    ),
    refused(
        "evm_snapshot",
        "Refused: a block is final when two thirds of the validators have signed it.",
    ),
    refused(
        "anvil_snapshot",
        "Refused: a block is final when two thirds of the validators have signed it.",
    ),
    refused(
        "evm_revert",
        "Refused: a block is final when two thirds of the validators have signed it.",
    ),
    refused(
        "anvil_revert",
        "Refused: a block is final when two thirds of the validators have signed it.",
    ),
    refused(
        "anvil_rollback",
        "Refused: a block is final when two thirds of the validators have signed it.",
    ),
    refused(
        "anvil_reorg",
        "Refused: a block is final when two thirds of the validators have signed it.",
    ),
    refused(
        "anvil_reset",
        "Refused: a block is final when two thirds of the validators have signed it.",
    ),
    refused(
        "hardhat_reset",
        "Refused: a block is final when two thirds of the validators have signed it.",
    ),
    refused(
        "anvil_setMinGasPrice",
        "Refused: EIP-1559 is active. Use `anvil_setNextBlockBaseFeePerGas`.",
    ),
    refused(
        "hardhat_setMinGasPrice",
        "Refused: EIP-1559 is active. Use `anvil_setNextBlockBaseFeePerGas`.",
    ),
    Method::new("anvil_nodeInfo", "What the chain is and where it stands, in anvil's form.")
        .gives("Object", "")
        .fails(&[-32004])
        .private(),
    Method::new("anvil_metadata", "What the node and the chain are, in anvil's form.")
        .gives("Object", "")
        .fails(&[-32004])
        .private(),
    Method::new("hardhat_metadata", "What the node and the chain are, in hardhat's form.")
        .gives("Object", "")
        .fails(&[-32004])
        .private(),
    Method::new("anvil_getAutomine", "Whether transactions make blocks by themselves.")
        .gives("Boolean", "")
        .fails(&[-32004])
        .private(),
    Method::new("hardhat_getAutomine", "Whether transactions make blocks by themselves.")
        .gives("Boolean", "")
        .fails(&[-32004])
        .private(),
    Method::new(
        "anvil_getIntervalMining",
        "The interval of blocks without a reason, in seconds, or `null`.",
    )
    .gives("Any", "")
    .fails(&[-32004])
    .private(),
    unlocked(
        "eth_sendTransaction",
        "Fills in what is missing, signs with an unlocked or impersonated account, and sends.",
        &[TRANSACTION],
    )
    .gives("Hash", "hash of the transaction"),
    unlocked(
        "eth_signTransaction",
        "Fills in what is missing and signs with an unlocked account.",
        &[TRANSACTION],
    )
    .gives("Data", "encoded (EIP-2718)"),
    unlocked(
        "eth_sign",
        "Signs a message with an unlocked account (EIP-191).",
        &[ADDRESS, required("data", "Data", "the message")],
    )
    .gives("Data", "65 bytes"),
    unlocked(
        "personal_sign",
        "Signs a message with an unlocked account (EIP-191).",
        &[
            required("data", "Data", "the message"),
            ADDRESS,
            optional("password", "Text", "ignored"),
        ],
    )
    .gives("Data", "65 bytes"),
    unlocked(
        "eth_signTypedData_v4",
        "Signs typed data with an unlocked account (EIP-712).",
        &[ADDRESS, required("data", "Any", "the typed data, as an object or as text")],
    )
    .gives("Data", "65 bytes"),
    unlocked(
        "eth_signTypedData",
        "Signs typed data with an unlocked account (EIP-712).",
        &[ADDRESS, required("data", "Any", "the typed data, as an object or as text")],
    )
    .gives("Data", "65 bytes"),
    unlocked(
        "weft_fundAddress",
        "A transfer from the last funded account of a devnet; answers when it is included.",
        &[ADDRESS, optional("wei", "Quantity", "how much; 1 ether")],
    )
    .gives("Hash", "hash of the transfer"),
];
