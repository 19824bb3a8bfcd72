// One block: lanes, graph, conflicts, critical path, advice, transactions.

import { RpcFailure, call, quantity } from './rpc.js';
import { copyable, fill, h } from './dom.js';
import { count, gas, integer, percent, short, time, times } from './format.js';
import { ABORTED, BLOCKED, block as decode, ideal, measured, neighbours } from './model.js';
import { gantt } from './gantt.js';
import { graph } from './graph.js';
import { adviceList } from './home.js';
import { exportMenu } from './export.js';
import { file } from './file.js';
import { naming } from './names.js';

/** Rows of the table of transactions before one asks for more. */
const ROWS = 50;

export async function blockView(app, id, query) {
  const record = await call('weft_getBlockRecord', quantity(id), { columns: true });
  if (!record) return absent(app, id);
  const b = decode(record);
  const view = h('div');
  const onPath = new Set(b.pathMembers);
  const names = naming(b);
  const state = { chosen: -1, lanes: null, graph: null };
  const panel = h('div', { class: 'chosen', 'aria-live': 'polite', hidden: true });
  const rows = new Map();

  const choose = (tx, silent) => {
    state.chosen = tx >= 0 && tx < b.size ? tx : -1;
    state.lanes?.choose(state.chosen);
    state.graph?.choose(state.chosen);
    for (const [index, row] of rows) row.classList.toggle('here', index === state.chosen);
    fillPanel(panel, b, state.chosen, names, choose);
    if (!silent) app.note(`#/block/${b.number}${state.chosen >= 0 ? `?tx=${state.chosen}` : ''}`);
  };

  fill(view, headline(app, b));
  if (!b.size) {
    view.append(h('p', { class: 'empty' }, 'An empty block: a heartbeat. ', h('a', { href: '#/' }, 'Blocks with transactions')));
    return { element: view, title: `block ${b.number}`, keys: keys(app, b.number) };
  }
  const lanes = h('section');
  const net = h('section');
  const rest = h('div');
  view.append(lanes, net, rest);
  const shared = { chosen: choose, isOnPath: (tx) => onPath.has(tx), name: names.title, where: names.where };
  drawLanes(lanes, b, shared, state, panel, names);
  const ready = analysis(rest, net, b, shared, state, rows, names, () => choose(state.chosen, true));
  const wanted = query.tx === undefined ? -1 : Number(query.tx);
  if (wanted >= 0) choose(wanted, true);
  return { element: view, title: `block ${b.number}`, keys: keys(app, b.number), ready };
}

function absent(app, id) {
  return {
    element: h('div', { class: 'empty' }, h('h1', {}, `Block ${id}`),
      h('p', {}, file ? `This page has the record of block ${file.record.number} alone.` : 'There is no record of this block: it is not there yet, it is genesis, or its record is no longer kept.'),
      h('a', { href: '#/' }, file ? 'Show it' : 'Back to the blocks')),
    title: `block ${id}`,
    keys: /^\d+$/.test(id) ? keys(app, Number(id)) : {},
  };
}

const keys = (app, number) => (file ? {} : {
  ArrowLeft: () => number > 0 && app.go(`#/block/${number - 1}`),
  ArrowRight: () => app.go(`#/block/${number + 1}`),
});

function headline(app, b) {
  const local = b.local;
  const sequential = local?.mode === 'sequential';
  const how = !local ? null
    : sequential ? ['This node ran it in ', h('b', {}, time(local.wallUs)), ' on one worker: too small to be worth more.']
    : ['This node ran it in ', h('b', {}, time(local.wallUs)), ` on ${count(local.workers, 'worker')}${local.mode === 'accessList' ? ', with the block access list' : ''}`, local.speedup && [': ', h('b', {}, times(local.speedup.value))], '.'];
  const lead = !b.size ? null : h('p', { class: 'lead' },
    b.waiting === 0
      ? ['No transaction waits for another: with enough cores the block takes as long as its heaviest transaction, ', h('b', {}, times(b.best.unlimited)), ' as fast as one by one. ']
      : [h('b', {}, integer(b.waiting)), ` of ${count(b.size, 'transaction')} ${b.waiting === 1 ? 'waits' : 'wait'} for another. Work ${gas(b.work)}, path ${gas(b.path)}: at best `, h('b', {}, times(b.best.unlimited)), ' on any number of cores. '],
    how);
  const cores = `${[2, 4, 8].map((n) => b.best[n].toFixed(1)).join(' / ')}×`;
  const fact = (label, value) => h('div', {}, h('div', { class: 'label' }, label), h('div', { class: 'value' }, value));
  return h('div', { class: 'headline' },
    h('div', { class: 'row' },
      h('h1', {}, `Block ${integer(b.number)}`),
      h('span', { class: 'soft' }, new Date(b.timestamp * 1000).toLocaleString()),
      h('span', { class: 'steps' },
        !file && h('a', { class: 'button', href: `#/block/${Math.max(0, b.number - 1)}`, title: 'previous block (left arrow)', 'aria-label': 'previous block' }, '←'),
        !file && h('a', { class: 'button', href: `#/block/${b.number + 1}`, title: 'next block (right arrow)', 'aria-label': 'next block' }, '→'),
        b.size > 0 && exportMenu(b))),
    h('div', { class: 'hash' }, copyable(b.hash)),
    lead,
    b.size > 0 && h('div', { class: 'card facts' },
      fact('Transactions', integer(b.size)),
      fact('Best on 2 / 4 / 8 cores', cores),
      fact('Path', [count(b.pathMembers.length, 'tx', 'txs'), h('span', { class: 'soft' }, `, ${percent(b.path, b.work)}`)]),
      fact('Deepest wait', count(Math.max(...b.depth) + 1, 'layer')),
      local && fact('Executed again', `${integer(local.reexecutions)}`),
      local && local.rootUs > 0 && fact('State root', time(local.rootUs))));
}

function drawLanes(section, b, shared, state, panel, names) {
  const views = { measured: measured(b), ideal: ideal(b) };
  let shown = views.measured ? 'measured' : 'ideal';
  const box = h('div', { class: 'card lanes' });
  const describe = (slices, i) => describeSlice(b, slices, i, names);
  const draw = () => {
    const slices = views[shown];
    const lanes = gantt(slices, b, { ...shared, describe });
    state.lanes = lanes;
    const tab = (key, name) => h('button', {
      class: 'button', type: 'button', role: 'tab', 'aria-selected': String(shown === key), disabled: !views[key],
      onclick: () => {
        shown = key;
        draw();
        lanes.choose(-1);
        state.lanes.choose(state.chosen);
      },
    }, name);
    const zoom = (text, label, act) => h('button', { class: 'button', type: 'button', 'aria-label': label, title: label, onclick: act }, text);
    fill(box,
      h('div', { class: 'row' },
        h('div', { class: 'buttons', role: 'tablist' }, tab('measured', 'As it ran here'), tab('ideal', 'As if cores were unlimited')),
        h('span', { class: 'hint' }, 'click to select, then scroll to zoom; drag to pan'),
        h('div', { class: 'buttons steps' }, zoom('+', 'zoom in', () => lanes.zoom(0.6)), zoom('−', 'zoom out', () => lanes.zoom(1.6)), zoom('fit', 'show everything', () => lanes.reset()))),
      lanes, legend(b, slices, names), panel);
  };
  draw();
  fill(section,
    h('h2', {}, 'Lanes'),
    h('p', { class: 'about' }, views.measured
      ? 'Each row is a worker of this node, each box one execution of one transaction, coloured by contract. Hatched work was thrown away because what it had read changed.'
      : 'This node did not note how it ran the block, so this is the ideal schedule: each transaction starts when the last one that it waits for has ended.'),
    box);
}

function legend(b, slices, names) {
  const calls = new Map();
  for (const to of b.to) calls.set(to, (calls.get(to) ?? 0) + 1);
  const most = [...calls.entries()].sort((x, y) => y[1] - x[1]).filter(([address]) => b.colour[address] < 8).slice(0, 6);
  const has = (outcome) => slices.outcome.includes(outcome);
  const item = (colour, text, kind = '') => h('span', {}, h('i', { class: kind, '--of': colour }), text);
  return h('div', { class: 'legend' },
    most.map(([address, n]) => item(`var(--c${b.colour[address]})`, `${names.account(address)}${b.kinds[address] ? ` (${b.kinds[address]})` : ''}  ${integer(n)}`)),
    calls.size > most.length && item('var(--c8)', `${integer(calls.size - most.length)} others`),
    has(ABORTED) && item('', 'thrown away', 'hatch'),
    has(BLOCKED) && item('var(--grey)', 'stopped to wait'),
    item('', 'with a foot: on the critical path', 'path'));
}

function describeSlice(b, slices, i, names) {
  const tx = slices.tx[i];
  const measure = slices.unit === 'gas' ? gas(slices.duration[i]) : `${time(slices.duration[i])}, ${gas(b.gas[tx])}`;
  const lines = [names.title(tx), `from ${names.account(b.from[tx])}, ${measure}`];
  const cause = slices.cause[i] === null || slices.cause[i] === undefined ? null : slices.causes[slices.cause[i]];
  const place = typeof cause === 'string' ? cause : cause && `${cause.kind} of ${short(cause.address)}`;
  if (slices.incarnation[i] > 0) lines.push(`execution ${slices.incarnation[i] + 1}`);
  if (slices.outcome[i] === ABORTED) lines.push(`thrown away: ${slices.by[i] === null ? 'what it had read changed' : `tx ${slices.by[i]} wrote`}${place ? ` ${place}` : ''}`);
  if (slices.outcome[i] === BLOCKED) lines.push(`stopped: waits for what tx ${slices.by[i]} will write`);
  if (b.status[tx] === 0) lines.push('failed (reverted or out of gas)');
  return lines;
}

function fillPanel(panel, b, tx, names, choose) {
  panel.hidden = tx < 0;
  if (tx < 0) return;
  const { waits, blocks } = neighbours(b, tx);
  const link = (one) => h('a', { href: `#/block/${b.number}?tx=${one}`, onclick: (event) => {
    event.preventDefault();
    choose(one);
  } }, `tx ${one}`);
  const list = (items) => h('div', { class: 'chips' }, items.slice(0, 12).map(({ tx: other, location }) =>
    h('span', { class: 'chip' }, link(other), ` ${names.where(location)}`)), items.length > 12 && h('span', { class: 'chip' }, `and ${integer(items.length - 12)} more`));
  fill(panel,
    h('p', {}, h('span', { class: 'swatch', '--of': `var(--c${b.colour[b.to[tx]]})` }), h('b', {}, names.title(tx)), h('span', { class: 'soft' }, `  from ${names.account(b.from[tx])}, ${gas(b.gas[tx])}, layer ${b.depth[tx] + 1}`),
      b.status[tx] === 0 && h('span', { class: 'tag bad' }, 'failed'), '  ', h('a', { href: `#/tx/${b.number}/${tx}` }, 'all of it →')),
    h('div', { class: 'both' }, h('span', { class: 'soft' }, 'waits for'), waits.length ? list(waits) : h('span', { class: 'soft' }, 'nobody'),
      h('span', { class: 'soft' }, 'made wait'), blocks.length ? list(blocks) : h('span', { class: 'soft' }, 'nobody')));
}

async function analysis(rest, net, b, shared, state, rows, names, again) {
  drawGraph(net, b, shared, state, again);
  const at = quantity(b.number);
  const [advice, path, conflicts] = await Promise.all([
    call('weft_getAdvice', at), call('weft_getCriticalPath', at), call('weft_getConflicts', at, { limit: 20 }),
  ].map((answer) => answer.catch((error) => {
    if (error instanceof RpcFailure) return null;
    throw error;
  })));
  fill(rest,
    advice?.advice?.length ? adviceSection(advice) : null,
    h('div', { class: 'columns' }, conflicts?.length ? conflictSection(conflicts) : null, path && path.steps.length > 1 ? pathSection(path) : null),
    transactionSection(b, names, rows));
  again();
}

function adviceSection(found) {
  const better = found.ifFollowed > found.bestSpeedup * 1.05 && found.advice.length > 1;
  return h('section', {}, h('h2', {}, 'Advice'),
    h('p', { class: 'about' }, better ? `All of it together: from ${times(found.bestSpeedup)} to ${times(found.ifFollowed)} at best.` : 'From what every node agrees on, so your CI can ask for it: weft_getAdvice, weft_simulateBlock.'),
    adviceList(found.advice));
}

function drawGraph(section, b, shared, state, again) {
  if (!b.edges.from.length) return;
  const hidden = new Set();
  const box = h('div', { class: 'card graph' });
  const draw = () => {
    const width = Math.max(300, (section.clientWidth || 900) - 28);
    const g = graph(b, hidden, width, shared);
    state.graph = g.element;
    const kinds = [...new Set(b.locations.map((place) => place.kind))];
    const words = { nonce: 'nonce chains', balance: 'ether balances', storage: 'slots', code: 'fresh code', storageEpoch: 'destroyed storage' };
    fill(box,
      h('div', { class: 'row' },
        h('div', { class: 'buttons' }, kinds.map((kind) => h('button', { class: 'button', type: 'button', 'aria-pressed': String(!hidden.has(kind)), onclick: () => {
          if (!hidden.delete(kind)) hidden.add(kind);
          draw();
          again();
        } }, words[kind] ?? kind))),
        h('span', { class: 'hint' }, [
          g.grouped && 'one dot for calls of the same function in one layer; ',
          g.alone ? `${count(g.alone, 'transaction')} not shown: no waiting at all` : null,
        ])),
      g.element ? h('div', { class: 'scroll' }, g.element) : h('p', { class: 'empty' }, 'Nothing waits for what is left.'));
  };
  fill(section, h('h2', {}, 'Who waits for whom'),
    h('p', { class: 'about' }, 'From left to right by layers of waiting; everything in one layer could run at once. The thick line is the critical path.'), box);
  // The width is known once the section is on the page.
  requestAnimationFrame(() => {
    draw();
    again();
  });
}

function conflictSection(conflicts) {
  const most = conflicts[0].serialisedGas;
  return h('section', {}, h('h2', {}, 'Where they met'),
    h('p', { class: 'about' }, 'Places that one transaction wrote and a later one read.'),
    h('div', { class: 'card scroll' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', {}, 'Place'), h('th', {}, 'Collided'), h('th', { class: 'n' }, 'Waited'), h('th', { class: 'n' }, 'Serialised gas'))),
      h('tbody', {}, conflicts.map((one) => h('tr', {},
        h('td', { class: 'name' }, h('a', { href: `#/address/${one.address}` }, one.name), one.guessed && h('span', { class: 'tag' }, 'guess')),
        h('td', { title: 'the first pair: the one on the left read what the other one had written' }, pair(one)),
        h('td', { class: 'n' }, integer(one.waiting)),
        h('td', { class: 'n' }, h('span', { class: 'share thin', '--part': `${Math.round((100 * one.serialisedGas) / most)}%` }, h('i')), gas(one.serialisedGas))))))));
}

/** The first two transactions that met at a place. */
function pair(one) {
  const [first] = one.edges;
  const link = (tx) => h('a', { href: `#/block/${one.block}?tx=${tx}` }, `tx ${tx}`);
  return first && [link(first.to), ' ← ', link(first.from)];
}

function pathSection(path) {
  const all = path.steps.length;
  const shown = all > 14 ? [...path.steps.slice(0, 8), null, ...path.steps.slice(-3)] : path.steps;
  const list = h('ol', { class: 'path card' });
  const draw = (steps) => fill(list, steps.map((step) => {
    if (!step) {
      return h('li', {}, h('span'), h('button', { class: 'button', type: 'button', onclick: () => draw(path.steps.slice(0, 1000)) }, `${integer(all - 11)} more steps`));
    }
    return h('li', {},
      step.via.length > 0 && h('span', { class: 'via' }, step.via.slice(0, 3).map((place) => place.name ?? place.kind).join(', ')),
      h('a', { href: `#/block/${path.block}?tx=${step.tx}` }, `tx ${step.tx}`),
      h('span', {}, step.function),
      h('span', { class: 'amount' }, gas(step.gas)));
  }));
  draw(shown);
  return h('section', {}, h('h2', {}, 'Critical path'),
    h('p', { class: 'about' }, `${count(all, 'transaction')}, each waiting for the one before: ${gas(path.pathGas)} of ${gas(path.workGas)}. No number of cores is faster. Bound by ${binders(path.steps)}.`), list);
}

/** What binds most steps of a path: "Art.nextTokenId (24 times)". */
function binders(steps) {
  const found = new Map();
  for (const step of steps) {
    const [first] = step.via;
    if (first) found.set(first.name ?? first.kind, (found.get(first.name ?? first.kind) ?? 0) + 1);
  }
  const most = [...found.entries()].sort((x, y) => y[1] - x[1]);
  const words = most.slice(0, 3).map(([name, n]) => `${name} (${n === 1 ? 'once' : `${integer(n)} times`})`);
  return words.join(', ') + (most.length > 3 ? ' and others' : '');
}

function transactionSection(b, names, rows) {
  const body = h('tbody');
  let shown = 0;
  const more = h('button', { class: 'button', type: 'button' });
  const grow = () => {
    const end = Math.min(b.size, shown + (shown ? 500 : ROWS));
    for (; shown < end; shown++) {
      const tx = shown;
      const row = h('tr', {},
        h('td', {}, h('a', { href: `#/tx/${b.number}/${tx}` }, String(tx))),
        h('td', { class: 'name' }, h('span', { class: 'swatch', '--of': `var(--c${b.colour[b.to[tx]]})` }), names.called(tx), b.status[tx] === 0 && h('span', { class: 'tag bad' }, 'failed')),
        h('td', { class: 'name hide' }, h('a', { href: `#/address/${b.addresses[b.from[tx]]}` }, names.account(b.from[tx]))),
        h('td', { class: 'n right' }, gas(b.gas[tx])),
        h('td', { class: 'n hide' }, `layer ${b.depth[tx] + 1}`));
      rows.set(tx, row);
      body.append(row);
    }
    more.hidden = shown >= b.size;
    fill(more, `${integer(b.size - shown)} more`);
  };
  more.addEventListener('click', grow);
  grow();
  return h('section', {}, h('h2', {}, 'Transactions'),
    h('div', { class: 'card scroll' }, h('table', { class: 'fold lean' },
      h('thead', {}, h('tr', {}, h('th', {}, 'Index'), h('th', {}, 'Call'), h('th', {}, 'From'), h('th', { class: 'n' }, 'Gas'), h('th', { class: 'n' }, 'Could start in'))), body)),
    h('p', {}, more));
}
