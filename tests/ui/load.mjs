// Contracts and transactions that make blocks worth looking at.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(process.env.WEFT_CLIENTS ?? join(here, "../clients"), "package.json"));
export const { ethers } = require("ethers");
const solc = require("solc");

const PHRASE = "test test test test test test test test test test test junk";
const root = ethers.HDNodeWallet.fromPhrase(PHRASE, "", "m/44'/60'/0'/0");

export async function rpc(url, method, ...params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const answer = await response.json();
  if (answer.error) throw new Error(`${method}: ${JSON.stringify(answer.error)}`);
  return answer.result;
}

/** The contracts of a file. */
export function compile(file = join(here, "Loads.sol")) {
  const name = basename(file);
  const sources = { [name]: { content: readFileSync(file, "utf8") } };
  const outputSelection = { "*": { "*": ["abi", "evm.bytecode.object", "storageLayout"] } };
  const settings = { evmVersion: "prague", optimizer: { enabled: true, runs: 200 }, outputSelection };
  const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
  const errors = (output.errors ?? []).filter((one) => one.severity === "error");
  if (errors.length) throw new Error(errors.map((one) => one.formattedMessage).join("\n"));
  return output.contracts[name];
}

/** Signs and sends as several people, keeping their nonces. */
export class Crowd {
  constructor(url, chainId, people) {
    this.url = url;
    this.chainId = chainId;
    this.people = Array.from({ length: people }, (_, i) => ({ wallet: root.deriveChild(i), nonce: 0 }));
  }

  /** Takes up the nonces that the chain has. */
  async learnNonces() {
    await Promise.all(this.people.map(async (one) => {
      one.nonce = Number(await rpc(this.url, "eth_getTransactionCount", one.wallet.address, "pending"));
    }));
  }

  /** One signed transaction of a person. */
  async sign(person, { to, data = "0x", value = 0n, gas = 300_000n }) {
    const one = this.people[person % this.people.length];
    return one.wallet.signTransaction({
      type: 2, chainId: this.chainId, nonce: one.nonce++, to, data, value, gasLimit: gas,
      maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 10n ** 6n,
    });
  }

  /** Sends transactions [person, request] in one batch, and waits until all are in blocks. Returns the number of the
   *  block with most of them. */
  async send(list) {
    const raw = await Promise.all(list.map(([person, request]) => this.sign(person, request)));
    const hashes = [];
    for (let i = 0; i < raw.length; i += 100) {
      const batch = raw.slice(i, i + 100).map((one, k) => ({ jsonrpc: "2.0", id: k, method: "eth_sendRawTransaction", params: [one] }));
      const response = await fetch(this.url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(batch) });
      for (const answer of await response.json()) {
        if (answer.error) throw new Error(JSON.stringify(answer.error));
        hashes.push(answer.result);
      }
    }
    const blocks = new Set();
    for (const hash of hashes) {
      for (let tries = 0; ; tries++) {
        const receipt = await rpc(this.url, "eth_getTransactionReceipt", hash);
        if (receipt) {
          blocks.add(Number(receipt.blockNumber));
          break;
        }
        if (tries > 600) throw new Error(`${hash} is in no block`);
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    }
    const sizes = await Promise.all([...blocks].map(async (number) => [number, Number(await rpc(this.url, "eth_getBlockTransactionCountByNumber", `0x${number.toString(16)}`))]));
    return sizes.sort((a, b) => b[1] - a[1])[0][0];
  }
}

/** Deploys everything and sends blocks of each pattern. Returns what is where. */
export async function busyChain(url) {
  const contracts = compile();
  const chainId = Number(await rpc(url, "eth_chainId"));
  const crowd = new Crowd(url, chainId, 40);
  const names = ["Counter", "FeeToken", "Token", "Art", "Pair", "Work"];
  const at = Object.fromEntries(names.map((name, i) => [name, ethers.getCreateAddress({ from: crowd.people[i].wallet.address, nonce: 0 })]));
  await crowd.send(names.map((name, i) => [i, { to: null, data: `0x${contracts[name].evm.bytecode.object}`, gas: 3_000_000n }]));
  for (const name of ["Counter", "FeeToken", "Token", "Art", "Work"]) {
    await rpc(url, "weft_registerAbi", at[name], contracts[name].abi, contracts[name].storageLayout, name);
  }
  const faces = Object.fromEntries(names.map((name) => [name, new ethers.Interface(contracts[name].abi)]));
  const call = (name, method, ...args) => ({ to: at[name], data: faces[name].encodeFunctionData(method, args) });
  const people = crowd.people.map((one) => one.wallet.address);
  const each = (n, make) => Array.from({ length: n }, (_, i) => make(i));
  const blocks = {};
  blocks.ether = await crowd.send(each(40, (i) => [i, { to: people[(i + 7) % 40], value: 10n ** 15n, gas: 21_000n }]));
  blocks.independent = await crowd.send(each(40, (i) => [i, call("Work", "run", 60 + (i % 5) * 120)]));
  blocks.counter = await crowd.send(each(40, (i) => [i, call("Counter", "increment")]));
  blocks.mixed = await crowd.send(each(160, (i) => {
    const kind = i % 8;
    if (kind === 0) return [i, call("Counter", "increment")];
    if (kind === 1) return [i, call("FeeToken", "transfer", people[(i * 3) % 40], 100 + i * i)];
    if (kind === 2) return [i, call("Art", "mint", people[i % 40])];
    if (kind === 3) return [i, call("Pair", "swap", 5 + i, i, people[i % 40], "0x")];
    if (kind < 6) return [i, call("Work", "run", 100 + (i % 7) * 90)];
    return [i, call("Token", "transfer", people[(i + 11) % 40], i)];
  }));
  blocks.chain = await crowd.send(each(30, (i) => [i < 18 ? 3 : i, call("Work", "run", 80)]));
  return { at, people, blocks };
}
