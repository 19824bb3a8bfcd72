// Drives a running devnet with viem, ethers and cast, and checks what they see.
//
//   node clients.mjs URL [URL ...]      (the node needs 50 funded accounts of the test mnemonic)
//
// Prints one line per check and a JSON summary at the end; exits with 1 at the first failure.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ethers } from "ethers";
import * as viem from "viem";
import { account, check, compile, here, mnemonic, until } from "./compile.mjs";

const modules = join(here, "node_modules");
const urls = process.argv.slice(2);
const accounts = Array.from({ length: 50 }, (_, index) => account(index));
const ether = 10n ** 18n;
const summary = {};

const chain = viem.defineChain({
  id: Number(process.env.WEFT_CHAIN_ID ?? 31337),
  name: "weft",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [urls[0]] } },
});
const publicClient = (url) =>
  viem.createPublicClient({ chain, transport: viem.http(url), pollingInterval: 50 });
const clients = urls.map(publicClient);
const wallet = (index, url = urls[0]) =>
  viem.createWalletClient({ chain, account: accounts[index], transport: viem.http(url) });

async function rpc(url, method, params = []) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const body = await response.json();
  if (body.error) throw new Error(`${method}: ${JSON.stringify(body.error)}`);
  return body.result;
}

const token = compile("Token.sol");

await check("all ports answer the chain id", async () => {
  for (const client of clients) assert.equal(await client.getChainId(), chain.id);
});

await check("viem sends a transfer and every port serves its receipt", async () => {
  const to = viem.getAddress("0x00000000000000000000000000000000000a11ce");
  const hash = await wallet(0).sendTransaction({ to, value: ether });
  const receipt = await clients[0].waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  for (const client of clients) {
    const other = await client.waitForTransactionReceipt({ hash });
    assert.equal(other.blockHash, receipt.blockHash);
    assert.equal(await client.getBalance({ address: to }), ether);
  }
  const before = await clients[0].getBalance({ address: to, blockNumber: receipt.blockNumber - 1n });
  assert.equal(before, 0n, "the balance before the block is historical");
});

let tokenAddress;
await check("viem deploys an ERC-20, calls it and reads its logs", async () => {
  const hash = await wallet(1).deployContract({ ...token, args: [1_000_000n * ether] });
  const receipt = await clients[0].waitForTransactionReceipt({ hash });
  tokenAddress = receipt.contractAddress;
  const read = (functionName, args = []) =>
    clients[0].readContract({ address: tokenAddress, abi: token.abi, functionName, args });
  assert.equal(await read("symbol"), "WTT");
  assert.equal(await read("balanceOf", [accounts[1].address]), 1_000_000n * ether);
  const sent = await wallet(1).writeContract({
    address: tokenAddress, abi: token.abi, functionName: "transfer", args: [accounts[2].address, 5n * ether],
  });
  const moved = await clients[0].waitForTransactionReceipt({ hash: sent });
  assert.equal(await read("balanceOf", [accounts[2].address]), 5n * ether);
  for (const client of clients) {
    await client.waitForTransactionReceipt({ hash: sent });
    const logs = await client.getContractEvents({
      address: tokenAddress, abi: token.abi, eventName: "Transfer",
      args: { from: accounts[1].address }, fromBlock: receipt.blockNumber, toBlock: "latest",
    });
    assert.equal(logs.length, 1);
    assert.equal(logs[0].args.value, 5n * ether);
    assert.equal(logs[0].transactionHash, moved.transactionHash);
  }
});

await check("a revert reaches viem with its custom error", async () => {
  await assert.rejects(
    clients[0].simulateContract({
      address: tokenAddress, abi: token.abi, functionName: "transfer",
      args: [accounts[1].address, 10n ** 30n], account: accounts[3],
    }),
    (error) => error.walk((e) => e.data?.errorName === "InsufficientBalance") !== null,
  );
});

await check("ethers sends, waits, deploys, calls and reads logs", async () => {
  // cacheTimeout: ethers would answer the next nonce from a cache of 250 ms, longer than a block takes.
  const options = { pollingInterval: 50, cacheTimeout: -1 };
  const provider = new ethers.JsonRpcProvider(urls[1 % urls.length], undefined, options);
  const signer = ethers.HDNodeWallet.fromPhrase(mnemonic, undefined, "m/44'/60'/0'/0/4").connect(provider);
  const sent = await signer.sendTransaction({ to: accounts[5].address, value: 7n });
  const receipt = await sent.wait();
  assert.equal(receipt.status, 1);
  const factory = new ethers.ContractFactory(token.abi, token.bytecode, signer);
  const contract = await factory.deploy(100n);
  await contract.waitForDeployment();
  await (await contract.transfer(accounts[5].address, 40n)).wait();
  assert.equal(await contract.balanceOf(accounts[5].address), 40n);
  const logs = await contract.queryFilter(contract.filters.Transfer(await signer.getAddress()));
  assert.equal(logs.length, 1);
  provider.destroy();
});

await check("cast sends, reads and prints", async () => {
  const cast = (...args) =>
    execFileSync(join(modules, "@foundry-rs", "cast-linux-amd64", "bin", "cast"), args, { encoding: "utf8" }).trim();
  const url = urls[2 % urls.length];
  assert.equal(cast("chain-id", "--rpc-url", url), String(chain.id));
  const key = viem.toHex(accounts[6].getHdKey().privateKey);
  const receipt = JSON.parse(
    cast("send", accounts[7].address, "--value", "1ether", "--private-key", key, "--rpc-url", url, "--json"),
  );
  assert.equal(receipt.status, "0x1");
  assert.equal(cast("call", tokenAddress, "symbol()(string)", "--rpc-url", url), '"WTT"');
  assert.ok(Number(cast("block-number", "--rpc-url", url)) > 0);
  assert.ok(cast("block", "latest", "--rpc-url", url).includes("stateRoot"));
});

await check("subscriptions tell of new heads and logs over WebSocket", async () => {
  const transport = viem.webSocket(urls[0].replace("http", "ws"));
  const client = viem.createPublicClient({ chain, transport });
  const heads = [];
  const logs = [];
  const stopHeads = client.watchBlocks({ onBlock: (block) => heads.push(block.number) });
  const stopLogs = client.watchContractEvent({
    address: tokenAddress, abi: token.abi, eventName: "Transfer", onLogs: (found) => logs.push(...found),
  });
  await until("the first head", () => heads.length > 0);
  const hash = await wallet(1).writeContract({
    address: tokenAddress, abi: token.abi, functionName: "transfer", args: [accounts[8].address, 3n],
  });
  const receipt = await clients[0].waitForTransactionReceipt({ hash });
  await until("the log and its head", () => logs.length > 0 && heads.includes(receipt.blockNumber));
  stopHeads();
  stopLogs();
  assert.equal(logs.length, 1);
  assert.equal(logs[0].transactionHash, hash);
  assert.ok(heads.includes(receipt.blockNumber));
  for (let i = 1; i < heads.length; i++) assert.equal(heads[i], heads[i - 1] + 1n, "no head is skipped");
  (await client.transport.getRpcClient()).close();
});

await check("1000 transfers from 50 accounts through all ports are included", async () => {
  const gasPrice = 3_000_000_000n;
  const nonces = await Promise.all(
    accounts.map((account) => clients[0].getTransactionCount({ address: account.address, blockTag: "pending" })),
  );
  const raw = [];
  for (let round = 0; round < 20; round++) {
    for (const [index, account] of accounts.entries()) {
      raw.push(await account.signTransaction({
        chainId: chain.id, type: "eip1559", nonce: nonces[index] + round, gas: 21_000n,
        maxFeePerGas: gasPrice, maxPriorityFeePerGas: 1_000_000n,
        to: `0x${(0xbeef0000 + index).toString(16).padStart(40, "0")}`, value: 1n,
      }));
    }
  }
  const started = performance.now();
  const hashes = [];
  for (let at = 0; at < raw.length; at += 100) {
    const batch = raw.slice(at, at + 100);
    const sent = batch.map((tx, i) => rpc(urls[(at + i) % urls.length], "eth_sendRawTransaction", [tx]));
    hashes.push(...(await Promise.all(sent)));
  }
  const accepted = performance.now() - started;
  const last = new Set(hashes);
  await until("the inclusion of all transfers", async () => {
    const asked = [...last].slice(0, 100);
    const receipts = await Promise.all(asked.map((hash) => rpc(urls[0], "eth_getTransactionReceipt", [hash])));
    asked.forEach((hash, i) => receipts[i] && last.delete(hash));
    return last.size === 0;
  });
  summary.transfers = hashes.length;
  summary.acceptedMs = Math.round(accepted);
  summary.includedMs = Math.round(performance.now() - started);
});

await check("every port gives the same blocks, receipts, access lists and records", async () => {
  const heights = await Promise.all(urls.map((url) => rpc(url, "eth_blockNumber")));
  const height = Math.min(...heights.map(Number));
  let transactions = 0;
  for (let number = 0; number <= height; number++) {
    const tag = viem.toHex(number);
    const views = await Promise.all(urls.map(async (url) => {
      const block = await rpc(url, "eth_getBlockByNumber", [tag, true]);
      const receipts = await rpc(url, "eth_getBlockReceipts", [tag]);
      const list = number === 0 ? null : await rpc(url, "eth_getBlockAccessList", [tag]);
      const record = number === 0 ? null : (await rpc(url, "weft_getBlockRecord", [tag])).deterministic;
      return JSON.stringify({ block, receipts, list, record });
    }));
    for (const view of views) assert.equal(view, views[0], `block ${number} differs`);
    const { block, receipts, record } = JSON.parse(views[0]);
    if (number > 0) assert.equal(record.transactions.length, receipts.length);
    assert.match(block.stateRoot, /^0x[0-9a-f]{64}$/);
    assert.equal(receipts.length, block.transactions.length);
    transactions += receipts.length;
  }
  summary.blocks = height + 1;
  summary.transactions = transactions;
});

console.log(JSON.stringify({ event: "summary", ...summary }));
process.exit(0);
