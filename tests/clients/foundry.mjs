// Drives a running devnet with forge and cast: deploy, send, wait, read, logs, subscribe.
//
//   node foundry.mjs URL
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as viem from "viem";
import { account, check, compile, here, privateKey, until } from "./compile.mjs";

const [url] = process.argv.slice(2);
const project = mkdtempSync(join(tmpdir(), "weft-forge-"));
process.on("exit", () => rmSync(project, { recursive: true, force: true }));
const program = (tool) => join(here, "node_modules", "@foundry-rs", `${tool}-linux-amd64`, "bin", tool);
const env = { ...process.env, FOUNDRY_DISABLE_NIGHTLY_WARNING: "1", NO_COLOR: "1" };
const run = (tool, ...args) =>
  execFileSync(program(tool), args, { encoding: "utf8", cwd: project, stdio: ["ignore", "pipe", "pipe"], env }).trim();
const cast = (...args) => run("cast", ...args, "--rpc-url", url);
const key = privateKey(14);
const owner = account(14).address;
const other = account(15).address;

mkdirSync(join(project, "src"));
mkdirSync(join(project, "script"));
copyFileSync(join(here, "Token.sol"), join(project, "src", "Token.sol"));
writeFileSync(
  join(project, "foundry.toml"),
  `[profile.default]\nsolc = "${join(here, "solc.mjs")}"\nevm_version = "prague"\noffline = true\n`,
);
// Without the standard library of forge, which is not part of its package: the few lines of it that scripts need.
writeFileSync(
  join(project, "script", "Token.s.sol"),
  `pragma solidity ^0.8.24;
import {Token} from "../src/Token.sol";
interface Vm {
  struct EthGetLogs {
    address emitter; bytes32[] topics; bytes data; bytes32 blockHash; uint64 blockNumber;
    bytes32 transactionHash; uint64 transactionIndex; uint256 logIndex; bool removed;
  }
  function startBroadcast(uint256 key) external;
  function stopBroadcast() external;
  function eth_getLogs(uint256 from, uint256 to, address target, bytes32[] memory topics) external returns (EthGetLogs[] memory);
}
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
  function read(Token token) external {
    require(token.balanceOf(${other}) == 7 && token.allowance(${owner}, ${other}) == 9, "state");
    bytes32[] memory topics = new bytes32[](1);
    topics[0] = Token.Transfer.selector;
    Vm.EthGetLogs[] memory logs = vm.eth_getLogs(0, block.number, address(token), topics);
    require(logs.length == 2 && abi.decode(logs[1].data, (uint256)) == 7, "logs");
  }
}
`,
);
let token;
let hash;

await check("forge create deploys", () => {
  const out = run("forge", "create", "src/Token.sol:Token", "--rpc-url", url, "--private-key", key, "--broadcast", "--json", "--constructor-args", "1000");
  token = JSON.parse(out).deployedTo;
  assert.match(token, /^0x[0-9a-fA-F]{40}$/);
});

await check("cast deploys", () => {
  const { abi, bytecode } = compile("Token.sol");
  const code = viem.encodeDeployData({ abi, bytecode, args: [3n] });
  const receipt = JSON.parse(run("cast", "send", "--rpc-url", url, "--private-key", key, "--json", "--create", code));
  assert.equal(receipt.status, "0x1");
  assert.equal(cast("call", receipt.contractAddress, "balanceOf(address)(uint256)", owner), "3");
});

await check("cast sends, waits, reads state, receipts and logs", () => {
  const receipt = JSON.parse(cast("send", token, "transfer(address,uint256)", other, "40", "--private-key", key, "--json"));
  assert.equal(receipt.status, "0x1");
  hash = receipt.transactionHash;
  assert.equal(cast("call", token, "balanceOf(address)(uint256)", other), "40");
  assert.equal(JSON.parse(cast("receipt", hash, "--json")).blockHash, receipt.blockHash);
  const logs = JSON.parse(cast("logs", "--address", token, "--from-block", "1", "--json", "Transfer(address,address,uint256)"));
  assert.equal(logs.length, 2);
  assert.equal(cast("storage", token, "0"), viem.toHex(1000, { size: 32 }));
  assert.ok(cast("code", token).length > 100);
  assert.equal(cast("estimate", other, "--value", "1", "--from", other), "21000");
  // The mapping is at slot 1 of the contract.
  const slot = viem.keccak256(viem.concat([viem.pad(other), viem.toHex(1, { size: 32 })]));
  const list = cast("access-list", token, "balanceOf(address)", other);
  assert.ok(list.toLowerCase().includes(token.toLowerCase()) && list.includes(slot), list);
  assert.match(cast("client"), /weft/);
});

await check("cast run executes a transaction again", () => {
  const out = cast("run", hash);
  assert.ok(out.includes("Transaction successfully executed"), out);
  const used = BigInt(JSON.parse(cast("receipt", hash, "--json")).gasUsed);
  assert.ok(out.includes(`Gas used: ${used}`), out);
});

await check("cast hears of logs", async () => {
  const args = ["logs", "--subscribe", "--address", token, "--json", "--rpc-url", url.replace("http", "ws")];
  const child = spawn(program("cast"), args, { env, stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  let heard = "";
  child.stdout.on("data", (text) => (heard += text));
  const sent = [];
  // It does not say when it has subscribed: whatever was sent after that it must tell.
  await until("a log", () => {
    const receipt = JSON.parse(cast("send", token, "transfer(address,uint256)", other, "1", "--private-key", key, "--json"));
    sent.push(receipt.transactionHash);
    return sent.some((each) => heard.includes(each));
  });
  child.kill("SIGKILL");
});

await check("forge script broadcasts several transactions, and reads state and logs", () => {
  const script = (...args) => run("forge", "script", "script/Token.s.sol:Deploy", "--rpc-url", url, ...args);
  const out = script("--broadcast", "--slow");
  assert.ok(out.includes("ONCHAIN EXECUTION COMPLETE & SUCCESSFUL"), out);
  const record = JSON.parse(readFileSync(join(project, "broadcast", "Token.s.sol", "31337", "run-latest.json"), "utf8"));
  assert.deepEqual(record.receipts.map((receipt) => receipt.status), ["0x1", "0x1", "0x1"]);
  const [{ contractAddress }] = record.transactions;
  assert.match(script("--sig", "read(address)", contractAddress), /Script ran successfully/);
});
process.exit(0);
