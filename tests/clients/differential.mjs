// The same transactions and the same questions to two servers; prints what they answer differently.
//
//   node differential.mjs WEFT_URL ANVIL_URL
//
// Both start from the ten accounts of the test mnemonic. One server puts each transaction into a block of its own, the
// other may not: whatever depends on the block (numbers, hashes, base fee) is left out, see OF_THE_BLOCK.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import solc from "solc";
import * as viem from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { check, here, mnemonic } from "./compile.mjs";

const urls = process.argv.slice(2);
const TRANSACTIONS = 500;
const QUERIES = 300;
const accounts = Array.from({ length: 10 }, (_, addressIndex) => mnemonicToAccount(mnemonic, { addressIndex }));

/** Fields that say in which block something happened, or at which price. */
const OF_THE_BLOCK = new Set([
  "blockHash", "blockNumber", "blockTimestamp", "transactionIndex", "logIndex", "cumulativeGasUsed", "effectiveGasPrice",
  "gasPrice", "blobGasPrice", "logsBloomOfBlock", "txIndex",
]);

/**
 * Where the answers may differ, each with its reason. A pattern is matched against "what: path".
 * @type {[RegExp, string][]}
 */
const DIFFERENT = JSON.parse(readFileSync(join(here, "differences.json"), "utf8")).map(([text, why]) => [new RegExp(text), why]);

function compile() {
  const input = {
    language: "Solidity",
    sources: { "Zoo.sol": { content: readFileSync(join(here, "Zoo.sol"), "utf8") } },
    settings: {
      evmVersion: "prague",
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  assert.deepEqual((output.errors ?? []).filter((e) => e.severity === "error"), []);
  const { abi, evm } = output.contracts["Zoo.sol"].Zoo;
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}

let id = 0;
async function rpc(url, method, params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params }),
  });
  const { result, error } = await response.json();
  return error ? { error: { code: error.code, message: error.message, data: error.data } } : { result };
}

const both = (method, params) => Promise.all(urls.map((url) => rpc(url, method, params)));

// A small generator, so that every run does the same.
let state = 0x2545f491;
function random(below) {
  state ^= state << 13; state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5; state >>>= 0;
  return state % below;
}

const differences = new Map();
let compared = 0;
function compare(what, left, right, path = "") {
  if (left === right) return void compared++;
  const [a, b] = [left, right].map((value) => (Array.isArray(value) ? "list" : value === null ? "null" : typeof value));
  if (a === b && (a === "object" || a === "list")) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      if (!OF_THE_BLOCK.has(key)) compare(what, left[key], right[key], a === "list" ? `${path}[]` : `${path}.${key}`);
    }
    return;
  }
  const place = `${what}:${path}`;
  const found = differences.get(place) ?? { count: 0, left, right };
  found.count += 1;
  differences.set(place, found);
}

const zoo = compile();
const encode = (functionName, args = []) => viem.encodeFunctionData({ abi: zoo.abi, functionName, args });
const fresh = (n) => viem.padHex(viem.toHex(0xabc000 + n), { size: 20 });
const targets = [];

/** The n-th transaction, without nonce and fees: many kinds, many of them meant to fail. */
function scripted(n) {
  const to = targets[random(targets.length)] ?? null;
  const kinds = [
    () => ({ to: fresh(random(50)), value: BigInt(random(1000)), gas: 21_000n }),
    () => ({ to, data: encode("visit", [viem.toHex("x".repeat(random(80)))]), value: BigInt(random(5)), gas: 200_000n }),
    () => ({ to, data: encode("store", [BigInt(random(20)), BigInt(1 + random(6))]), gas: 300_000n }),
    () => ({ to, data: encode("clear", [BigInt(random(20)), BigInt(1 + random(6))]), gas: 300_000n }),
    () => ({ to, data: encode("refuse"), gas: 100_000n }),
    () => ({ to, data: encode("say", ["no, thank you"]), gas: 100_000n }),
    () => ({ to, data: encode("divide", [7n, BigInt(random(2))]), gas: 100_000n }),
    () => ({ to, data: encode("hatch"), gas: 3_000_000n }),
    () => ({ to, data: encode("attempt", [encode("refuse")]), gas: 300_000n }),
    () => ({ to, data: encode("attempt", [encode("visit", ["0x01"])]), gas: 300_000n }),
    () => ({ to, data: encode("burn", [BigInt(random(200))]), gas: 60_000n }),
    () => ({ to, data: encode("send", [fresh(60 + random(9)), BigInt(random(3))]), value: 2n, gas: 200_000n }),
    () => ({ to: null, data: zoo.bytecode, gas: 3_000_000n }),
    () => ({ to: null, data: "0x60ef60005360016000f3", gas: 200_000n }), // code that starts with 0xef is refused
    () => ({ to: null, data: "0xfe", gas: 90_000n }),
    () => ({ to: "0x0000000000000000000000000000000000000002", data: "0x616263", gas: 60_000n }),
  ];
  const what = n === 0 || to === null ? { to: null, data: zoo.bytecode, gas: 3_000_000n } : kinds[random(kinds.length)]();
  return { ...what, type: ["eip1559", "legacy", "eip2930"][random(3)] };
}

const hashes = [];
await check(`${TRANSACTIONS} transactions have equal receipts`, async () => {
  const nonces = accounts.map(() => 0);
  for (let n = 0; n < TRANSACTIONS; n++) {
    const who = random(accounts.length);
    const { type, ...rest } = scripted(n);
    const price = 20_000_000_000n;
    const fees = type === "eip1559" ? { maxFeePerGas: price, maxPriorityFeePerGas: 1_000_000_000n } : { gasPrice: price };
    const list = type === "eip2930" && rest.to ? { accessList: [{ address: rest.to, storageKeys: [viem.pad("0x0")] }] } : {};
    const gas = type === "eip2930" ? rest.gas + 10_000n : rest.gas;
    const raw = await accounts[who].signTransaction({ chainId: 31337, nonce: nonces[who], type, ...rest, gas, ...fees, ...list });
    nonces[who] += 1;
    const sent = await both("eth_sendRawTransaction", [raw]);
    compare("eth_sendRawTransaction", sent[0], sent[1]);
    const receipts = await Promise.all(urls.map((url) => wait(url, viem.keccak256(raw))));
    compare("eth_getTransactionReceipt", receipts[0], receipts[1]);
    if (rest.to === null && receipts[0].status === "0x1") targets.push(receipts[0].contractAddress);
    if (rest.to === null && receipts[0].status === "0x1" && targets.length > 12) targets.shift();
    hashes.push(viem.keccak256(raw));
  }
});

async function wait(url, hash) {
  for (let i = 0; i < 1000; i++) {
    const { result } = await rpc(url, "eth_getTransactionReceipt", [hash]);
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`no receipt of ${hash} at ${url}`);
}

/** The n-th question: [name, method, parameters]. */
function question(n) {
  const to = targets[random(targets.length)];
  const from = accounts[random(10)].address;
  const hash = hashes[random(hashes.length)];
  const call = (data, more = {}) => [{ from, to, data, ...more }, "latest"];
  const all = [
    ["call", "eth_call", call(encode("visit", ["0x"]))],
    ["call: number", "eth_call", call(encode("count"))],
    ["call: mapping", "eth_call", call(encode("visits", [from]))],
    ["call: custom error", "eth_call", call(encode("refuse"))],
    ["call: reason", "eth_call", call(encode("say", ["because"]))],
    ["call: panic", "eth_call", call(encode("divide", [1n, 0n]))],
    ["call: out of gas", "eth_call", call(encode("burn", [10_000n]), { gas: "0x10000" })],
    ["call: no code", "eth_call", [{ to: fresh(999), data: "0x1234" }, "latest"]],
    ["call: too much value", "eth_call", [{ from: fresh(998), to, value: "0x1", data: "0x" }, "latest"]],
    ["call: state override", "eth_call", [...call(encode("count")), { [to]: { stateDiff: { [viem.pad("0x0")]: viem.pad("0x7") } } }]],
    ["estimate: transfer", "eth_estimateGas", [{ from, to: fresh(3), value: "0x1" }]],
    ["estimate: call", "eth_estimateGas", [{ from, to, data: encode("visit", ["0x0102"]) }]],
    ["estimate: store", "eth_estimateGas", [{ from, to, data: encode("store", [1000n, 3n]) }]],
    ["estimate: creation", "eth_estimateGas", [{ from, data: zoo.bytecode }]],
    ["estimate: refused", "eth_estimateGas", [{ from, to, data: encode("refuse") }]],
    ["balance", "eth_getBalance", [fresh(random(50)), "latest"]],
    ["nonce", "eth_getTransactionCount", [from, "latest"]],
    ["code", "eth_getCode", [to, "latest"]],
    ["storage", "eth_getStorageAt", [to, "0x0", "latest"]],
    ["transaction", "eth_getTransactionByHash", [hash]],
    ["no transaction", "eth_getTransactionByHash", [viem.pad("0x1")]],
    ["access list", "eth_createAccessList", [{ from, to, data: encode("visit", ["0x"]) }, "latest"]],
    ["trace: calls", "debug_traceTransaction", [hash, { tracer: "callTracer" }]],
    ["trace: steps", "debug_traceTransaction", [hash, { disableStorage: false }]],
    ["trace: selectors", "debug_traceTransaction", [hash, { tracer: "4byteTracer" }]],
    ["trace: flat", "trace_transaction", [hash]],
    ["no method", "eth_nonsense", []],
    ["bad address", "eth_getBalance", ["0x12", "latest"]],
    ["bad block", "eth_getBalance", [from, "0xffffffffff"]],
    ["missing", "eth_getBalance", []],
  ];
  return all[n % all.length];
}

await check(`${QUERIES} questions have equal answers`, async () => {
  for (let n = 0; n < QUERIES; n++) {
    const [name, method, params] = question(n);
    const [left, right] = await both(method, params);
    compare(name, left, right);
  }
});

await check("transactions that are wrong are refused alike", async () => {
  const [rich, poor] = [accounts[0], viem.toHex(77n, { size: 32 })];
  const { privateKeyToAccount } = await import("viem/accounts");
  const nonce = Number((await rpc(urls[0], "eth_getTransactionCount", [rich.address, "latest"])).result);
  const base = { chainId: 31337, type: "eip1559", gas: 21_000n, maxFeePerGas: 20_000_000_000n, maxPriorityFeePerGas: 1n, to: fresh(1), value: 1n };
  const cases = [
    ["nonce too low", rich, { ...base, nonce: 0 }],
    ["no funds", privateKeyToAccount(poor), { ...base, nonce: 0 }],
    ["other chain", rich, { ...base, nonce, chainId: 5 }],
    ["too little gas", rich, { ...base, nonce, gas: 20_999n }],
    ["too much gas", rich, { ...base, nonce, gas: 1n << 60n }],
    ["fee below base", rich, { ...base, nonce, maxFeePerGas: 1n, maxPriorityFeePerGas: 0n }],
    ["initcode too large", rich, { ...base, nonce, to: null, data: `0x${"00".repeat(49_153)}`, gas: 10_000_000n }],
  ];
  for (const [name, account, transaction] of cases) {
    const raw = await account.signTransaction(transaction);
    const [left, right] = await both("eth_sendRawTransaction", [raw]);
    compare(`refused: ${name}`, left, right);
  }
  for (const raw of ["0x", "0x02c0", "0x1234", "0x05"]) {
    const [left, right] = await both("eth_sendRawTransaction", [raw]);
    compare("refused: rubbish", left, right);
  }
});

const short = (value) => (JSON.stringify(value) ?? "nothing").slice(0, 110);
let unexpected = 0;
const used = new Set();
for (const [place, { count, left, right }] of [...differences].sort()) {
  const known = DIFFERENT.find(([pattern]) => pattern.test(place));
  if (known) used.add(known);
  else unexpected += 1;
  console.log(`${known ? "known" : "DIFFERENT"} ${place} (${count})${known ? `: ${known[1]}` : `\n    weft  ${short(left)}\n    anvil ${short(right)}`}`);
}
for (const entry of DIFFERENT) if (!used.has(entry)) console.log(`not seen: ${entry[0].source}`);
console.log(JSON.stringify({ event: "summary", equal: compared, places: differences.size, unexpected }));
process.exit(unexpected === 0 ? 0 : 1);
