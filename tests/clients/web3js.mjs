// Drives a running devnet with web3.js: deploy, send, wait, read, logs, subscribe.
//
//   node web3js.mjs URL
import assert from "node:assert/strict";
import { Web3 } from "web3";
import { check, compile, privateKey, until } from "./compile.mjs";

const [url] = process.argv.slice(2);
const web3 = new Web3(url);
// It polls for receipts and confirmations once a second if it is not told otherwise.
web3.eth.transactionPollingInterval = 20;
web3.eth.transactionReceiptPollingInterval = 20;
web3.eth.transactionConfirmationPollingInterval = 20;
const [from, to] = [10, 11].map((index) => web3.eth.accounts.privateKeyToAccount(privateKey(index)));
web3.eth.accounts.wallet.add(from);
const token = compile("Token.sol");
let contract;

await check("web3.js sends and waits", async () => {
  const before = await web3.eth.getBalance(to.address);
  const receipt = await web3.eth.sendTransaction({ from: from.address, to: to.address, value: 5n });
  assert.equal(receipt.status, 1n);
  assert.equal(await web3.eth.getBalance(to.address), before + 5n);
});

await check("web3.js deploys, calls, reads logs and a custom error", async () => {
  const factory = new web3.eth.Contract(token.abi);
  contract = await factory
    .deploy({ data: token.bytecode, arguments: [1000n] })
    .send({ from: from.address });
  await contract.methods.transfer(to.address, 40n).send({ from: from.address });
  assert.equal(await contract.methods.balanceOf(to.address).call(), 40n);
  const logs = await contract.getPastEvents("Transfer", { fromBlock: 0, filter: { from: from.address } });
  assert.deepEqual(logs.map((log) => log.returnValues.value), [40n]);
  await assert.rejects(
    contract.methods.transfer(to.address, 10n ** 30n).call({ from: from.address }),
    (error) => error.cause?.errorName === "InsufficientBalance",
  );
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
  await until("the log and its head", () => logs.length > 0 && heads.includes(receipt.blockNumber));
  assert.deepEqual(logs.map((log) => log.transactionHash), [receipt.transactionHash]);
  socket.currentProvider.disconnect();
});
process.exit(0);
