// The record of a block as a file.

import { call, quantity } from './rpc.js';
import { h } from './dom.js';
import { count, gas, integer, time, times } from './format.js';

/** A menu of files. */
export function exportMenu(b) {
  const select = h('select', { class: 'button', 'aria-label': 'export this block' },
    h('option', { value: '' }, 'Export'),
    h('option', { value: 'perfetto' }, 'Trace for Perfetto'),
    h('option', { value: 'json' }, 'Record as JSON'),
    h('option', { value: 'csv' }, 'Transactions as CSV'),
    h('option', { value: 'dot' }, 'Graph as DOT'),
    h('option', { value: 'html' }, 'Report as one HTML file'));
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
  perfetto: async (b) => [`block-${b.number}.trace.json`, 'application/json', JSON.stringify(await call('weft_getExecutionTrace', at(b), { format: 'chrome' }))],
  json: async (b) => [`block-${b.number}.json`, 'application/json', JSON.stringify(await call('weft_getBlockRecord', at(b), { names: true }), null, 1)],
  csv: async (b) => [`block-${b.number}.csv`, 'text/csv', csv(b)],
  dot: async (b) => [`block-${b.number}.dot`, 'text/vnd.graphviz', dot(b)],
  html: async (b) => [`block-${b.number}.html`, 'text/html', await report(b)],
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

/** One file without scripts or links, to attach to an issue. */
async function report(b) {
  const [advice, conflicts] = await Promise.all([call('weft_getAdvice', at(b)), call('weft_getConflicts', at(b), { limit: 20 })]);
  const canvas = document.querySelector('.lanes canvas');
  const picture = canvas ? `<p><img alt="lanes" src="${canvas.toDataURL('image/png')}"></p>` : '';
  const x = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
  const pieces = advice.advice.map((one) => `<h3>${x(one.title)}</h3><p>${x(one.remedy)}</p><p class="soft">transactions ${x(one.transactions.join(', '))}</p>`).join('');
  const rows = conflicts.map((one) => `<tr><td>${x(one.name)}</td><td>${x(one.waiting)}</td><td>${x(gas(one.serialisedGas))}</td></tr>`).join('');
  const ran = b.local ? `This node ran it in ${time(b.local.wallUs)} on ${count(b.local.workers, 'worker')}.` : '';
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>weft block ${b.number}</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:40px auto;padding:0 20px;color:#1d1f21;font-variant-numeric:tabular-nums}img{max-width:100%;border:1px solid #e4e2dc;border-radius:8px}table{border-collapse:collapse}td,th{padding:5px 14px 5px 0;border-bottom:1px solid #e4e2dc;text-align:left}.soft{color:#5d6368}h3{margin-bottom:2px}</style>
<h1>Block ${integer(b.number)}</h1><p class="soft">${x(b.hash)}</p>
<p>${count(b.size, 'transaction')}, ${integer(b.waiting)} of them had to wait. Work ${x(gas(b.work))}, path ${x(gas(b.path))}: at best ${times(b.best.unlimited)} on any number of cores. ${x(ran)}</p>
${picture}<h2>Advice</h2>${pieces}<h2>Where they met</h2><table><tr><th>Place</th><th>Waited</th><th>Serialised gas</th></tr>${rows}</table></html>\n`;
}
