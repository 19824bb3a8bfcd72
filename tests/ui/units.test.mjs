// Pure functions of the page:  node --test tests/ui/
import assert from "node:assert/strict";
import { test } from "node:test";
import { csv, dot, perfetto } from "../../node/ui/export.js";
import { answer, spots } from "../../node/ui/file.js";
import * as format from "../../node/ui/format.js";
import * as model from "../../node/ui/model.js";

/** A block of `gas` transactions with edges [from, to]. */
function record(gas, edges = [], run = null) {
  const depth = gas.map(() => 0);
  const start = gas.map(() => 0);
  for (const [from, to] of edges) {
    depth[to] = Math.max(depth[to], depth[from] + 1);
    start[to] = Math.max(start[to], start[from] + gas[from]);
  }
  return {
    number: 1, hash: "0x", timestamp: 0,
    deterministic: {
      workGas: gas.reduce((a, b) => a + b, 0), criticalPathGas: Math.max(...gas.map((g, i) => g + start[i])), criticalPath: [], dependentTransactions: 0, bestSpeedup: {},
      columns: {
        addresses: ["0xa", "0xb"], addressNames: [null, null], addressKinds: [null, null], functions: ["f()"],
        from: gas.map(() => 0), to: gas.map(() => 1), function: gas.map(() => 0), creates: gas.map(() => 0),
        gas, status: gas.map(() => 1), depth, startGas: start,
        edges: { from: edges.map((e) => e[0]), to: edges.map((e) => e[1]), location: edges.map((e) => e[2] ?? 0), truncated: false },
        locations: [{ kind: "storage", address: "0xb" }, { kind: "nonce", address: "0xa" }],
      },
    },
    local: run && { workers: 2, wallUs: 100, columns: run },
  };
}

test("the ideal schedule ends with the critical path and no core does two things at once", () => {
  const gas = [10, 20, 5, 30, 10, 10, 7];
  const b = model.block(record(gas, [[0, 3], [1, 3], [2, 4], [4, 5]]));
  const slices = model.ideal(b);
  assert.equal(slices.end, 50);
  assert.equal(Math.max(...gas.map((g, i) => slices.start[i] + g)), 50);
  for (const row of model.byRow(slices)) {
    for (let k = 1; k < row.length; k++) {
      assert.ok(slices.start[row[k - 1]] + slices.duration[row[k - 1]] <= slices.start[row[k]]);
    }
  }
  assert.equal(slices.rows, 4, "four start at once");
});

test("random schedules never overlap and use no more rows than run at once", () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let round = 0; round < 50; round++) {
    const n = 1 + random(40);
    const edges = [];
    for (let to = 1; to < n; to++) if (random(2)) edges.push([random(to), to]);
    const b = model.block(record(Array.from({ length: n }, () => 1 + random(50)), edges));
    const slices = model.ideal(b);
    const ends = model.byRow(slices).every((row) => row.every((i, k) => k === 0 || slices.start[row[k - 1]] + slices.duration[row[k - 1]] <= slices.start[i]));
    assert.ok(ends, `round ${round}`);
    const most = Math.max(...b.start.map((t) => [...b.start].filter((s, j) => s <= t && t < s + b.gas[j]).length));
    assert.equal(slices.rows, most, `round ${round}`);
  }
});

test("a slice is found by its time, and the nearest within reach", () => {
  const b = model.block(record([10, 10, 10], [[0, 1], [1, 2]]));
  const slices = model.ideal(b);
  const [row] = model.byRow(slices);
  assert.equal(model.find(slices, row, 5), 0);
  assert.equal(model.find(slices, row, 15), 1);
  assert.equal(model.find(slices, row, 33), -1);
  assert.equal(model.find(slices, row, 33, 4), 2);
  assert.equal(model.find(slices, [], 1, 4), -1);
});

test("layers hide kinds, count the lonely, and group when there are many", () => {
  const b = model.block(record([1, 1, 1, 1, 1], [[0, 1, 0], [1, 2, 1]]));
  const all = model.layers(b, new Set());
  assert.deepEqual([all.nodes.length, all.links.length, all.depth, all.alone, all.grouped], [3, 2, 2, 2, false]);
  const slots = model.layers(b, new Set(["nonce"]));
  assert.deepEqual([slots.nodes.length, slots.depth, slots.alone], [2, 1, 3]);
  const grouped = model.layers(b, new Set(), 2);
  assert.equal(grouped.grouped, true);
  assert.equal(grouped.nodes.reduce((sum, node) => sum + node.members.length, 0), 3);
});

test("whom a transaction waits for and who waits for it", () => {
  const b = model.block(record([1, 1, 1], [[0, 1], [1, 2], [0, 2]]));
  const found = model.neighbours(b, 1);
  assert.deepEqual([found.waits.map((w) => w.tx), found.blocks.map((w) => w.tx)], [[0], [2]]);
});

test("the measured run has a row for each worker, idle ones too", () => {
  const run = { tx: [0], incarnation: [0], worker: [0], start: [3], duration: [4], outcome: [0], by: [null], cause: [null], causes: [] };
  const slices = model.measured(model.block(record([1], [], run)));
  assert.deepEqual([slices.rows, slices.end], [2, 100]);
  assert.equal(model.measured(model.block(record([1]))), null);
});

test("columns of blocks are joined without repeating any", () => {
  const known = { number: [1, 2, 3], gas: [1, 2, 3] };
  const joined = model.join(known, { number: [3, 4], gas: [9, 4] }, 3);
  assert.deepEqual(joined, { number: [2, 3, 4], gas: [2, 3, 4] });
  assert.deepEqual(model.join(known, { number: [], gas: [] }, 3), known);
});

test("ticks are round and within the range", () => {
  assert.deepEqual(model.ticks(0, 100, 5), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(model.ticks(0, 0, 5), []);
  assert.ok(model.ticks(13, 977, 6).every((t) => t >= 13 && t <= 977));
});

test("a bar is empty at 1 and full at its end", () => {
  assert.equal(model.bar(0.5), 0);
  assert.equal(model.bar(1), 0);
  assert.equal(model.bar(8), 0.5);
  assert.equal(model.bar(1e9), 1);
});

test("sparklines have gaps where nothing is known", () => {
  assert.deepEqual(model.spark([1, null, 2], 10, 4), [[0, 2], null, [10, 0]]);
  assert.deepEqual(model.spark([null], 10, 4), []);
});

test("numbers keep three digits and a unit", () => {
  assert.equal(format.gas(21000), "21.0 kgas");
  assert.equal(format.gas(9_310_000), "9.31 Mgas");
  assert.equal(format.gas(null), "–");
  assert.equal(format.time(950), "950 µs");
  assert.equal(format.time(11_700), "11.7 ms");
  assert.equal(format.integer(1234567), "1\u2009234\u2009567");
  assert.equal(format.times(3.44), "3.4×");
  assert.equal(format.percent(1, 3), "33%");
  assert.equal(format.percent(0, 0), "–");
  assert.equal(format.ether("0xde0b6b3a7640000"), "1 ETH");
  assert.equal(format.ether(15n * 10n ** 17n), "1.5 ETH");
});

test("what a person searches for becomes a route", () => {
  const hash = `0x${"ab".repeat(32)}`;
  assert.equal(format.searched(" 14 "), "#/block/14");
  assert.equal(format.searched("#14"), "#/block/14");
  assert.equal(format.searched("0x10"), "#/block/16");
  assert.equal(format.searched(hash), `#/hash/${hash}`);
  assert.equal(format.searched(`0x${"12".repeat(20)}`), `#/address/0x${"12".repeat(20)}`);
  assert.equal(format.searched("latest"), "#/block/latest");
  assert.equal(format.searched("hello"), null);
});

test("routes are taken apart", () => {
  assert.deepEqual(format.route("#/block/14?tx=7"), { view: "block", id: "14", query: { tx: "7" } });
  assert.deepEqual(format.route(""), { view: "home", id: "", query: {} });
});

test("arguments are decoded where the types allow it", () => {
  const word = (hex) => hex.padStart(64, "0");
  const input = `0xa9059cbb${word("70997970c51812dc3a010c7d01b50e0d17dc79c8")}${word("64")}`;
  assert.deepEqual(format.decode("transfer(address,uint256)", input).map((v) => v.value), ["0x70997970c51812dc3a010c7d01b50e0d17dc79c8", "100"]);
  assert.equal(format.decode("transfer(address,uint256)", "0xa9059cbb00"), null);
  assert.equal(format.decode("f((uint256))", `0x00000000${word("1")}`), null);
  const text = `0x00000000${word("20")}${word("5")}${Buffer.from("hello").toString("hex").padEnd(64, "0")}`;
  assert.equal(format.decode("f(string)", text)[0].value, '"hello"');
});

test("exports have one line for each transaction and each dependency", () => {
  const b = model.block(record([10, 20, 30], [[0, 1], [1, 2]]));
  const lines = csv(b).trimEnd().split("\n");
  assert.equal(lines.length, 4);
  assert.equal(lines[2], "1,0xa,0xb,f(),20,1,2,10");
  const graph = dot({ ...b, pathMembers: [0, 1, 2], functions: ['quote"(uint256)'] });
  assert.match(graph, /0 -> 1 \[tooltip="storage", penwidth=3\]/);
  assert.match(graph, /label="0 quote\\""/);
  assert.equal(csv({ ...b, functions: ["f(uint256,uint256)"] }).split("\n")[1], '0,0xa,0xb,"f(uint256,uint256)",10,1,1,0');
});

test("a trace has a slice for each execution and an arrow to each one that was thrown away", () => {
  const run = { tx: [0, 1, 1], incarnation: [0, 0, 1], worker: [0, 1, 1], start: [0, 1, 20], duration: [10, 12, 0], outcome: [0, 1, 0], by: [null, 0, null], cause: [null, 0, null], causes: ["X.count"] };
  const { traceEvents: events } = perfetto(model.block(record([10, 10], [[0, 1]], run)));
  const of = (ph) => events.filter((event) => event.ph === ph);
  assert.equal(of("X").length, 3);
  assert.deepEqual(of("X").map((event) => event.dur), [10, 12, 1]);
  assert.equal(of("X")[1].args.at, "X.count");
  assert.deepEqual([of("s")[0].tid, of("f")[0].tid, of("f")[0].ts], [0, 1, 13]);
});

test("a page of a file answers for its block alone", () => {
  const whole = record([10, 10], [[0, 1]]);
  const conflict = { address: "0xB", serialisedGas: 10, writers: [0], readers: [1], waiting: 1 };
  const file = { record: whole, advice: { advice: [] }, conflicts: [conflict], criticalPath: {}, transactions: [{ hash: "0x1" }, { hash: "0x2" }] };
  assert.equal(answer(file, "weft_getBlockRecord", ["0x1"]).result, whole);
  assert.equal(answer(file, "weft_getBlockRecord", ["0x2"]).result, null);
  assert.equal(answer(file, "weft_getTransactionRecord", ["0x2"]).result.hash, "0x2");
  assert.equal(answer(file, "weft_getTransactionRecord", [{ block: "0x1", index: "0x0" }]).result.hash, "0x1");
  assert.equal(answer(file, "weft_getTransactionRecord", [{ block: "0x7", index: "0x0" }]).result, null);
  assert.equal(answer(file, "eth_getBalance", ["0xb"]).error.code, -32601);
  assert.equal(answer({ ...file, transactions: null }, "weft_getTransactionRecord", ["0x2"]).result, null);
  const found = spots(file, "0xb");
  assert.deepEqual([found.slots.length, found.called, found.sent], [1, [0, 1], []]);
});
