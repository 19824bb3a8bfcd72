// The page's own tools on a devnet: faucet, exports, search, and a page made of a file.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTab } from "./browser.mjs";
import { rpc } from "./load.mjs";

/** The faucet pays into an account and shows it. */
export async function faucet(browser, origin, faults) {
  const account = "0x00000000000000000000000000000000000fa0ce";
  const tab = await openTab(browser, origin);
  await tab.goto(`${origin}/`);
  await tab.until("!document.getElementById('faucet').hidden", "the faucet");
  await tab.evaluate(`(() => {
    document.getElementById('faucet').click();
    const form = document.querySelector('dialog form');
    form.address.value = '${account}';
    form.amount.value = '7';
    form.requestSubmit();
  })()`);
  await tab.until(`location.hash === '#/address/${account}'`, "the page of the funded account");
  assert.equal(BigInt(await rpc(origin, "eth_getBalance", account, "latest")), 7n * 10n ** 18n);
  faults.push(...tab.faults.map((fault) => `faucet: ${fault}`));
  await tab.close();
  console.log("ok faucet");
}

/** Each kind of export is a file that its readers take. */
export async function exports(browser, origin, number, faults, weft) {
  const folder = mkdtempSync(join(tmpdir(), "weft-exports-"));
  const tab = await openTab(browser, origin);
  await tab.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder });
  await tab.goto(`${origin}/#/block/${number}`);
  const files = { perfetto: "trace.json", json: "json", csv: "csv", dot: "dot", html: "html" };
  for (const [format, end] of Object.entries(files)) {
    await tab.evaluate(`(() => { const s = document.querySelector('select[aria-label^=export]'); s.value = '${format}'; s.dispatchEvent(new Event('change')); })()`);
    const name = `block-${number}.${end}`;
    for (let tries = 0; !readdirSync(folder).includes(name); tries++) {
      assert.ok(tries < 100, `${name} is not there: ${readdirSync(folder)}`);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  }
  const read = (end) => readFileSync(join(folder, `block-${number}.${end}`), "utf8");
  const count = Number(await rpc(origin, "eth_getBlockTransactionCountByNumber", `0x${number.toString(16)}`));
  const slices = JSON.parse(read("trace.json")).traceEvents.filter((event) => event.ph === "X");
  assert.ok(slices.length >= count, `${slices.length} slices for ${count} transactions`);
  assert.equal(JSON.parse(read("json")).transactions.length, count);
  assert.equal(read("csv").trim().split("\n").length, count + 1);
  assert.match(read("dot"), /^digraph/);
  // The command line reads both forms.
  for (const end of ["json", "html"]) {
    const text = execFileSync(weft, ["record", "show", join(folder, `block-${number}.${end}`)], { encoding: "utf8" });
    assert.ok(text.includes(`Block ${number}`) && text.includes("Advice"), text);
  }
  faults.push(...tab.faults.map((fault) => `exports: ${fault}`));
  await tab.close();
  console.log("ok exports");
  return folder;
}

/** A page with its record inside works from the disk, and from `weft record open`, without a request to anybody. */
export async function standalone(browser, folder, number, faults, weft, out) {
  const path = join(folder, `block-${number}.html`);
  const visit = async (name, origin, url) => {
    const tab = await openTab(browser, origin);
    await tab.goto(url);
    const text = await tab.evaluate("document.getElementById('main').innerText");
    for (const words of [`Block ${number}`, "Lanes", "Critical path", "Counter.count"]) assert.ok(text.includes(words), `${name}: ${words} is missing in\n${text}`);
    if (out) writeFileSync(join(out, `${name}.png`), await tab.picture());
    await tab.evaluate(`location.hash = '#/tx/${number}/0'`);
    await tab.until("document.title.startsWith('tx ')", "a transaction of the file");
    const asked = await tab.evaluate("performance.getEntriesByType('resource').filter((one) => !one.name.startsWith('data:')).map((one) => one.name)");
    assert.deepEqual(asked, [], `${name} asked for something`);
    faults.push(...tab.faults.map((fault) => `${name}: ${fault}`));
    await tab.close();
    console.log(`ok ${name}`);
  };
  await visit("file-1440", "file://", `file://${path}`);
  const server = spawn(weft, ["record", "open", join(folder, `block-${number}.json`), "--no-browser"], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((resolve) => server.stdout.once("data", (data) => resolve(String(data).split("\n")[0])));
  await visit("opened-1440", new URL(url).origin, url);
  server.kill("SIGINT");
  rmSync(folder, { recursive: true, force: true });
}

/** Search takes numbers, hashes of blocks and transactions, and addresses. */
export async function search(browser, origin, number, address, faults) {
  const tab = await openTab(browser, origin);
  await tab.goto(`${origin}/`);
  const block = await rpc(origin, "eth_getBlockByNumber", `0x${number.toString(16)}`, false);
  const look = (text) => tab.evaluate(`(() => { const q = document.getElementById('query'); q.value = '${text}'; q.form.requestSubmit(); })()`);
  await look(block.hash);
  await tab.until(`document.title.startsWith('block ${number} ')`, "a block by its hash");
  await look(block.transactions[0]);
  await tab.until("document.title.startsWith('tx ')", "a transaction by its hash");
  await look(address);
  await tab.until(`location.hash.toLowerCase() === '#/address/${address.toLowerCase()}'`, "an account");
  await look(String(number));
  await tab.until(`document.title.startsWith('block ${number} ')`, "a block by its number");
  faults.push(...tab.faults.map((fault) => `search: ${fault}`));
  await tab.close();
  console.log("ok search");
}
