// Opens the record page of a real devnet in Chromium and fails on errors, foreign requests and things out of place.
//
//   node tests/ui/page.mjs --weft PATH [--port 21610] [--out FOLDER]
//
// Needs chromium (or CHROMIUM=path) and `npm ci` in tests/clients (or WEFT_CLIENTS=folder where that was done). Pictures of
// every view are left in --out.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch, openTab } from "./browser.mjs";
import { Crowd, busyChain, rpc } from "./load.mjs";
import { exports, faucet, search, standalone } from "./tools.mjs";

const { values: args } = parseArgs({ options: {
  weft: { type: "string", default: "weft" }, port: { type: "string", default: "21610" }, out: { type: "string" },
} });
const out = args.out ?? mkdtempSync(join(tmpdir(), "weft-pictures-"));
mkdirSync(out, { recursive: true });
const data = mkdtempSync(join(tmpdir(), "weft-ui-data-"));
const origin = `http://127.0.0.1:${args.port}`;

const devnet = spawn(args.weft, ["devnet", "--json", "--accounts", "40", "--port", args.port, "--data", join(data, "net")], { stdio: ["ignore", "pipe", "inherit"] });
await new Promise((resolve, reject) => {
  devnet.stdout.once("data", resolve);
  devnet.once("exit", () => reject(new Error("the devnet did not start")));
});
devnet.stdout.resume();
const browser = launch();
const faults = [];

async function visit(name, path, options, look = async () => {}) {
  const tab = await openTab(browser, origin, options);
  await tab.goto(`${origin}/${path}`);
  await look(tab);
  writeFileSync(join(out, `${name}.png`), await tab.picture());
  const wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth");
  if (wide > 0) faults.push(`${name}: ${wide} pixels wider than the screen`);
  faults.push(...tab.faults.map((fault) => `${name}: ${fault}`));
  await tab.close();
  console.log(`ok ${name}`);
}
const text = (tab) => tab.evaluate("document.getElementById('main').innerText");
const says = (...words) => async (tab) => {
  const found = (await text(tab)).toLowerCase();
  for (const word of words) assert.ok(found.includes(word.toLowerCase()), `${word} is missing in:\n${found}`);
};

try {
  await visit("empty-1440", "", {}, says("Nothing has run yet", "cast send"));
  const { at, people, blocks } = await busyChain(origin);
  console.log(JSON.stringify(blocks));
  const { mixed, counter, chain, ether } = blocks;
  const waiting = await lastIncrement(mixed);
  const phone = { width: 390, height: 844, scale: 2 };
  await visit("home-1440", "", {}, says("Speed-up", "Hot spots", "Advice", "Counter.count"));
  await visit("home-390", "", phone, says("Blocks"));
  await visit("home-dark", "", { dark: true });
  await visit("counter-1440", `#/block/${counter}`, {}, says("global counter", "Counter.count", "Critical path", "tx 1 ← tx 0"));
  await visit("mixed-1440", `#/block/${mixed}?tx=${waiting}`, {}, says("Lanes", "Who waits for whom", "Where they met", `tx ${waiting}`));
  await visit("mixed-ideal", `#/block/${mixed}`, {}, async (tab) => {
    await tab.evaluate("[...document.querySelectorAll('[role=tab]')].find((b) => b.textContent.includes('unlimited')).click()");
    await new Promise((resolve) => setTimeout(resolve, 200));
  });
  await visit("mixed-390", `#/block/${mixed}`, phone);
  await visit("mixed-dark", `#/block/${mixed}?tx=${waiting}`, { dark: true });
  await visit("chain-1440", `#/block/${chain}`, {}, says("nonce chain"));
  await visit("ether-1440", `#/block/${ether}`, {}, says("nothing to fix"));
  await visit("tx-1440", `#/tx/${mixed}/${waiting}`, {}, says("Waited for", "Executions on this node", "Counter.count"));
  await visit("tx-390", `#/tx/${mixed}/${waiting}`, phone);
  await visit("contract-1440", `#/address/${at.Counter}`, {}, says("Counter", "contract", "Counter.count"));
  await visit("account-1440", `#/address/${people[0]}`, {}, says("alice"));
  await visit("absent-1440", "#/block/999999", {}, says("no record"));
  await keys(mixed);
  await search(browser, origin, mixed, at.Counter, faults);
  await standalone(browser, await exports(browser, origin, mixed, faults, args.weft), mixed, faults, args.weft, out);
  await faucet(browser, origin, faults);
  await large();
  await live(people);
} finally {
  await browser.close();
  devnet.kill("SIGINT");
  await new Promise((resolve) => devnet.once("exit", resolve));
  rmSync(data, { recursive: true, force: true });
}
if (faults.length) {
  console.error(`not ok:\n${[...new Set(faults)].join("\n")}`);
  process.exit(1);
}
console.log(`ok: pictures in ${out}`);

/** Place of the last call of the counter in a block. */
async function lastIncrement(number) {
  const record = await rpc(origin, "weft_getBlockRecord", `0x${number.toString(16)}`, { columns: true });
  const { functions, function: called } = record.deterministic.columns;
  return called.lastIndexOf(functions.indexOf("increment()"));
}

/** Arrow keys walk, search finds, and the address of a selection can be shared. */
async function keys(number) {
  const tab = await openTab(browser, origin);
  await tab.goto(`${origin}/#/block/${number}`);
  const key = (name) => tab.send("Input.dispatchKeyEvent", { type: "keyDown", key: name, code: name });
  await key("ArrowLeft");
  await tab.until(`document.title.startsWith('block ${number - 1} ')`, "left arrow");
  await key("ArrowRight");
  await tab.until(`document.title.startsWith('block ${number} ')`, "right arrow");
  await tab.evaluate(`(() => { const q = document.getElementById('query'); q.value = '${number - 1}'; q.form.requestSubmit(); })()`);
  await tab.until(`document.title.startsWith('block ${number - 1} ')`, "search");
  await tab.evaluate("(() => { const q = document.getElementById('query'); q.value = 'nonsense'; q.form.requestSubmit(); })()");
  assert.ok(await tab.evaluate("document.getElementById('query').classList.contains('wrong')"));
  const perfetto = await tab.evaluate("import('/ui/rpc.js').then((r) => r.call('weft_getExecutionTrace', '0x" + number.toString(16) + "')).then((t) => t.traceEvents.length)");
  assert.ok(perfetto > 20, `${perfetto} events`);
  faults.push(...tab.faults.map((fault) => `keys: ${fault}`));
  await tab.close();
  console.log("ok keys");
}

/** Twenty thousand transactions are drawn in less than half a second. */
async function large() {
  const tab = await openTab(browser, origin);
  await tab.goto(`${origin}/`);
  const times = await tab.evaluate(`(async () => {
    const { block, measured, ideal } = await import('/ui/model.js');
    const { gantt } = await import('/ui/gantt.js');
    const { graph } = await import('/ui/graph.js');
    const n = 20000, up = (make) => Array.from({ length: n }, (_, i) => make(i));
    const depth = up((i) => i % 10 === 0 ? i / 10 : 0);
    const edges = { from: [], to: [], location: [], truncated: false };
    for (let i = 10; i < n; i += 10) { edges.from.push(i - 10); edges.to.push(i); edges.location.push(0); }
    const record = { number: 1, hash: '0x', timestamp: 0,
      deterministic: { workGas: n * 50000, criticalPathGas: n * 5000, criticalPath: up((i) => i).filter((i) => i % 10 === 0), dependentTransactions: n / 10 - 1, bestSpeedup: { unlimited: 10 },
        columns: { addresses: ['0x1', '0x2'], addressNames: [null, null], addressKinds: [null, null], functions: ['f()'],
          from: up(() => 0), to: up(() => 1), function: up(() => 0), creates: up(() => 0), gas: up(() => 50000), status: up(() => 1), depth, startGas: depth.map((d) => d * 50000),
          edges, locations: [{ kind: 'storage', address: '0x2', slot: '0x0', name: 'X.count' }] } },
      local: { workers: 8, wallUs: 250000, columns: { tx: up((i) => i), incarnation: up(() => 0), worker: up((i) => i % 8), start: up((i) => Math.floor(i / 8) * 100), duration: up(() => 95), outcome: up((i) => i % 17 === 0 ? 1 : 0), by: up(() => null), cause: up(() => null), causes: [] } } };
    const started = performance.now();
    const b = block(record);
    const decoded = performance.now();
    const events = { chosen() {}, describe: () => [], isOnPath: () => false, name: String, where: String };
    const once = (element) => { const at = performance.now(); element.paintNow(); element.getContext('2d').getImageData(0, 0, 1, 1); return performance.now() - at; };
    // The machine may be busy with other things: the best of three.
    const draw = (element) => { document.body.append(element); const took = Math.min(once(element), once(element), once(element)); element.remove(); return took; };
    const [m, layoutAt] = [measured(b), performance.now()];
    const schedule = ideal(b);
    const layout = performance.now() - layoutAt;
    const graphAt = performance.now();
    const net = graph(b, new Set(), 1100, events);
    const netLayout = performance.now() - graphAt;
    return { decode: decoded - started, lanes: draw(gantt(m, b, events)), ideal: layout + draw(gantt(schedule, b, events)), graph: netLayout + draw(net.element) };
  })()`);
  console.log(`20,000 transactions, ms: ${JSON.stringify(Object.fromEntries(Object.entries(times).map(([k, v]) => [k, Math.round(v)])))}`);
  for (const [name, ms] of Object.entries(times)) if (ms > 500) faults.push(`large: ${name} took ${Math.round(ms)} ms`);
  faults.push(...tab.faults.map((fault) => `large: ${fault}`));
  await tab.close();
}

/** A block that comes while the page is open appears by itself. */
async function live(people) {
  const tab = await openTab(browser, origin);
  await tab.goto(`${origin}/`);
  const before = await tab.evaluate("document.querySelector('tbody tr td a').textContent");
  const crowd = new Crowd(origin, 31337, 40);
  await crowd.learnNonces();
  await crowd.send([[0, { to: people[1], value: 1n, gas: 21_000n }]]);
  await tab.until(`document.querySelector('tbody tr td a').textContent !== '${before}'`, "the new block");
  faults.push(...tab.faults.map((fault) => `live: ${fault}`));
  await tab.close();
  console.log("ok live");
}
