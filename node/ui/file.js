// A record inside the page itself: a page that was exported, or made of a file, has no node to ask.

/** The record, or null where the page comes from a node. */
export const file = JSON.parse(globalThis.document?.getElementById('record')?.textContent ?? 'null');

/** Answers like a node that has this one block: { result } or { error }. */
export function answer(record, method, params) {
  const block = record.record;
  const here = Number(params[0]) === block.number || params[0] === 'latest';
  switch (method) {
    case 'weft_getBlockRecord': return { result: here ? block : null };
    case 'weft_getAdvice': return { result: here ? record.advice : null };
    case 'weft_getCriticalPath': return { result: here ? record.criticalPath : null };
    case 'weft_getConflicts': return { result: here ? record.conflicts.slice(0, params[1]?.limit ?? 25) : [] };
    case 'weft_getTransactionRecord': return { result: transaction(record, params[0]) };
    case 'eth_getBlockByHash': return { result: params[0] === block.hash ? { number: `0x${block.number.toString(16)}` } : null };
    case 'eth_getTransactionByHash': return { result: null };
    default: return { error: { code: -32601, message: 'this page shows a file and has no node to ask' } };
  }
}

function transaction(record, which) {
  if (!record.transactions) return null;
  if (typeof which === 'string') return record.transactions.find((one) => one.hash === which) ?? null;
  return Number(which.block) === record.record.number ? record.transactions[Number(which.index)] ?? null : null;
}

/** Where transactions waited at an account, and which functions of it waited: as weft_getHotspots has them. */
export function spots(record, address) {
  const c = record.record.deterministic.columns;
  const number = record.record.number;
  const total = record.conflicts.reduce((sum, one) => sum + one.serialisedGas, 0) || 1;
  const sample = (index) => ({ block: number, index });
  const slots = record.conflicts.filter((one) => one.address.toLowerCase() === address.toLowerCase()).map((one) => ({
    ...one, writers: one.writers.length, shareOfWaiting: one.serialisedGas / total, samples: one.readers.slice(0, 8).map(sample),
  }));
  const place = c.addresses.findIndex((one) => one.toLowerCase() === address.toLowerCase());
  const sent = [];
  const called = [];
  for (let i = 0; i < c.gas.length; i++) {
    if (c.from[i] === place) sent.push(i);
    if (c.to[i] === place) called.push(i);
  }
  return { slots, sent, called, name: c.addressNames[place] ?? null };
}
