// Pure functions of the page:  node --test tests/ui/
import assert from "node:assert/strict";
import { test } from "node:test";
import { csv, dot, perfetto } from "../../node/ui/export.js";
import { answer, spots } from "../../node/ui/file.js";
import * as format from "../../node/ui/format.js";
import * as model from "../../node/ui/model.js";
import { naming } from "../../node/ui/names.js";

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
  assert.deepEqual([of("s")[0].tid, of("f")[0].tid, of("f")[0].ts], [0, 1, 12.999]);
  assert.deepEqual([of("s")[0].bp, of("f")[0].bp], [undefined, "e"]);
});

test("executions of one worker within a microsecond do not overlap in a trace", () => {
  const run = { tx: [0, 1, 1], incarnation: [0, 0, 1], worker: [0, 0, 0], start: [5, 5, 8], duration: [0, 3, 0], outcome: [0, 1, 0], by: [null, 0, null], cause: [null, 0, null], causes: ["X.count"] };
  const slices = perfetto(model.block(record([10, 10], [[0, 1]], run))).traceEvents.filter((event) => event.ph === "X");
  assert.deepEqual(slices.map((event) => [event.ts, event.dur]), [[5, 0.001], [5.001, 2.999], [8, 1]]);
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

test("the most called contracts have a colour of their own and the others share one", () => {
  const calls = [0, 1, 1, 2, 2, 2, ...Array.from({ length: 9 }, (_, i) => i + 3)];
  const colour = model.colours(calls, 13);
  assert.deepEqual([...colour.slice(0, 4)], [2, 1, 0, 3], "by calls, then by place");
  assert.deepEqual([...colour.slice(7)], [7, ...Array(5).fill(model.COLOURS)]);
});

test("nodes of the graph have the gas of their members and links count their edges", () => {
  const b = model.block(record([5, 7, 9, 11], [[0, 2], [1, 2], [0, 3], [1, 3]]));
  const { nodes, links } = model.layers(b, new Set(), 2);
  assert.deepEqual(nodes.map((node) => node.gas), [12, 20]);
  assert.deepEqual(links.map((link) => link.count), [4]);
});

test("the free row with the lowest number is taken whatever the order in which rows were left", () => {
  // Rows 0 to 3 end at 8, 2, 6, 4; the last ones begin at 9, when all are free.
  const b = model.block(record([8, 2, 6, 4, 1, 1, 1, 1], []));
  b.start.set([9, 9, 9, 9], 4);
  assert.deepEqual([...model.ideal(b).row], [0, 1, 2, 3, 0, 1, 2, 3]);
  const many = model.block(record(Array.from({ length: 40 }, (_, i) => 40 - i), []));
  many.start.set(Array(20).fill(50), 20);
  assert.deepEqual([...model.ideal(many).row].slice(20), Array.from({ length: 20 }, (_, i) => i));
});

test("the slice before a gap is not the one that is found far behind it", () => {
  const b = model.block(record(Array(9).fill(10), Array.from({ length: 8 }, (_, i) => [i, i + 1])));
  const slices = model.ideal(b);
  const [row] = model.byRow(slices);
  for (let x = 1; x < 90; x += 10) assert.equal(model.find(slices, row, x), (x - 1) / 10);
});

test("large and small numbers have their units too", () => {
  assert.deepEqual([format.gas(1_500_000_000), format.gas(999)], ["1.50 Ggas", "999 gas"]);
  assert.deepEqual([format.time(2_500_000), format.time(null)], ["2.50 s", "–"]);
  assert.deepEqual([format.percent(1, 5000), format.percent(0, 7), format.percent(1, 50)], ["<0.1%", "0%", "2.0%"]);
  assert.deepEqual([format.count(1, "block"), format.count(3, "block")], ["1 block", "3 blocks"]);
  assert.deepEqual([format.ether(5), format.ether(0)], ["5 wei", "0"]);
  assert.deepEqual([format.ago(1), format.ago(60), format.ago(600), format.ago(7200)], ["now", "60 s ago", "10 min ago", "2 h ago"]);
  assert.deepEqual([format.short(`0x${"ab".repeat(20)}`), format.short("0x12")], ["0xabab…abab", "0x12"]);
});

test("signed numbers and tuples among the arguments", () => {
  const minus = `0x00000000${"f".repeat(64)}`;
  assert.equal(format.decode("f(int8)", minus)[0].value, "-1");
  assert.equal(format.decode("f((uint8,uint8),uint8)", `0x00000000${"0".repeat(192)}`), null, "one tuple, not two halves of one");
});

test("what is called how", () => {
  const b = model.block(record([10, 10], [[0, 1, 0]]));
  assert.equal(naming(b).called(0), "0xb.f");
  assert.equal(naming({ ...b, functions: ["transfer"] }).called(0), "ether to 0xb");
  assert.equal(naming({ ...b, functions: ["transfer(address,uint256)"] }).called(0), "0xb.transfer");
  assert.equal(naming({ ...b, creates: [1, 0] }).called(0), "creates 0xb");
  assert.equal(naming({ ...b, names: ["alice", null] }).account(0), "alice");
  assert.equal(naming(b).where(0), "storage of 0xb");
  assert.equal(naming({ ...b, locations: [{ kind: "storage", address: "0xb", name: "X.count" }] }).where(0), "X.count");
});

test("a trace names the workers and tells how each execution ended", () => {
  const run = { tx: [0, 1, 1, 0], incarnation: [0, 0, 1, 1], worker: [0, 1, 1, 0], start: [0, 1, 20, 30], duration: [10, 12, 5, 1], outcome: [0, 1, 2, 3], by: [null, 0, 0, null], cause: [null, 0, null, null], causes: ["X.count"] };
  const { traceEvents: events } = perfetto(model.block(record([10, 10], [[0, 1]], run)));
  const of = (ph) => events.filter((event) => event.ph === ph);
  assert.deepEqual(of("M").map((event) => [event.name, event.tid, event.args.name]), [["process_name", 0, "weft block 1"], ["thread_name", 0, "worker 0"], ["thread_name", 1, "worker 1"]]);
  assert.deepEqual(of("X").map((event) => [event.cat, event.cname]), [["settled", undefined], ["aborted", "terrible"], ["blocked", "grey"], ["panicked", "black"]]);
  assert.equal(of("X")[2].args.waitsFor, 0);
  assert.equal(of("s").length, 1, "who waits was not thrown away");
});

test("a page of a file answers like a node", () => {
  const whole = { ...record([10, 10, 10], [[0, 1]]), hash: "0xabc" };
  const conflict = (address, gas) => ({ address, serialisedGas: gas, writers: [0], readers: [1, 2], waiting: 2 });
  const file = { record: whole, advice: { advice: [1] }, conflicts: [conflict("0xB", 30), conflict("0xC", 10)], criticalPath: { steps: [] }, transactions: [] };
  const asked = (method, ...params) => answer(file, method, params).result;
  assert.equal(asked("weft_getBlockRecord", "latest"), whole);
  assert.deepEqual([asked("weft_getAdvice", "0x1"), asked("weft_getAdvice", "0x2")], [file.advice, null]);
  assert.deepEqual([asked("weft_getCriticalPath", "0x1"), asked("weft_getCriticalPath", "0x2")], [file.criticalPath, null]);
  assert.deepEqual([asked("weft_getConflicts", "0x1", { limit: 1 }).length, asked("weft_getConflicts", "0x1").length, asked("weft_getConflicts", "0x2").length], [1, 2, 0]);
  assert.deepEqual([asked("eth_getBlockByHash", "0xabc"), asked("eth_getBlockByHash", "0xdef")], [{ number: "0x1" }, null]);
  const [slot] = spots(file, "0xb").slots;
  assert.deepEqual([slot.shareOfWaiting, slot.samples, slot.writers], [0.75, [{ block: 1, index: 1 }, { block: 1, index: 2 }], 1]);
});
