// What the pools say of transactions that wait, and of those that are sent again.
import { keccak256 } from "viem";
import { compare } from "./compare.mjs";
import { accounts, fresh } from "./script.mjs";

/** Sends transactions of one account, looks at both pools, and has them included. */
export async function waiting(servers, ask) {
  const sender = accounts[9];
  const nonces = await servers.both("eth_getTransactionCount", [sender.address, "latest"]);
  const first = Number(nonces[0].result);
  const price = 5_000_000_000n;
  const raw = (account, nonce, changes = {}) => account.signTransaction({
    chainId: 31337, type: "eip1559", nonce, gas: 21_000n, maxFeePerGas: price, maxPriorityFeePerGas: price / 5n,
    to: fresh(1), value: 1n, ...changes,
  });
  const send = async (name, signed) => ask(`pool: ${name}`, "eth_sendRawTransaction", [signed]);
  const look = async (when, hash) => {
    if (hash) await ask(`pool: ${when}: by hash`, "eth_getTransactionByHash", [hash]);
    await ask(`pool: ${when}: status`, "txpool_status", []);
    await ask(`pool: ${when}: content`, "txpool_content", []);
    await ask(`pool: ${when}: inspect`, "txpool_inspect", []);
    await ask(`pool: ${when}: next nonce`, "eth_getTransactionCount", [sender.address, "pending"]);
    const pending = await servers.both("eth_getBlockByNumber", ["pending", true]);
    // What the clock says when they are asked.
    for (const { result } of pending) delete result.timestamp;
    compare(`pool: ${when}: pending block`, pending);
  };
  await look("empty");
  const ready = await raw(sender, first);
  await send("ready", ready);
  await send("known", ready);
  await send("after a gap", await raw(sender, first + 2));
  await look("waiting", keccak256(ready));
  await send("replaced for as much", await raw(sender, first, { value: 2n }));
  await send("replaced for a little more", await raw(sender, first, { maxFeePerGas: (price * 105n) / 100n, maxPriorityFeePerGas: (price * 105n) / 500n }));
  await send("replaced for more", await raw(sender, first, { maxFeePerGas: price * 2n, maxPriorityFeePerGas: price / 2n }));
  await look("replaced");
  await servers.mine();
  await look("after a block");
  await send("included before", ready);
  await send("fills the gap", await raw(sender, first + 1));
  await look("gap filled");
  await servers.mine();
  await look("all included");
}
