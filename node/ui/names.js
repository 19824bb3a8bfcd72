// What transactions, accounts and places of a block are called.

import { bare, short } from './format.js';

export function naming(b) {
  const account = (i) => b.names[i] ?? short(b.addresses[i]);
  const called = (tx) => {
    if (b.creates[tx]) return `creates ${account(b.to[tx])}`;
    const name = bare(b.functions[b.function[tx]]);
    return name === 'transfer' && b.functions[b.function[tx]] === 'transfer' ? `ether to ${account(b.to[tx])}` : `${account(b.to[tx])}.${name}`;
  };
  const where = (i) => {
    const place = b.locations[i];
    return place.name ?? `${place.kind} of ${short(place.address)}${place.slot ? ` at ${short(place.slot)}` : ''}`;
  };
  return { account, called, where, title: (tx) => `tx ${tx}: ${called(tx)}` };
}
