// The start: what the chain does now, where it is hot, and the blocks.

import { call } from './rpc.js';
import { copyable, fill, h, s } from './dom.js';
import { ago, count, fixed, gas, integer, percent, short, time, times } from './format.js';
import { bar, join, spark } from './model.js';

/** Blocks that the strip shows. */
const BLOCKS = 300;
/** Blocks over which hot spots and advice are summed. */
const RANGE = 100;

export function home(app) {
  const view = h('div');
  const strip = h('div', { class: 'strip card' });
  const body = h('div');
  const hot = h('section');
  const advice = h('section');
  fill(view, strip, body, advice, hot);
  let blocks = null;
  let head = 0;
  let empty = app.settings.empty;
  let by = 'slot';
  let analysed = -1;

  // One at a time: what comes meanwhile is one more round.
  let running = null;
  let again = false;
  const update = () => {
    again = running !== null;
    running ??= round().finally(() => {
      running = null;
      if (again) return update();
    });
    return running;
  };
  const round = async () => {
    const wanted = empty;
    const after = blocks?.number.at(-1) ?? 0;
    const options = blocks ? { after, last: BLOCKS } : { last: BLOCKS, skipEmpty: !empty };
    const stats = await call('weft_getRecordStats', { ...options, skipEmpty: !empty });
    // The choice was changed meanwhile: these are the other blocks.
    if (wanted !== empty) return;
    head = stats.head;
    const fresh = stats.blocks.number.length;
    blocks = join(blocks, stats.blocks, BLOCKS);
    drawStrip(strip, blocks, head, app);
    drawList(body, blocks, head, blocks === stats.blocks ? 0 : fresh, empty, (value) => {
      empty = app.settings.empty = value;
      blocks = null;
      update();
    }, app);
    const last = blocks.number.at(-1) ?? -1;
    const busy = blocks.transactions.some((n) => n > 0);
    if (busy && last !== analysed) {
      analysed = last;
      await Promise.all([drawHot(hot, head, by, (value) => {
        by = value;
        analysed = -1;
        update();
      }), drawAdvice(advice, head)]);
    }
  };
  return { element: view, title: 'weft record', update };
}

function drawStrip(strip, b, head, app) {
  const n = b.number.length;
  const speedup = b.speedup.map((x, i) => (b.mode[i] === 'sequential' ? null : x));
  const best = b.gas.map((g, i) => (b.pathGas[i] ? g / b.pathGas[i] : null));
  const rate = b.gas.map((g, i) => (b.executionUs[i] && g ? g / b.executionUs[i] : null));
  const again = b.reexecutions.map((r, i) => (b.transactions[i] && r !== null ? r / b.transactions[i] : null));
  const waits = b.waiting.map((w, i) => (b.transactions[i] ? w / b.transactions[i] : null));
  const perSecond = throughput(b);
  const tail = (values) => values.filter((v) => v !== null).at(-1) ?? null;
  const sum = (values) => values.reduce((total, v) => total + (v ?? 0), 0);
  const age = n ? ago(Math.max(0, Date.now() / 1000 - b.timestamp[n - 1])) : '';
  fill(strip,
    tile('Height', integer(head), n ? `last busy ${age}` : 'no transaction yet', b.transactions, b, app, 'transactions'),
    tile('Throughput', perSecond === null ? '–' : [fixed(perSecond), h('small', {}, ' tx/s')], count(sum(b.transactions), 'transaction'), b.gas, b, app, 'gas'),
    tile('Execution', tail(rate) === null ? '–' : [fixed(tail(rate)), h('small', {}, ' Mgas/s')], n ? `${time(tail(b.executionUs))} for the last block` : 'nothing executed yet', rate, b, app, 'Mgas/s'),
    tile('Speed-up', n ? [times(tail(speedup)), h('small', {}, ` of ${times(tail(best))}`)] : '–', 'estimated, of the best', best.map(doublings), b, app, '×, by doublings,', speedup.map(doublings)),
    tile('Executed again', percent(sum(b.reexecutions), sum(b.transactions)), `${integer(sum(b.reexecutions))} thrown away`, again, b, app, 'of 1'),
    tile('Had to wait', percent(sum(b.waiting), sum(b.transactions)), 'for another transaction', waits, b, app, 'of 1'),
  );
}

/** A speed-up on a scale where each doubling is one step: otherwise one wide block would flatten all others. */
const doublings = (x) => (x === null ? null : Math.log2(Math.max(1, x)) + 0.2);

/** Transactions a second over the last half minute that has blocks. */
function throughput(b) {
  const n = b.number.length;
  if (n < 2) return null;
  const end = b.timestamp[n - 1];
  let total = 0;
  let i = n - 1;
  for (; i >= 0 && end - b.timestamp[i] <= 30; i--) total += b.transactions[i];
  const seconds = Math.max(1, end - b.timestamp[i + 1] + 1);
  return total / seconds;
}

function tile(label, value, note, values, b, app, unit, second) {
  return h('div', { class: 'tile' },
    h('div', { class: 'label' }, label),
    h('div', { class: 'value' }, value),
    h('div', { class: 'note', title: note }, note),
    sparkline(values, second, b, app, `${label}: ${unit} of the last ${b.number.length} blocks`));
}

function sparkline(values, second, b, app, label) {
  const [width, height] = [160, 26];
  const path = (points) => {
    let text = '';
    let pen = false;
    for (const point of points) {
      if (point) text += `${pen ? 'L' : 'M'}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = pen || Boolean(point);
    }
    return text;
  };
  const points = spark(values, width, height);
  const known = points.filter(Boolean);
  const area = known.length > 1 ? `${path(points)}L${known.at(-1)[0]} ${height}L${known[0][0]} ${height}Z` : '';
  const most = Math.max(...values.map((v) => v ?? 0), 1e-9);
  const element = s('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    s('path', { class: 'spark fill', d: area }),
    s('path', { class: second ? 'spark second' : 'spark', d: path(points) }),
    second && s('path', { class: 'spark', d: path(spark([...second, most], width, height).slice(0, -1)) }));
  element.addEventListener('click', (event) => {
    const box = element.getBoundingClientRect();
    const place = Math.round(((event.clientX - box.left) / box.width) * (b.number.length - 1));
    if (b.number[place] !== undefined) app.go(`#/block/${b.number[place]}`);
  });
  return element;
}

/** A speed-up as a bar: what was reached, and the best possible as a tick. */
export function gain(speedup, best, sequential) {
  const text = sequential ? ['1 worker', h('span', { class: 'of' }, ` of ${times(best)}`)] : [times(speedup), h('span', { class: 'of' }, ` of ${times(best)}`)];
  const part = (x) => `${(100 * bar(x)).toFixed(1)}%`;
  return h('div', { class: 'gain', title: `measured ${times(speedup)} (estimated), best possible ${times(best)} on any number of cores` },
    h('div', { class: 'track', '--got': part(speedup), '--best': part(best) },
      h('i', { class: 'room' }), h('i', { class: 'got' }), best > 1.02 && h('i', { class: 'tick' })),
    h('div', { class: 'text' }, text));
}

function drawList(body, b, head, fresh, empty, toggle, app) {
  if (!b.number.length) {
    return fill(body, nothingYet(app));
  }
  const rows = [];
  for (let i = b.number.length - 1; i >= 0 && rows.length < app.settings.rows; i--) {
    const number = b.number[i];
    const go = () => app.go(`#/block/${number}`);
    const hottest = b.hottest[i];
    rows.push(h('tr', { class: `link${b.number.length - 1 - i < fresh ? ' new' : ''}`, onclick: go },
      h('td', {}, h('a', { href: `#/block/${number}` }, `#${number}`)),
      h('td', { class: 'n' }, integer(b.transactions[i]), h('span', { class: 'unit' }, b.transactions[i] === 1 ? ' tx' : ' txs')),
      h('td', { class: 'n right' }, gas(b.gas[i])),
      h('td', { class: 'n hide' }, time(b.executionUs[i])),
      h('td', { class: 'wide' }, b.transactions[i] ? gain(b.speedup[i], b.pathGas[i] ? b.gas[i] / b.pathGas[i] : 1, b.mode[i] === 'sequential') : null),
      h('td', { class: 'n hide' }, percent(b.reexecutions[i] ?? 0, b.transactions[i])),
      h('td', { class: 'name wide' }, hottest ? [hottest.name, h('span', { class: 'faint' }, `  ${integer(hottest.waiting)} waited`)] : h('span', { class: 'faint' }, b.transactions[i] ? 'nobody waited' : ''))));
  }
  fill(body, h('section', {},
    h('div', { class: 'row end' },
      h('h2', {}, 'Blocks'),
      h('button', { class: 'button', type: 'button', 'aria-pressed': String(empty), onclick: () => toggle(!empty) }, 'Empty blocks')),
    h('div', { class: 'card scroll' }, h('table', { class: 'fold' },
      h('thead', {}, h('tr', {}, h('th', {}, 'Block'), h('th', { class: 'n' }, 'Transactions'), h('th', { class: 'n' }, 'Gas'), h('th', { class: 'n' }, 'Executed in'),
        h('th', {}, 'Speed-up, of the best possible'), h('th', { class: 'n' }, 'Again'), h('th', {}, 'Hottest place'))),
      h('tbody', {}, rows))),
    rows.length < b.number.length && h('p', {}, h('button', { class: 'button', type: 'button', onclick: () => {
      app.settings.rows += 100;
      drawList(body, b, head, 0, empty, toggle, app);
    } }, `${integer(b.number.length - rows.length)} more`))));
}

function nothingYet(app) {
  const url = location.origin;
  return h('section', {},
    h('h2', {}, 'Nothing has run yet'),
    h('div', { class: 'empty' },
      h('p', {}, 'As soon as a block has a transaction, this page shows what ran beside what, what collided, and why. Send something:'),
      h('span', { class: 'mono' }, copyable(`cast send 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --value 1ether --rpc-url ${url} --private-key 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80`)),
      h('p', {}, 'or let the test suite of your contracts run against ', h('span', { class: 'hex' }, url), app.faucet ? ', or fund an account with the button above.' : '.')));
}

const MEASURES = { slot: 'Slot', account: 'Account', function: 'Function', sender: 'Sender' };

async function drawHot(section, head, by, choose) {
  const range = { from: `0x${Math.max(1, head - RANGE + 1).toString(16)}` };
  const found = await call('weft_getHotspots', range, { by, limit: 12 });
  fill(section,
    h('div', { class: 'row end' },
      h('div', {}, h('h2', {}, 'Hot spots'), h('div', { class: 'about' }, `Where transactions of the last ${RANGE} blocks waited, by the gas of those that waited.`)),
      h('div', { class: 'buttons', role: 'tablist' }, Object.entries(MEASURES).map(([key, name]) =>
        h('button', { class: 'button', type: 'button', role: 'tab', 'aria-selected': String(key === by), onclick: () => choose(key) }, name)))),
    found.hotspots.length ? hotTable(found.hotspots) : h('p', { class: 'empty' }, 'Nobody had to wait. Everything could have run at once.'));
}

export function hotTable(spots) {
  return h('div', { class: 'card scroll' }, h('table', { class: 'fold' },
    h('thead', {}, h('tr', {}, h('th', {}, 'Place'), h('th', { class: 'n' }, 'Waited'), h('th', { class: 'n' }, 'Writers'), h('th', { class: 'n' }, 'Serialised gas'), h('th', {}, 'Share of waiting'), h('th', {}, 'For example'))),
    h('tbody', {}, spots.map((spot) => h('tr', {},
      h('td', { class: 'name wide' }, place(spot)),
      h('td', { class: 'n' }, count(spot.waiting, 'tx', 'txs')),
      h('td', { class: 'n hide' }, integer(spot.writers)),
      h('td', { class: 'n' }, gas(spot.serialisedGas)),
      h('td', { class: 'right' }, h('span', { class: 'share', '--part': `${Math.round(100 * spot.shareOfWaiting)}%` }, h('i')), percent(spot.shareOfWaiting, 1)),
      h('td', { class: 'wide' }, h('span', { class: 'chips' }, spot.samples.slice(0, 4).map((one) =>
        h('a', { href: `#/block/${one.block}?tx=${one.index}` }, `#${one.block}·${one.index}`)))))))));
}

function place(spot) {
  const name = spot.name ?? short(spot.address);
  return [
    h('a', { href: `#/address/${spot.address}` }, name),
    spot.contractKind && h('span', { class: 'tag' }, spot.contractKind),
    spot.guessed && h('span', { class: 'tag', title: 'named by the usual layout of such contracts; weft_registerAbi tells the real one' }, 'guess'),
  ];
}

async function drawAdvice(section, head) {
  const found = await call('weft_getAdvice', { from: `0x${Math.max(1, head - RANGE + 1).toString(16)}` });
  fill(section, found?.advice?.length ? [h('h2', {}, 'Advice'), h('p', { class: 'about' }, `What would let more of the last ${RANGE} blocks run at once.`), adviceList(found.advice.slice(0, 4))] : []);
}

/** Pieces of advice with the transactions that they cite. */
export function adviceList(pieces) {
  return h('div', { class: 'advice' }, pieces.map((piece) => {
    const calm = !piece.location;
    const better = piece.bestSpeedupWithout > piece.bestSpeedup * 1.005;
    const [text, outlook] = parted(piece.remedy);
    return h('article', { class: `card${calm ? ' calm' : ''}` },
      h('h3', {}, piece.title, piece.guessed && h('span', { class: 'tag' }, 'name is a guess')),
      h('p', {}, text),
      outlook && h('p', { class: better ? 'gainline' : '' }, outlook),
      h('div', { class: 'chips' }, piece.transactions.slice(0, 10).map((tx) => h('a', { href: `#/block/${piece.block}?tx=${tx}` }, piece.blocks ? `#${piece.block}·${tx}` : `tx ${tx}`)),
        piece.count > 10 && h('span', { class: 'chip' }, `${integer(piece.count)} in all`),
        piece.blocks > 1 && h('span', { class: 'chip' }, `in ${integer(piece.blocks)} blocks`)));
  }));
}

/** The last sentence says what it would be worth. */
function parted(remedy) {
  const at = Math.max(remedy.lastIndexOf(' Without it'), remedy.lastIndexOf(' By itself'));
  return at > 0 ? [remedy.slice(0, at), remedy.slice(at + 1)] : [remedy, null];
}
