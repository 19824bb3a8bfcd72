// Takes the tutorial's pictures from a running devnet.
//
//   node docs/tutorial/pictures.mjs BEFORE AFTER [--rpc http://127.0.0.1:8545]      (numbers of the two blocks)
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch, openTab } from "../../tests/ui/browser.mjs";

const { values: args, positionals: [before, after] } = parseArgs({
  allowPositionals: true, options: { rpc: { type: "string", default: "http://127.0.0.1:8545" } },
});
const here = dirname(fileURLToPath(import.meta.url));
const browser = launch();
const faults = [];
try {
  for (const [name, path, from, to] of [
    ["before", `#/block/${before}?tx=2`, "h1", "Where they met"],
    ["after", `#/block/${after}`, "h1", "Advice"],
    ["home", "", ".strip", "Hot spots"],
  ]) {
    const tab = await openTab(browser, args.rpc, { width: 1100 });
    await tab.goto(`${args.rpc}/${path}`);
    // From the first thing to the end of the section with this heading.
    const [y, end] = await tab.evaluate(`(() => {
      const top = document.querySelector('${from}').getBoundingClientRect().top + scrollY;
      const heading = [...document.querySelectorAll('h2')].find((one) => one.textContent === '${to}');
      return [top, (heading?.closest('section') ?? document.body).getBoundingClientRect().bottom + scrollY];
    })()`);
    const clip = { x: 0, y: Math.max(0, y - 24), width: 1100, height: Math.min(end - y + 48, 2400), scale: 0.9 };
    const { data } = await tab.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true, clip });
    writeFileSync(join(here, `${name}.png`), Buffer.from(data, "base64"));
    faults.push(...tab.faults);
    await tab.close();
  }
} finally {
  await browser.close();
}
if (faults.length) throw new Error(faults.join("\n"));
