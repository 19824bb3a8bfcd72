// The same transactions and the same questions to a devnet and to anvil; what they answer differently must be listed.
//
//   node differential.mjs URL        (a devnet of one validator that nobody else uses)
//
// Both make the same blocks: same numbers, timestamps, transactions, base fees. Hashes of blocks are compared by the
// number of the block that they belong to; nothing else is left out.
import { check } from "./compile.mjs";
import { compare, judge } from "./compare.mjs";
import { questions } from "./questions.mjs";
import { refusals } from "./refusals.mjs";
import { block, known, random } from "./script.mjs";
import { Servers } from "./servers.mjs";
import { waiting } from "./waiting.mjs";

const TRANSACTIONS = 500;
const QUESTIONS = 300;
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
  const asked = Object.keys(questions(servers.head)).length;
  for (let count = 0; count < QUESTIONS; count += asked) {
    for (const [name, [method, params]] of Object.entries(questions(servers.head))) await ask(name, method, params);
  }
});

await check("pools hold transactions alike", async () => {
  await waiting(servers, ask);
});

await check("transactions that are wrong are refused alike", async () => {
  for (const [name, raw] of Object.entries(await refusals())) await ask(`refused: ${name}`, "eth_sendRawTransaction", [raw]);
});

process.exit(judge() ? 0 : 1);
