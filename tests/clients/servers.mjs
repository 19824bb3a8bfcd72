// The two servers of the differential run, kept in step: whatever block Weft makes, anvil makes one of the same number,
// timestamp and transactions.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import * as viem from "viem";
import { here, until } from "./compile.mjs";

let id = 0;

/** One request to one server: `{result}` or `{error}`. */
export async function rpc(url, method, params = []) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params }),
  });
  const { result, error } = await response.json();
  return error === undefined ? { result } : { error };
}

async function ask(url, method, params) {
  const { result, error } = await rpc(url, method, params);
  assert.equal(error, undefined, `${method}: ${JSON.stringify(error)}`);
  return result;
}

/** Both servers. `weft` has one validator, so that a transaction that it has taken is in the next block. */
export class Servers {
  /** Names of block hashes, so that answers that name the same block are equal. */
  #names = new Map();
  /** For each server, its block hashes by name. */
  #hashes = [new Map(), new Map()];

  /** Starts anvil on the genesis of this devnet, and stops both from making blocks of their own. */
  static async start(weft) {
    await ask(weft, "anvil_setIntervalMining", [0]);
    await ask(weft, "evm_setAutomine", [false]);
    const genesis = await ask(weft, "eth_getBlockByNumber", ["0x0", false]);
    const self = new Servers();
    self.urls = [weft, await startAnvil(genesis, Number(await ask(weft, "eth_chainId")))];
    self.head = -1;
    const head = await ask(weft, "eth_getBlockByNumber", ["latest", false]);
    await ask(self.urls[1], "anvil_setCoinbase", [head.miner]);
    await self.#follow(Number(head.number));
    self.first = self.head + 1;
    return self;
  }

  /** The same request to both. */
  async both(method, params) {
    const answers = this.urls.map((url, who) => rpc(url, method, replace(params, this.#hashes[who])));
    return (await Promise.all(answers)).map((answer) => replace(answer, this.#names));
  }

  /** Both include what they have in their pools. */
  async mine() {
    await ask(this.urls[0], "evm_mine", []);
    await this.#follow(this.head + 1);
    assert.equal(Number(await ask(this.urls[0], "eth_blockNumber")), this.head, "Weft makes no other blocks");
  }

  async #follow(height) {
    while (this.head < height) {
      const number = this.head + 1;
      const tag = viem.toHex(number);
      const [weft, anvil] = this.urls;
      const block = await ask(weft, "eth_getBlockByNumber", [tag, false]);
      if (number > 0) {
        // anvil's first block has the base fee of block 0; from then on both work it out.
        if (number === 1) await ask(anvil, "anvil_setNextBlockBaseFeePerGas", [block.baseFeePerGas]);
        await ask(anvil, "evm_setNextBlockTimestamp", [Number(block.timestamp)]);
        await ask(anvil, "evm_mine");
      }
      const other = await ask(anvil, "eth_getBlockByNumber", [tag, false]);
      for (const [who, { hash }] of [block, other].entries()) {
        this.#names.set(hash, hashOf(number));
        this.#hashes[who].set(hashOf(number), hash);
      }
      this.head = number;
    }
  }
}

/** Stands for the hash of a block, which is not the same on both servers, in requests and answers. */
export const hashOf = (number) => `hash of block ${number}`;

/** The value with every string that has another one in the map replaced by that. */
function replace(value, by) {
  if (typeof value === "string") return by.get(value) ?? value;
  if (Array.isArray(value)) return value.map((each) => replace(each, by));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replace(each, by)]));
}

async function startAnvil(genesis, chainId) {
  const program = join(here, "node_modules", "@foundry-rs", "anvil-linux-amd64", "bin", "anvil");
  const args = [
    ["--port", 0], ["--chain-id", chainId], ["--hardfork", "osaka"], ["--accounts", 10], ["--balance", 10_000],
    ["--gas-limit", Number(genesis.gasLimit)], ["--base-fee", Number(genesis.baseFeePerGas)],
    ["--timestamp", Number(genesis.timestamp)], ["--no-mining"], ["--steps-tracing"], ["--enable-tx-gas-limit"],
  ].flat().map(String);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (text) => (said += text));
  const [, address] = await until("anvil listens", () => said.match(/Listening on (\S+)/));
  child.stdout.removeAllListeners("data").resume();
  return `http://${address}`;
}
