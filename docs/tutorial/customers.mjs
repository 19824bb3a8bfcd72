// Deploys a contract of this folder, tells the node its names, and lets a hundred customers buy at the same time.
//
//   node docs/tutorial/customers.mjs Tickets [--rpc http://127.0.0.1:8545]
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Crowd, compile, ethers, rpc } from "../../tests/ui/load.mjs";

const { values: args, positionals: [name = "Tickets"] } = parseArgs({
  allowPositionals: true, options: { rpc: { type: "string", default: "http://127.0.0.1:8545" } },
});
const CUSTOMERS = 100;
const contract = compile(join(dirname(fileURLToPath(import.meta.url)), `${name}.sol`))[name];
const crowd = new Crowd(args.rpc, Number(await rpc(args.rpc, "eth_chainId")), CUSTOMERS);
await crowd.learnNonces();

const address = ethers.getCreateAddress({ from: crowd.people[0].wallet.address, nonce: crowd.people[0].nonce });
await crowd.send([[0, { to: null, data: `0x${contract.evm.bytecode.object}`, gas: 2_000_000n }]]);
await rpc(args.rpc, "weft_registerAbi", address, contract.abi, contract.storageLayout, name);
const data = new ethers.Interface(contract.abi).encodeFunctionData("buy");
const block = await crowd.send(Array.from({ length: CUSTOMERS }, (_, i) => [i, { to: address, data }]));
const count = Number(await rpc(args.rpc, "eth_getBlockTransactionCountByNumber", `0x${block.toString(16)}`));
console.log(`${name} is at ${address}; block ${block} has ${count} purchases`);
