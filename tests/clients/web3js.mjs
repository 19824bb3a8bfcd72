// Drives a running devnet with web3.js.
//
//   node web3js.mjs URL
import assert from "node:assert/strict";
import { mnemonicToAccount } from "viem/accounts";
import { Web3 } from "web3";
import { check, compileToken, mnemonic } from "./compile.mjs";

const [url] = process.argv.slice(2);
const web3 = new Web3(url);
web3.eth.transactionPollingInterval = 20;
const account = (addressIndex) =>
  web3.eth.accounts.privateKeyToAccount(
    `0x${Buffer.from(mnemonicToAccount(mnemonic, { addressIndex }).getHdKey().privateKey).toString("hex")}`,
  );
const [from, to] = [account(10), account(11)];
web3.eth.accounts.wallet.add(from);
const token = compileToken();
let contract;

await check("web3.js sends and waits", async () => {
  const before = await web3.eth.getBalance(to.address);
  const receipt = await web3.eth.sendTransaction({ from: from.address, to: to.address, value: 5n });
  assert.equal(receipt.status, 1n);
  assert.equal(await web3.eth.getBalance(to.address), before + 5n);
});

await check("web3.js deploys, calls, reads logs", async () => {
  const factory = new web3.eth.Contract(token.abi);
  contract = await factory
    .deploy({ data: token.bytecode, arguments: [1000n] })
    .send({ from: from.address });
  await contract.methods.transfer(to.address, 40n).send({ from: from.address });
  assert.equal(await contract.methods.balanceOf(to.address).call(), 40n);
  const logs = await contract.getPastEvents("Transfer", { fromBlock: 0, filter: { from: from.address } });
  assert.equal(logs.length, 1);
  assert.equal(logs[0].returnValues.value, 40n);
});

await check("web3.js hears of heads and logs", async () => {
  const socket = new Web3(url.replace("http", "ws"));
  const heads = [];
  const logs = [];
  const ofHeads = await socket.eth.subscribe("newBlockHeaders");
  ofHeads.on("data", (head) => heads.push(head.number));
  const ofLogs = await socket.eth.subscribe("logs", { address: contract.options.address });
  ofLogs.on("data", (log) => logs.push(log));
  const receipt = await contract.methods.transfer(to.address, 2n).send({ from: from.address });
  const deadline = performance.now() + 5000;
  while ((logs.length === 0 || !heads.includes(receipt.blockNumber)) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(logs.length, 1);
  assert.equal(logs[0].transactionHash, receipt.transactionHash);
  assert.ok(heads.includes(receipt.blockNumber));
  socket.currentProvider.disconnect();
});
process.exit(0);
