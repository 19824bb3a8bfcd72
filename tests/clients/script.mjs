// The transactions of the differential run: the same in every run, many kinds, many of them meant to fail.
import * as viem from "viem";
import { account, compile } from "./compile.mjs";

export const zoo = compile("Zoo.sol");
export const accounts = Array.from({ length: 10 }, (_, index) => account(index));
/** They delegate to code (EIP-7702), and send nothing themselves. */
export const authorities = Array.from({ length: 4 }, (_, index) => account(20 + index));
export const encode = (functionName, args = []) => viem.encodeFunctionData({ abi: zoo.abi, functionName, args });
export const fresh = (n) => viem.padHex(viem.toHex(0xabc000 + n), { size: 20 });

let state = 0x2545f491;
/** A small generator (xorshift), so that every run does the same. */
export function random(below) {
  state ^= state << 13; state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5; state >>>= 0;
  return state % below;
}

const kinds = [
  () => ({ to: fresh(random(50)), value: BigInt(random(1000)), gas: 21_000n }),
  (to) => ({ to, data: encode("visit", [viem.toHex("x".repeat(random(80)))]), value: BigInt(random(5)), gas: 200_000n }),
  (to) => ({ to, data: encode("store", [BigInt(random(20)), BigInt(1 + random(6))]), gas: 300_000n }),
  (to) => ({ to, data: encode("clear", [BigInt(random(20)), BigInt(1 + random(6))]), gas: 300_000n }),
  (to) => ({ to, data: encode("refuse"), gas: 100_000n }),
  (to) => ({ to, data: encode("say", ["no, thank you"]), gas: 100_000n }),
  (to) => ({ to, data: encode("divide", [7n, BigInt(random(2))]), gas: 100_000n }),
  (to) => ({ to, data: encode("hatch"), gas: 3_000_000n }),
  (to) => ({ to, data: encode("attempt", [encode("refuse")]), gas: 300_000n }),
  (to) => ({ to, data: encode("attempt", [encode("visit", ["0x01"])]), gas: 300_000n }),
  (to) => ({ to, data: encode("burn", [BigInt(random(200))]), gas: 60_000n }),
  (to) => ({ to, data: encode("send", [fresh(60 + random(9)), BigInt(random(3))]), value: 2n, gas: 200_000n }),
  () => ({ data: zoo.bytecode, gas: 3_000_000n }),
  () => ({ data: "0x60ef60005360016000f3", gas: 200_000n }), // code that starts with 0xef is refused
  () => ({ data: "0xfe", gas: 90_000n }),
  () => ({ to: "0x0000000000000000000000000000000000000002", data: "0x616263", gas: 60_000n }),
  () => ({ to: authorities[random(authorities.length)].address, data: encode("visit", ["0x77"]), gas: 200_000n }),
];

/** What is known while the script runs: the next nonces, the contracts to call, what was sent, what takes many steps. */
export const known = { nonces: accounts.map(() => 0), authorized: authorities.map(() => 0), targets: [], sent: [], burning: new Set() };

/**
 * Signs transactions for one block. Both servers must put them into the same order: anvil orders by the highest price
 * that a transaction allows, Weft by what the proposer gets, so both fall from one transaction to the next.
 */
export async function block(size, heavy) {
  // Those with a tip come last: it is less than what the others give.
  const types = Array.from({ length: size }, () => ["legacy", "eip2930", "eip1559", "eip1559", "eip7702"][random(5)]);
  types.sort((a, b) => Number(a in TIPPED) - Number(b in TIPPED));
  const signed = [];
  for (const [place, type] of types.entries()) {
    const to = known.targets[random(known.targets.length)];
    const creation = { data: zoo.bytecode, gas: 3_000_000n };
    const funded = known.sent.length - 1; // after the first contract, each authority gets something
    const what = to === undefined ? creation : funded in authorities ? gift(funded) : heavy ? heaviest : kinds[random(kinds.length)](to);
    // A creation cannot carry authorizations.
    const fitting = type === "eip7702" && (what.to === undefined || funded in authorities) ? "eip1559" : type;
    signed.push(await sign(fitting, what, 20_000_000_000n - BigInt(place) * 10_000_000n));
  }
  return signed;
}

const TIPPED = { eip1559: true, eip7702: true };
/** Takes much gas in one step, because anvil keeps every step of every transaction in memory. */
const heaviest = { data: "0xfe", gas: 8_000_000n };

/** So that no authority is an empty account: what those cost is asked apart, see authorizeEmpty. */
const gift = (index) => ({ to: authorities[index].address, value: 1n, gas: 21_000n });

/** The authorization of an account that is empty. */
export async function authorizeEmpty() {
  const [contractAddress, empty] = [known.targets[0], account(30)];
  const authorizationList = [await empty.signAuthorization({ contractAddress, chainId: 31337, nonce: 0 })];
  const price = 20_000_000_000n;
  const what = { to: fresh(1), gas: 100_000n, maxFeePerGas: price, maxPriorityFeePerGas: price / 10n, authorizationList };
  return accounts[0].signTransaction({ chainId: 31337, type: "eip7702", nonce: known.nonces[0]++, ...what });
}

async function sign(type, what, price) {
  const who = random(accounts.length);
  const nonce = known.nonces[who]++;
  const tipped = { maxFeePerGas: price, maxPriorityFeePerGas: price / 10n };
  const more = {
    legacy: () => ({ gasPrice: price }),
    eip2930: () => ({ gasPrice: price, accessList: [{ address: what.to ?? fresh(1), storageKeys: [viem.pad("0x0")] }] }),
    eip1559: () => tipped,
    eip7702: async () => ({ ...tipped, authorizationList: [await authorize()] }),
  }[type];
  const extra = { legacy: 0n, eip1559: 0n, eip2930: 10_000n, eip7702: 50_000n }[type];
  const signed = { chainId: 31337, nonce, type, ...what, gas: what.gas + extra, ...(await more()) };
  const raw = await accounts[who].signTransaction(signed);
  const hash = viem.keccak256(raw);
  known.sent.push(hash);
  if (what.data?.startsWith(encode("burn", [0n]).slice(0, 10))) known.burning.add(hash);
  return { raw, hash };
}

/** An authorization, in one of four cases with a nonce that makes it void. */
function authorize() {
  const who = random(authorities.length);
  const good = random(4) > 0;
  const nonce = good ? known.authorized[who]++ : known.authorized[who] + 1;
  return authorities[who].signAuthorization({ contractAddress: known.targets[random(known.targets.length)], chainId: 31337, nonce });
}
