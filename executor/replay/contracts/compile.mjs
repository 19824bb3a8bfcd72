// Compiles Loads.sol and writes the code of each contract, as it is after deployment, to <Contract>.hex.
//
//   npm install --no-save solc@0.8.37 && node compile.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = process.env.WEFT_NODE_MODULES;
const solc = createRequire(modules ? join(modules, "_") : import.meta.url)("solc");

const input = {
  language: "Solidity",
  sources: { "Loads.sol": { content: readFileSync(join(here, "Loads.sol"), "utf8") } },
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "osaka",
    metadata: { appendCBOR: false, bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["evm.deployedBytecode.object", "storageLayout"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
for (const problem of output.errors ?? []) {
  console.error(problem.formattedMessage);
  if (problem.severity === "error") process.exit(1);
}
for (const [name, contract] of Object.entries(output.contracts["Loads.sol"])) {
  const code = contract.evm.deployedBytecode.object;
  writeFileSync(join(here, `${name}.hex`), `${code}\n`);
  const layout = contract.storageLayout.storage.map(({ label, slot, offset }) => `${label}=${slot}.${offset}`);
  console.log(`${name}: ${code.length / 2} bytes; ${layout.join(" ")}`);
}
