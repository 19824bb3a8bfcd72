// The record of a block as a file.

import { call, quantity } from './rpc.js';
import { h } from './dom.js';
import { file } from './file.js';
import { ABORTED, BLOCKED, PANICKED, SETTLED } from './model.js';
import { naming } from './names.js';

/** A menu of files. */
export function exportMenu(b) {
  const select = h('select', { class: 'button', 'aria-label': 'export this block' },
    h('option', { value: '' }, 'Export'),
    b.run?.length > 0 && h('option', { value: 'perfetto' }, 'Trace for Perfetto'),
    h('option', { value: 'json' }, 'Record as JSON'),
    h('option', { value: 'csv' }, 'Transactions as CSV'),
    h('option', { value: 'dot' }, 'Graph as DOT'),
    !file && h('option', { value: 'html' }, 'This page as one HTML file'));
  select.addEventListener('change', async () => {
    const format = select.value;
    select.value = '';
    if (!format) return;
    const [name, kind, text] = await FORMATS[format](b);
    const url = URL.createObjectURL(new Blob([text], { type: kind }));
    h('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  });
  return select;
}

const at = (b) => quantity(b.number);

const FORMATS = {
  perfetto: async (b) => [`block-${b.number}.trace.json`, 'application/json', JSON.stringify(perfetto(b))],
  json: async (b) => [`block-${b.number}.json`, 'application/json', JSON.stringify(await whole(b))],
  csv: async (b) => [`block-${b.number}.csv`, 'text/csv', csv(b)],
  dot: async (b) => [`block-${b.number}.dot`, 'text/vnd.graphviz', dot(b)],
  html: async (b) => [`block-${b.number}.html`, 'text/html', await page(b)],
};

/** One line a transaction. */
export function csv(b) {
  const cell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = ['index,from,to,function,gas,status,layer,start_gas'];
  for (let i = 0; i < b.size; i++) {
    lines.push([i, b.addresses[b.from[i]], b.addresses[b.to[i]], b.functions[b.function[i]], b.gas[i], b.status[i] ?? '', b.depth[i] + 1, b.start[i]].map((x) => cell(String(x))).join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** The graph of dependencies for Graphviz; the critical path is bold. */
export function dot(b) {
  const escape = (text) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  const path = new Set(b.pathMembers);
  const next = new Set(b.pathMembers.slice(1).map((tx, i) => `${b.pathMembers[i]}>${tx}`));
  const lines = [`digraph block${b.number} {`, '  rankdir=LR; node [shape=box, fontname="sans-serif"];'];
  const touched = new Set([...b.edges.from, ...b.edges.to]);
  for (const i of touched) lines.push(`  ${i} [label="${i} ${escape(b.functions[b.function[i]].split('(')[0])}"${path.has(i) ? ', penwidth=2' : ''}];`);
  for (let e = 0; e < b.edges.from.length; e++) {
    const [from, to] = [b.edges.from[e], b.edges.to[e]];
    const place = b.locations[b.edges.location[e]];
    lines.push(`  ${from} -> ${to} [tooltip="${escape(place.name ?? place.kind)}"${next.has(`${from}>${to}`) ? ', penwidth=3' : ''}];`);
  }
  return `${lines.join('\n')}\n}\n`;
}

/** Everything of the block, as `weft record` reads it. */
const whole = async (b) => file ?? call('weft_getRecordFile', at(b));

/** The page with the record inside: one file that asks nobody for anything. */
async function page(b) {
  const template = await (await fetch('/ui/standalone.html')).text();
  const [before, after] = template.split('id="record">null<');
  const data = JSON.stringify(await whole(b)).replaceAll('<', '\\u003c');
  return `${before}id="record">${data}<${after}`;
}

/**
 * Where each execution is shown, in nanoseconds: one after the other, as a worker ran them, and with a length. Viewers take those
 * that overlap for parts of each other and hide those without a length; several may begin in the same microsecond.
 */
function spans(run) {
  const [next, shown] = [new Map(), new Map()];
  const follower = [];
  for (let i = run.length - 1; i >= 0; i--) {
    follower[i] = next.get(run.row[i]) ?? Infinity;
    next.set(run.row[i], run.start[i] * 1000);
  }
  return follower.map((after, i) => {
    const start = Math.max(run.start[i] * 1000, shown.get(run.row[i]) ?? 0);
    const wanted = (run.start[i] + Math.max(1, run.duration[i])) * 1000;
    const end = Math.max(Math.min(wanted, after), start + 1);
    shown.set(run.row[i], end);
    return { start, end };
  });
}

/** The run in the form of Chrome's traces, which Perfetto, chrome://tracing and speedscope open. */
export function perfetto(b) {
  const { run } = b;
  const names = naming(b);
  const category = { [SETTLED]: 'settled', [ABORTED]: 'aborted', [BLOCKED]: 'blocked', [PANICKED]: 'panicked' };
  const colour = { [ABORTED]: 'terrible', [BLOCKED]: 'grey', [PANICKED]: 'black' };
  const events = [{ ph: 'M', pid: 1, tid: 0, name: 'process_name', args: { name: `weft block ${b.number}` } }];
  for (let worker = 0; worker < b.local.workers; worker++) events.push({ ph: 'M', pid: 1, tid: worker, name: 'thread_name', args: { name: `worker ${worker}` } });
  const [last, span] = [new Map(), spans(run)];
  for (let i = 0; i < run.length; i++) {
    const tx = run.tx[i];
    const args = { tx, incarnation: run.incarnation[i], from: names.account(b.from[tx]), gas: b.gas[tx] };
    const cause = run.causes[run.cause[i]];
    if (run.outcome[i] === ABORTED) Object.assign(args, { abortedBy: run.by[i], at: typeof cause === 'string' ? cause : cause?.kind });
    if (run.outcome[i] === BLOCKED) args.waitsFor = run.by[i];
    const { start, end } = span[i];
    events.push({ ph: 'X', pid: 1, tid: run.row[i], ts: start / 1000, dur: (end - start) / 1000, name: `${tx} ${names.called(tx)}`, cat: category[run.outcome[i]], ...(colour[run.outcome[i]] && { cname: colour[run.outcome[i]] }), args });
    last.set(tx, [...(last.get(tx) ?? []), i]);
  }
  for (let i = 0; i < run.length; i++) {
    if (run.outcome[i] !== ABORTED || run.by[i] === null) continue;
    // Within the slice: at its end another one may begin, and viewers would take that.
    const end = span[i].end - 1;
    const source = last.get(run.by[i])?.findLast((other) => span[other].start <= end);
    if (source === undefined) continue;
    const arrow = (ph, tid, ns) => ({ ph, pid: 1, tid, ts: ns / 1000, id: i, name: 'abort', cat: 'abort' });
    events.push(arrow('s', run.row[source], span[source].start), { ...arrow('f', run.row[i], end), bp: 'e' });
  }
  return { displayTimeUnit: 'ns', traceEvents: events };
}
