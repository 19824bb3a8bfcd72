// The record of a block as the page draws it. Pure functions over arrays.

export const SETTLED = 0;
export const ABORTED = 1;
export const BLOCKED = 2;
export const PANICKED = 3;

/** Contracts that have a colour of their own; the others share the last. */
export const COLOURS = 8;

/** Takes the answer of weft_getBlockRecord with columns apart. */
export function block(record) {
  const d = record.deterministic;
  const c = d.columns;
  const n = c.gas.length;
  const run = record.local?.columns ?? null;
  return {
    number: record.number,
    hash: record.hash,
    timestamp: record.timestamp,
    size: n,
    work: d.workGas,
    path: d.criticalPathGas,
    pathMembers: d.criticalPath,
    best: d.bestSpeedup,
    waiting: d.dependentTransactions,
    addresses: c.addresses,
    names: c.addressNames,
    kinds: c.addressKinds,
    functions: c.functions,
    from: Uint32Array.from(c.from),
    to: Uint32Array.from(c.to),
    function: Uint32Array.from(c.function),
    creates: Uint8Array.from(c.creates),
    gas: Float64Array.from(c.gas),
    status: c.status,
    depth: Uint32Array.from(c.depth),
    start: Float64Array.from(c.startGas),
    edges: {
      from: Uint32Array.from(c.edges.from),
      to: Uint32Array.from(c.edges.to),
      location: Uint32Array.from(c.edges.location),
      truncated: c.edges.truncated,
    },
    locations: c.locations,
    colour: colours(c.to, c.addresses.length),
    local: record.local,
    run: run && {
      length: run.tx.length,
      tx: Uint32Array.from(run.tx),
      incarnation: Uint32Array.from(run.incarnation),
      row: Uint32Array.from(run.worker),
      start: Float64Array.from(run.start),
      duration: Float64Array.from(run.duration),
      outcome: Uint8Array.from(run.outcome),
      by: run.by,
      cause: run.cause,
      causes: run.causes,
    },
  };
}

/** A colour number for each address: the most called contracts get one of their own. */
export function colours(to, addresses) {
  const calls = new Uint32Array(addresses);
  for (const address of to) calls[address]++;
  const order = [...calls.keys()].sort((a, b) => calls[b] - calls[a] || a - b);
  const colour = new Uint8Array(addresses).fill(COLOURS);
  order.slice(0, COLOURS).forEach((address, place) => {
    if (calls[address] > 0) colour[address] = place;
  });
  return colour;
}

/** The run as it was measured: one row a worker. */
export function measured(b) {
  const run = b.run;
  if (!run || run.length === 0) return null;
  const rows = Math.max(b.local.workers, ...maximum(run.row, 0), 1);
  let end = b.local.wallUs;
  for (let i = 0; i < run.length; i++) end = Math.max(end, run.start[i] + run.duration[i]);
  return { ...run, rows, end: Math.max(end, 1), unit: 'time' };
}

function maximum(values, floor) {
  let most = floor;
  for (const value of values) most = Math.max(most, value + 1);
  return [most];
}

/**
 * The block as if there were a core for each transaction: x is gas, and each transaction starts when the last one that it
 * waits for has ended. A row is free again as soon as its transaction ends.
 */
export function ideal(b) {
  const n = b.size;
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((x, y) => b.start[x] - b.start[y] || x - y);
  const row = new Uint32Array(n);
  const busy = heap((x, y) => x[0] - y[0] || x[1] - y[1]);
  const free = heap((x, y) => x - y);
  let rows = 0;
  for (const i of order) {
    while (busy.size() && busy.top()[0] <= b.start[i]) free.push(busy.pop()[1]);
    const at = free.size() ? free.pop() : rows++;
    row[i] = at;
    busy.push([b.start[i] + b.gas[i], at]);
  }
  return {
    length: n,
    tx: Uint32Array.from({ length: n }, (_, i) => i),
    incarnation: new Uint32Array(n),
    row,
    start: b.start,
    duration: b.gas,
    outcome: new Uint8Array(n),
    by: [],
    cause: [],
    causes: [],
    rows: Math.max(rows, 1),
    end: Math.max(b.path, 1),
    unit: 'gas',
  };
}

function heap(compare) {
  const items = [];
  const swap = (a, b) => ([items[a], items[b]] = [items[b], items[a]]);
  return {
    size: () => items.length,
    top: () => items[0],
    push(item) {
      items.push(item);
      for (let i = items.length - 1; i > 0; ) {
        const parent = (i - 1) >> 1;
        if (compare(items[parent], items[i]) <= 0) break;
        swap(i, parent);
        i = parent;
      }
    },
    pop() {
      const top = items[0];
      const last = items.pop();
      if (items.length) {
        items[0] = last;
        for (let i = 0; ; ) {
          let least = i;
          for (const child of [2 * i + 1, 2 * i + 2]) {
            if (child < items.length && compare(items[child], items[least]) < 0) least = child;
          }
          if (least === i) break;
          swap(i, least);
          i = least;
        }
      }
      return top;
    },
  };
}

/** Slices of each row in the order of their starts, for drawing and finding. */
export function byRow(slices) {
  const rows = Array.from({ length: slices.rows }, () => []);
  for (let i = 0; i < slices.length; i++) rows[slices.row[i]].push(i);
  for (const row of rows) row.sort((a, b) => slices.start[a] - slices.start[b]);
  return rows;
}

/** The slice of a row that covers x, or the nearest within `reach`; -1 for none. */
export function find(slices, row, x, reach = 0) {
  let low = 0;
  let high = row.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (slices.start[row[middle]] <= x) low = middle;
    else high = middle - 1;
  }
  let best = -1;
  let distance = reach;
  for (let k = Math.max(0, low - 1); k <= Math.min(row.length - 1, low + 1); k++) {
    const i = row[k];
    const before = slices.start[i] - x;
    const behind = x - (slices.start[i] + slices.duration[i]);
    const away = Math.max(before, behind, 0);
    if (away <= distance) {
      if (away < distance || best < 0) best = i;
      distance = away;
    }
  }
  return best;
}

/** Whom a transaction waits for and who waits for it, with the places. */
export function neighbours(b, tx) {
  const waits = [];
  const blocks = [];
  const { from, to, location } = b.edges;
  for (let e = 0; e < from.length; e++) {
    if (to[e] === tx) waits.push({ tx: from[e], location: location[e] });
    if (from[e] === tx) blocks.push({ tx: to[e], location: location[e] });
  }
  return { waits, blocks };
}

/** Edges that are shown: kinds can be hidden. */
export function shownEdges(b, hidden) {
  const { from, to, location } = b.edges;
  const kept = [];
  for (let e = 0; e < from.length; e++) {
    if (!hidden.has(b.locations[location[e]].kind)) kept.push(e);
  }
  return { from, to, location, kept };
}

/**
 * Layers for the graph of dependencies: nodes by depth among the shown edges. Above `most` nodes, transactions of one depth
 * that call the same function are one node.
 */
export function layers(b, hidden, most = 500) {
  const { from, to, location, kept } = shownEdges(b, hidden);
  const depth = new Uint32Array(b.size);
  const touched = new Uint8Array(b.size);
  // Edges are in the order of their readers, so every writer's depth is final.
  for (const e of kept) {
    depth[to[e]] = Math.max(depth[to[e]], depth[from[e]] + 1);
    touched[from[e]] = touched[to[e]] = 1;
  }
  let connected = 0;
  for (const one of touched) connected += one;
  const grouped = connected > most;
  const nodes = [];
  const nodeOf = new Int32Array(b.size).fill(-1);
  const known = new Map();
  for (let i = 0; i < b.size; i++) {
    if (!touched[i]) continue;
    const key = grouped ? `${depth[i]}|${b.to[i]}|${b.function[i]}` : i;
    let node = known.get(key);
    if (node === undefined) {
      node = nodes.length;
      known.set(key, node);
      nodes.push({ depth: depth[i], members: [], gas: 0, colour: b.colour[b.to[i]] });
    }
    nodes[node].members.push(i);
    nodes[node].gas += b.gas[i];
    nodeOf[i] = node;
  }
  const links = new Map();
  for (const e of kept) {
    const key = nodeOf[from[e]] * 1e6 + nodeOf[to[e]];
    const link = links.get(key);
    if (link) link.count++;
    else links.set(key, { from: nodeOf[from[e]], to: nodeOf[to[e]], count: 1, location: location[e] });
  }
  let deepest = 0;
  for (const node of nodes) deepest = Math.max(deepest, node.depth);
  return { nodes, links: [...links.values()], nodeOf, depth: deepest, grouped, alone: b.size - connected };
}

/** Ticks of an axis from 0 to `end`, about `wanted` of them, at round numbers. */
export function ticks(from, to, wanted) {
  const raw = (to - from) / Math.max(1, wanted);
  if (!(raw > 0)) return [];
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * magnitude).find((s) => s >= raw);
  const found = [];
  for (let t = Math.ceil(from / step) * step; t <= to + step * 1e-9; t += step) found.push(t);
  return found;
}

/** Points of a sparkline in a box; gaps where there is no value. */
export function spark(values, width, height) {
  const known = values.filter((v) => v !== null && Number.isFinite(v));
  if (!known.length) return [];
  const most = Math.max(...known, 1e-9);
  const dx = values.length > 1 ? width / (values.length - 1) : 0;
  return values.map((v, i) => (v === null || !Number.isFinite(v) ? null : [i * dx, height - (v / most) * height]));
}

/** Where a speed-up stands on a bar of `full`: logarithmic, 1 is nothing. */
export function bar(speedup, full = 64) {
  if (!(speedup > 1)) return 0;
  return Math.min(1, Math.log2(speedup) / Math.log2(full));
}

/** Joins columns of blocks: `next` follows `known`. */
export function join(known, next, most) {
  if (!known) return next;
  const joined = {};
  const last = known.number.at(-1) ?? -1;
  const skip = next.number.findIndex((number) => number > last);
  for (const name of Object.keys(known)) {
    const fresh = skip < 0 ? [] : next[name].slice(skip);
    joined[name] = [...known[name], ...fresh].slice(-most);
  }
  return joined;
}
