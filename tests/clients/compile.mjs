// What the programs beside this file share: a compiler, accounts, and how a check is run.
//
//   node compile.mjs Token.sol        prints {"abi": [...], "bytecode": "0x..."}
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";
import { mnemonicToAccount } from "viem/accounts";

export const here = dirname(fileURLToPath(import.meta.url));
export const mnemonic = "test test test test test test test test test test test junk";

/**
 * Compiles one file of this folder with solc as a library.
 * @param {string} file such as "Token.sol", which holds the contract Token
 * @returns {{abi: any[], bytecode: `0x${string}`}}
 */
export function compile(file) {
  const input = {
    language: "Solidity",
    sources: { [file]: { content: readFileSync(join(here, file), "utf8") } },
    settings: {
      evmVersion: "prague",
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((e) => e.severity === "error");
  assert.deepEqual(errors, []);
  const { abi, evm } = output.contracts[file][basename(file, ".sol")];
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}

/** The account of the test mnemonic at this index, for viem. */
export const account = (addressIndex) => mnemonicToAccount(mnemonic, { addressIndex });

/** Its private key. */
export const privateKey = (index) =>
  `0x${Buffer.from(account(index).getHdKey().privateKey).toString("hex")}`;

/** Runs one check and prints a line about it. */
export async function check(name, run) {
  const started = performance.now();
  await run();
  console.log(`ok ${name} (${Math.round(performance.now() - started)} ms)`);
}

/** Waits until `holds()` answers something true, and answers that. The wait is long, for busy machines. */
export async function until(what, holds, timeoutMs = 60_000) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await holds();
    if (found) return found;
    assert.ok(performance.now() < deadline, `${what}: still not after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// A client that hangs is a failure, with a reason.
setTimeout(() => {
  console.error("this program has not come to its end within 280 s");
  process.exit(1);
}, 280_000).unref();

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(JSON.stringify(compile(process.argv[2])));
}
