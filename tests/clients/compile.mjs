// Compiles Token.sol with solc as a library.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

export const here = dirname(fileURLToPath(import.meta.url));

/** @returns {{abi: any[], bytecode: `0x${string}`}} */
export function compileToken() {
  const input = {
    language: "Solidity",
    sources: { "Token.sol": { content: readFileSync(join(here, "Token.sol"), "utf8") } },
    settings: {
      evmVersion: "prague",
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((e) => e.severity === "error");
  assert.deepEqual(errors, []);
  const { abi, evm } = output.contracts["Token.sol"].Token;
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}

export const mnemonic = "test test test test test test test test test test test junk";

/** Runs one check and prints a line about it. */
export async function check(name, run) {
  const started = performance.now();
  await run();
  console.log(`ok ${name} (${Math.round(performance.now() - started)} ms)`);
}
