// Leaves the record page open while blocks come, and fails when its memory grows.
//
//   node tests/ui/live.mjs --weft PATH [--minutes 10] [--rate 5] [--port 21630]
//
// Every half minute the garbage of the page is collected, and heap, DOM nodes and listeners are read over DevTools. The first
// third is for caches to fill; after it the heap may not grow by more than a tenth and 1 MiB, nodes by not more than a tenth.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch, openTab } from "./browser.mjs";

const { values: args } = parseArgs({ options: {
  weft: { type: "string", default: "weft" }, minutes: { type: "string", default: "10" },
  rate: { type: "string", default: "5" }, port: { type: "string", default: "21630" },
} });
const minutes = Number(args.minutes);
const rate = Number(args.rate);
const data = mkdtempSync(join(tmpdir(), "weft-live-"));
const origin = `http://127.0.0.1:${args.port}`;
const until = Date.now() + minutes * 60_000;

const devnet = spawn(args.weft, ["devnet", "--quiet", "--validators", "1", "--port", args.port, "--data", join(data, "net")], { stdio: ["ignore", "ignore", "inherit"] });
for (let tries = 0; !(await fetch(origin).catch(() => null)); tries++) {
  if (tries > 300) throw new Error("the devnet did not start");
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const load = spawn(args.weft, ["load", "--rpc", origin, "--transactions", String(Math.ceil(minutes * 60 * rate)), "--rate", String(rate), "--batch", "1",
  "--connections", "1", "--mix", "transfer=3,erc20=3,swap=2,mint=1,deposit=1", "--conflict", "0.3"], { stdio: "inherit" });
const ended = new Promise((resolve) => load.once("exit", resolve));

const browser = launch();
const samples = [];
try {
  const tab = await openTab(browser, origin);
  await tab.goto(`${origin}/`);
  await tab.send("HeapProfiler.enable");
  await tab.send("Performance.enable");
  const every = Math.min(30_000, minutes * 60_000 / 12);
  while (Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, every));
    await tab.send("HeapProfiler.collectGarbage");
    const { metrics } = await tab.send("Performance.getMetrics");
    const of = (name) => metrics.find((one) => one.name === name).value;
    const height = await tab.evaluate("document.querySelector('.tile .value')?.textContent");
    samples.push({ heap: of("JSHeapUsedSize"), nodes: of("Nodes"), listeners: of("JSEventListeners"), height });
    const { heap, nodes, listeners } = samples.at(-1);
    console.log(`${Math.round(minutes * 60 - (until - Date.now()) / 1000)} s: heap ${(heap / 2 ** 20).toFixed(2)} MiB, ${nodes} nodes, ${listeners} listeners, height ${height}`);
  }
  const faults = [...tab.faults];
  const settled = samples.slice(Math.floor(samples.length / 3));
  const least = (name, part) => Math.min(...part.map((one) => one[name]));
  const [start, end] = [settled.slice(0, Math.ceil(settled.length / 3)), settled.slice(-Math.ceil(settled.length / 3))];
  const grown = (name, slack) => {
    const [from, to] = [least(name, start), least(name, end)];
    console.log(`${name}: ${from} -> ${to}`);
    if (to > from * 1.1 + slack) faults.push(`${name} grew from ${from} to ${to}`);
  };
  grown("heap", 2 ** 20);
  grown("nodes", 200);
  grown("listeners", 100);
  if (samples.at(-1).height === samples[0].height) faults.push("the page did not follow the chain");
  if (faults.length) {
    console.error(`not ok:\n${[...new Set(faults)].join("\n")}`);
    process.exitCode = 1;
  } else console.log(`ok: ${minutes} minutes at ${rate} transactions a second`);
} finally {
  await browser.close();
  load.kill("SIGTERM");
  devnet.kill("SIGINT");
  await new Promise((resolve) => devnet.once("exit", resolve));
  await ended;
  rmSync(data, { recursive: true, force: true });
}
