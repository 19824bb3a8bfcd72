// The frame: routes, keys, search, the faucet, and news of blocks.

import { call, follow } from './rpc.js';
import { fill, h, hideTip } from './dom.js';
import { file } from './file.js';
import { integer, route, searched } from './format.js';
import { home } from './home.js';
import { blockView } from './block.js';
import { accountOfFile, accountView, transactionView } from './detail.js';

const main = document.getElementById('main');
const chain = document.getElementById('chain');
const query = document.getElementById('query');
const faucet = document.getElementById('faucet');

const app = {
  settings: { empty: false, rows: 16 },
  faucet: false,
  go: (hash) => (location.hash = hash),
  /** Changes the address without leaving the view. */
  note: (hash) => history.replaceState(null, '', hash),
};
let view = { element: main, keys: {} };
let shown = 0;
let info = null;

async function show() {
  const turn = ++shown;
  hideTip();
  const { view: name, id, query: options } = route(location.hash);
  try {
    const next = await open(name, id, options);
    if (turn !== shown) return;
    view = { keys: {}, ...next };
    document.title = name === 'home' ? 'weft record' : `${view.title} · weft`;
    fill(main, view.element);
    await view.update?.();
    await view.ready;
    main.dataset.ready = String(turn);
  } catch (error) {
    if (turn === shown) failed(error);
  }
}

async function open(name, id, options) {
  if (name === 'block') return blockView(app, id, options);
  if (name === 'tx') {
    const index = location.hash.split('?')[0].split('/')[3];
    return transactionView(index === undefined ? id : { block: `0x${Number(id).toString(16)}`, index: `0x${Number(index).toString(16)}` });
  }
  if (name === 'hash') return byHash(id);
  if (name === 'address') return file ? accountOfFile(file, id) : accountView(id);
  return file ? blockView(app, String(file.record.number), options) : home(app);
}

/** A hash is a transaction's or a block's. */
async function byHash(hash) {
  const block = await call('eth_getBlockByHash', hash, false);
  if (block) {
    app.note(`#/block/${Number(block.number)}`);
    return blockView(app, String(Number(block.number)), {});
  }
  return transactionView(hash);
}

function failed(error) {
  fill(main, h('div', { class: 'empty' },
    h('h1', {}, 'The node did not answer'),
    h('p', {}, error.message),
    h('p', {}, 'Is it still running? ', h('span', { class: 'mono' }, 'weft devnet --resume')),
    h('button', { class: 'button', type: 'button', onclick: show }, 'Try again')));
}

async function heard(connected) {
  if (connected) info ??= await call('weft_chainInfo').catch(() => null);
  const head = connected ? Number(await call('eth_blockNumber').catch(() => NaN)) : NaN;
  const alive = Number.isFinite(head);
  fill(chain, h('span', { class: `dot${alive ? '' : ' off'}` }), alive ? `chain ${info?.chainId ?? ''} at ${integer(head)}` : 'not connected');
  if (!alive) return;
  if (view.update) await view.update().catch(() => {});
}

document.getElementById('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const found = searched(query.value);
  query.classList.toggle('wrong', !found);
  if (!found) return;
  query.value = '';
  query.blur();
  app.go(found);
});
query.addEventListener('input', () => query.classList.remove('wrong'));

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === '/') {
    event.preventDefault();
    query.focus();
  }
  if (event.key === 'Escape') app.go('#/');
  view.keys[event.key]?.();
});
addEventListener('hashchange', () => {
  show();
  scrollTo(0, 0);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);

/** The faucet is there where the node has it. */
async function offerFaucet() {
  app.faucet = await call('weft_fundAddress').then(() => true, (error) => error.code !== -32601);
  faucet.hidden = !app.faucet;
}

faucet.addEventListener('click', () => {
  const input = h('input', { name: 'address', placeholder: '0x…', pattern: '0x[0-9a-fA-F]{40}', required: true, autocomplete: 'off', spellcheck: 'false' });
  const amount = h('input', { name: 'amount', value: '100', inputmode: 'decimal', pattern: '[0-9]{1,9}', required: true });
  const said = h('p', { class: 'soft', 'aria-live': 'polite' });
  const dialog = h('dialog', {},
    h('form', { onsubmit: async (event) => {
      event.preventDefault();
      fill(said, 'Sending…');
      try {
        await call('weft_fundAddress', input.value.trim(), `0x${(BigInt(amount.value) * 10n ** 18n).toString(16)}`);
        dialog.close();
        app.go(`#/address/${input.value.trim()}`);
      } catch (error) {
        fill(said, error.message);
      }
    } },
    h('h2', {}, 'Fund an account'),
    h('p', { class: 'about' }, 'Ether out of nothing, on this devnet.'),
    h('label', {}, 'Address', input), h('label', {}, 'Ether', amount), said,
    h('div', { class: 'row' }, h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Cancel'), h('button', { class: 'button', type: 'submit', 'aria-pressed': 'true' }, 'Fund'))));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
});

if (file) {
  fill(chain, `block ${integer(file.record.number)} of ${file.source}, from a file`);
} else {
  offerFaucet();
  follow(heard);
}
show();
