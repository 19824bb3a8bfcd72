// Drives a running devnet with forge and cast.
//
//   node foundry.mjs URL
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mnemonicToAccount } from "viem/accounts";
import { check, here, mnemonic } from "./compile.mjs";

const [url] = process.argv.slice(2);
const modules = process.env.WEFT_NODE_MODULES ?? join(here, "node_modules");
const project = mkdtempSync(join(tmpdir(), "weft-forge-"));
process.on("exit", () => rmSync(project, { recursive: true, force: true }));
const run = (tool, ...args) =>
  execFileSync(join(modules, "@foundry-rs", `${tool}-linux-amd64`, "bin", tool), args, {
    encoding: "utf8",
    cwd: project,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, FOUNDRY_DISABLE_NIGHTLY_WARNING: "1", NO_COLOR: "1" },
  }).trim();
const cast = (...args) => run("cast", ...args, "--rpc-url", url);
const key = `0x${Buffer.from(mnemonicToAccount(mnemonic, { addressIndex: 14 }).getHdKey().privateKey).toString("hex")}`;
const other = mnemonicToAccount(mnemonic, { addressIndex: 15 }).address;

mkdirSync(join(project, "src"));
mkdirSync(join(project, "script"));
copyFileSync(join(here, "Token.sol"), join(project, "src", "Token.sol"));
writeFileSync(
  join(project, "foundry.toml"),
  `[profile.default]\nsolc = "${join(here, "solc.mjs")}"\nevm_version = "prague"\noffline = true\n`,
);
// Without the standard library of forge, which is not part of its package: the few lines of it that a script needs.
writeFileSync(
  join(project, "script", "Deploy.s.sol"),
  `pragma solidity ^0.8.24;
import {Token} from "../src/Token.sol";
interface Vm { function startBroadcast(uint256 key) external; function stopBroadcast() external; }
contract Deploy {
  bool public constant IS_SCRIPT = true;
  Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
  function run() external {
    vm.startBroadcast(${key});
    Token token = new Token(5000);
    token.transfer(${other}, 7);
    token.approve(${other}, 9);
    vm.stopBroadcast();
  }
}
`,
);
let token;

await check("forge create deploys", () => {
  const out = run("forge", "create", "src/Token.sol:Token", "--rpc-url", url, "--private-key", key, "--broadcast", "--json", "--constructor-args", "1000");
  token = JSON.parse(out).deployedTo;
  assert.match(token, /^0x[0-9a-fA-F]{40}$/);
});

let hash;
await check("cast sends, waits, reads state, receipts and logs", () => {
  const receipt = JSON.parse(cast("send", token, "transfer(address,uint256)", other, "40", "--private-key", key, "--json"));
  assert.equal(receipt.status, "0x1");
  hash = receipt.transactionHash;
  assert.equal(cast("call", token, "balanceOf(address)(uint256)", other), "40");
  assert.equal(JSON.parse(cast("receipt", hash, "--json")).blockHash, receipt.blockHash);
  const logs = JSON.parse(cast("logs", "--address", token, "--from-block", "1", "--json", "Transfer(address,address,uint256)"));
  assert.equal(logs.length, 2);
  assert.equal(cast("storage", token, "0"), `0x${(1000).toString(16).padStart(64, "0")}`);
  assert.ok(cast("code", token).length > 100);
  assert.equal(cast("estimate", other, "--value", "1", "--from", other), "21000");
  assert.ok(cast("access-list", token, "balanceOf(address)", other).includes("slot"));
  assert.match(cast("client"), /weft/);
});

await check("cast run executes a transaction again", () => {
  const out = cast("run", hash);
  assert.ok(out.includes("Transaction successfully executed"), out);
  assert.match(out, /Gas used: \d+/);
});

await check("forge script broadcasts several transactions", () => {
  const out = run("forge", "script", "script/Deploy.s.sol:Deploy", "--rpc-url", url, "--broadcast", "--slow");
  assert.ok(out.includes("ONCHAIN EXECUTION COMPLETE & SUCCESSFUL"), out);
});
process.exit(0);
