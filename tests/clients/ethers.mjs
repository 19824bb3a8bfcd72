// Drives a running devnet with ethers: deploy, send, wait, read, logs, subscribe.
//
//   node ethers.mjs URL
import assert from "node:assert/strict";
import { ethers } from "ethers";
import { account, check, compile, privateKey, until } from "./compile.mjs";

const [url] = process.argv.slice(2);
// cacheTimeout: ethers would answer the next nonce from a cache of 250 ms, longer than a block takes.
const options = { pollingInterval: 20, cacheTimeout: -1 };
const provider = new ethers.JsonRpcProvider(url, undefined, options);
const signer = new ethers.Wallet(privateKey(16), provider);
const to = account(17).address;
const token = compile("Token.sol");
let contract;

await check("ethers sends and waits", async () => {
  const before = await provider.getBalance(to);
  const receipt = await (await signer.sendTransaction({ to, value: 7n })).wait();
  assert.equal(receipt.status, 1);
  assert.equal(await provider.getBalance(to), before + 7n);
});

await check("ethers deploys, calls, reads logs and a custom error", async () => {
  contract = await new ethers.ContractFactory(token.abi, token.bytecode, signer).deploy(1000n);
  await contract.waitForDeployment();
  await (await contract.transfer(to, 40n)).wait();
  assert.equal(await contract.balanceOf(to), 40n);
  const logs = await contract.queryFilter(contract.filters.Transfer(signer.address));
  assert.deepEqual(logs.map((log) => log.args.value), [40n]);
  await assert.rejects(contract.transfer.staticCall(to, 10n ** 30n), (error) => error.revert?.name === "InsufficientBalance");
});

await check("ethers hears of heads and logs", async () => {
  const socket = new ethers.WebSocketProvider(url.replace("http", "ws"));
  const heads = [];
  const logs = [];
  await contract.connect(socket).on(contract.filters.Transfer(), (event) => logs.push(event.log ?? event.args.at(-1).log));
  await socket.on("block", (number) => heads.push(number));
  await until("the first head", () => heads.length > 0);
  const receipt = await (await contract.transfer(to, 2n)).wait();
  await until("the log and its head", () => logs.length > 0 && heads.includes(receipt.blockNumber));
  assert.deepEqual(logs.map((log) => log.transactionHash), [receipt.hash]);
  await socket.destroy();
});
process.exit(0);
