// The same transactions and the same questions to a devnet and to anvil; what they answer differently must be listed.
//
//   node differential.mjs URL        (a devnet of one validator that nobody else uses)
//
// Both make the same blocks: same numbers, timestamps, transactions, base fees. Hashes of blocks are compared by the
// number of the block that they belong to; nothing else is left out.
import assert from "node:assert/strict";
import { keccak256 } from "viem";
import { check } from "./compile.mjs";
import { compare, judge } from "./compare.mjs";
import { questions } from "./questions.mjs";
import { refusals } from "./refusals.mjs";
import { authorizeEmpty, block, known, random } from "./script.mjs";
import { rpc, Servers } from "./servers.mjs";
import { waiting } from "./waiting.mjs";

const TRANSACTIONS = 500;
const QUESTIONS = 500;
const servers = await Servers.start(process.argv[2]);

async function ask(name, method, params) {
  compare(name, await servers.both(method, params));
}

await check(`${TRANSACTIONS} transactions are taken, included and executed alike`, async () => {
  for (let made = 0; known.sent.length < TRANSACTIONS; made++) {
    // Now and then a block above its target, so that the base fee rises too.
    const heavy = made % 20 === 19;
    const size = made === 0 ? 1 : Math.min(heavy ? 5 : 1 + random(9), TRANSACTIONS - known.sent.length);
    const signed = await block(size, heavy);
    for (const { raw } of signed) await ask("send", "eth_sendRawTransaction", [raw]);
    await servers.mine();
    await ask("block", "eth_getBlockByNumber", ["latest", true]);
    for (const { hash } of signed) {
      const receipts = await servers.both("eth_getTransactionReceipt", [hash]);
      compare("receipt", receipts);
      const { contractAddress, status } = receipts[0].result ?? {};
      if (contractAddress && status === "0x1") known.targets.push(contractAddress);
      if (known.targets.length > 12) known.targets.shift();
    }
  }
});

await check(`${QUESTIONS} questions are answered alike`, async () => {
  const asked = Object.keys(questions(servers.first, servers.head)).length;
  for (let count = 0; count < QUESTIONS; count += asked) {
    for (const [name, [method, params]] of Object.entries(questions(servers.first, servers.head))) await ask(name, method, params);
  }
});

await check("the gas of a trace is that of the receipt, which anvil does not give", async () => {
  const [weft] = servers.urls;
  for (const hash of known.sent.slice(-100)) {
    const { gasUsed } = (await rpc(weft, "eth_getTransactionReceipt", [hash])).result;
    const { gas, input } = (await rpc(weft, "eth_getTransactionByHash", [hash])).result;
    const call = (await rpc(weft, "debug_traceTransaction", [hash, { tracer: "callTracer" }])).result;
    assert.deepEqual([call.gas, call.gasUsed, call.input], [gas, gasUsed, input]);
    const steps = (await rpc(weft, "debug_traceTransaction", [hash, { disableStack: true }])).result;
    assert.equal(steps.gas, Number(gasUsed));
  }
});

await check("pools hold transactions alike", async () => {
  await waiting(servers, ask);
});

await check("an authorization of an empty account costs what it should", async () => {
  const raw = await authorizeEmpty();
  await ask("send", "eth_sendRawTransaction", [raw]);
  await servers.mine();
  const receipts = await servers.both("eth_getTransactionReceipt", [keccak256(raw)]);
  compare("receipt of an empty authority", receipts);
  assert.equal(Number(receipts[0].result.gasUsed), 21_000 + 25_000, "EIP-7702: no refund for an account that was empty");
});

await check("transactions that are wrong are refused alike", async () => {
  for (const [name, raw] of Object.entries(await refusals())) await ask(`refused: ${name}`, "eth_sendRawTransaction", [raw]);
});

process.exit(judge() ? 0 : 1);
