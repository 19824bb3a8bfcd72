// Judges two answers. A difference has a place, such as "receipt: .logs[].data"; differences.json lists the places where
// Weft and anvil may differ, with what each says there and why. Whatever else differs is a failure, and so is an entry
// that was not needed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { here } from "./compile.mjs";

/** @type {{at: string[], weft?: string, anvil?: string, why: string}[]} */
const listed = JSON.parse(readFileSync(join(here, "differences.json"), "utf8"));
const seen = new Set();
const unlisted = new Map();
let equal = 0;

const text = (value) => (value === undefined ? "absent" : typeof value === "string" ? value : JSON.stringify(value));
const kind = (value) => (Array.isArray(value) ? "list" : value === null ? "null" : typeof value);

/** A star stands for anything. */
const matches = (pattern, value) =>
  pattern === undefined ||
  new RegExp(`^${pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`, "s").test(value);

/** Members by key, where accounts are one key in whatever letters they are written. */
const byName = (object) => new Map(Object.entries(object).map(([key, value]) => [key.startsWith("0x") ? key.toLowerCase() : key, [key, value]]));

/** Compares what Weft and what anvil answered, down to every leaf. */
export function compare(what, [weft, anvil], path = "") {
  if (weft === anvil) return void equal++;
  const [a, b] = [kind(weft), kind(anvil)];
  if (a === "list" && b === "list") {
    if (weft.length !== anvil.length) return differ(`${what}: ${path}.length`, weft.length, anvil.length);
    return weft.forEach((_, index) => compare(what, [weft[index], anvil[index]], `${path}[]`));
  }
  if (a === "object" && b === "object") {
    const [left, right] = [byName(weft), byName(anvil)];
    for (const name of new Set([...left.keys(), ...right.keys()])) {
      const [[leftKey, leftValue], [rightKey, rightValue]] = [left.get(name) ?? [], right.get(name) ?? []];
      // Keys that are data (accounts, slots, selectors, nonces) have no place of their own.
      const place = /^(0x.*|\d+)$/.test(name) ? `${path}{}` : `${path}.${name}`;
      if (leftKey && rightKey && leftKey !== rightKey) differ(`${what}: ${place} key`, leftKey, rightKey);
      compare(what, [leftValue, rightValue], place);
    }
    return;
  }
  differ(`${what}: ${path}`, weft, anvil);
}

function differ(place, weft, anvil) {
  for (const entry of listed) {
    if (!matches(entry.weft, text(weft)) || !matches(entry.anvil, text(anvil))) continue;
    const at = entry.at.find((pattern) => matches(pattern, place));
    if (at !== undefined) return void seen.add(`${listed.indexOf(entry)} ${at}`);
  }
  const found = unlisted.get(place) ?? { count: 0, weft, anvil };
  unlisted.set(place, { ...found, count: found.count + 1 });
}

/** Prints what is not as listed; answers whether all is. */
export function judge() {
  for (const [place, { count, weft, anvil }] of [...unlisted].sort()) {
    console.log(`NOT LISTED ${place} (${count} times)`);
    console.log(`    weft  ${text(weft).slice(0, 300)}\n    anvil ${text(anvil).slice(0, 300)}`);
  }
  const places = listed.flatMap(({ at }, index) => at.map((place) => [index, place]));
  const unseen = places.filter(([index, place]) => !seen.has(`${index} ${place}`));
  for (const [index, place] of unseen) console.log(`NO LONGER SEEN ${place}: ${listed[index].why}`);
  console.log(JSON.stringify({ event: "summary", equal, listed: places.length, unlisted: unlisted.size, unseen: unseen.length }));
  return unlisted.size === 0 && unseen.length === 0;
}
