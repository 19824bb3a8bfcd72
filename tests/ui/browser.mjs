// Chromium over its debugging pipe: no library, no port.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Starts a headless browser. */
export function launch(binary = process.env.CHROMIUM ?? "chromium") {
  const profile = mkdtempSync(join(tmpdir(), "weft-ui-"));
  const child = spawn(
    binary,
    [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--mute-audio",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
      `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank",
    ],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const [, , , input, output] = child.stdio;
  const waiting = new Map();
  const listeners = new Set();
  let id = 0;
  let rest = Buffer.alloc(0);
  output.on("data", (data) => {
    rest = Buffer.concat([rest, data]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const message = JSON.parse(rest.subarray(0, end).toString());
      rest = rest.subarray(end + 1);
      if (message.id === undefined) listeners.forEach((listener) => listener(message));
      else {
        const { resolve, reject } = waiting.get(message.id);
        waiting.delete(message.id);
        if (message.error) reject(new Error(message.error.message));
        else resolve(message.result);
      }
    }
  });
  const send = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++id, { resolve, reject });
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  const close = async () => {
    await send("Browser.close").catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill("SIGKILL");
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { send, close, listen: (listener) => listeners.add(listener) };
}

/** A tab that notes errors and requests to anywhere but `origin`. */
export async function openTab(browser, origin, { width = 1440, height = 900, dark = false, scale = 1 } = {}) {
  const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
  const send = (method, params) => browser.send(method, params, sessionId);
  const faults = [];
  browser.listen(({ method, params, sessionId: from }) => {
    if (from !== sessionId) return;
    if (method === "Runtime.exceptionThrown") faults.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) faults.push(params.args.map((arg) => arg.value ?? arg.description).join(" "));
    if (method === "Log.entryAdded" && params.entry.level === "error") faults.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    if (method === "Network.requestWillBeSent" && !/^(data|blob|about):/.test(params.request.url) && !params.request.url.startsWith(`${origin}/`)) faults.push(`foreign request: ${params.request.url}`);
    if (method === "Network.webSocketCreated" && !params.url.startsWith(origin.replace("http", "ws"))) faults.push(`foreign socket: ${params.url}`);
  });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
  await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: scale, mobile: width < 600 });
  await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
  const evaluate = async (expression) => {
    const answer = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text);
    return answer.result.value;
  };
  const until = async (condition, what, patience = 15_000) => {
    const end = Date.now() + patience;
    while (!(await evaluate(condition).catch(() => false))) {
      if (Date.now() > end) throw new Error(`not within ${patience} ms: ${what ?? condition}`);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  };
  return {
    faults, send, evaluate, until,
    close: () => browser.send("Target.closeTarget", { targetId }),
    goto: async (url) => {
      await send("Page.navigate", { url });
      await until("document.readyState === 'complete' && document.getElementById('main')?.dataset.ready", url);
      await new Promise((resolve) => setTimeout(resolve, 350));
    },
    picture: async (whole = true) => {
      const { cssContentSize: size } = await send("Page.getLayoutMetrics");
      const clip = whole ? { x: 0, y: 0, width, height: Math.min(size.height, 6000), scale: 1 } : undefined;
      const { data } = await send("Page.captureScreenshot", { format: "png", captureBeyondViewport: whole, clip });
      return Buffer.from(data, "base64");
    },
  };
}
