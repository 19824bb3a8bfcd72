// Transactions that neither server takes.
import * as viem from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { accounts, fresh, known } from "./script.mjs";

/** Names and raw transactions. The first account has sent before, and has funds. */
export async function refusals() {
  const rich = accounts[0];
  const poor = privateKeyToAccount(viem.toHex(77n, { size: 32 }));
  const nonce = known.nonces[0];
  const base = {
    chainId: 31337, type: "eip1559", nonce, gas: 21_000n, to: fresh(1), value: 1n,
    maxFeePerGas: 20_000_000_000n, maxPriorityFeePerGas: 1n,
  };
  const cases = {
    "nonce too low": [rich, { nonce: 0 }],
    "no funds": [poor, { nonce: 0 }],
    "more than there is": [rich, { value: 10n ** 30n }],
    "another chain": [rich, { chainId: 5 }],
    "too little gas": [rich, { gas: 20_999n }],
    "too little gas for data": [rich, { data: `0x${"ff".repeat(100)}` }],
    "more gas than a transaction may have": [rich, { gas: 20_000_000n }],
    "more gas than a block has": [rich, { gas: 1n << 40n }],
    "tip above the price": [rich, { maxPriorityFeePerGas: 20_000_000_001n }],
    "price below the base fee": [accounts[2], { nonce: known.nonces[2], maxFeePerGas: 1n, maxPriorityFeePerGas: 0n }],
    "initcode too large": [rich, { to: undefined, data: `0x${"00".repeat(49_153)}`, gas: 10_000_000n }],
  };
  const signed = {};
  for (const [name, [account, changes]] of Object.entries(cases)) {
    // Signed as it is: the libraries would not sign some of these.
    signed[name] = await account.signTransaction({ ...base, ...changes }, { serializer: unchecked });
  }
  return {
    ...signed,
    "nothing": "0x",
    "cut off": "0x02c0",
    "not RLP": "0x1234",
    "unknown type": "0x05c0",
    "no signature": unchecked({ ...base }),
    "bytes after it": `${await accounts[1].signTransaction({ ...base, nonce: known.nonces[1] })}00`,
    "not hex": "0xzz",
  };
}

/** EIP-1559's encoding, without anybody's opinion about the values. */
function unchecked(transaction, signature) {
  const hex = (value) => (value ? viem.toHex(value) : "0x");
  const { chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gas, to, value, data } = transaction;
  const fields = [hex(chainId), hex(nonce), hex(maxPriorityFeePerGas), hex(maxFeePerGas), hex(gas), to ?? "0x", hex(value), data ?? "0x", []];
  const seal = signature ? [hex(signature.yParity), viem.trim(signature.r), viem.trim(signature.s)] : [];
  return viem.concat(["0x02", viem.toRlp([...fields, ...seal])]);
}
