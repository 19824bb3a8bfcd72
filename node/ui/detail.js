// One transaction, one account.

import { RpcFailure, call, quantity } from './rpc.js';
import { copyable, fill, h } from './dom.js';
import { count, decode, ether, gas, integer, short, time } from './format.js';
import { file, spots } from './file.js';
import { hotTable } from './home.js';

/** Blocks in which an account is looked for. */
const RANGE = 100;

/** `which`: a hash, or { block, index }. */
export async function transactionView(which) {
  const record = await call('weft_getTransactionRecord', which);
  if (!record) return pending(which);
  const view = h('div');
  const place = `#/block/${record.block}?tx=${record.index}`;
  const failed = record.status === 0;
  fill(view,
    h('div', { class: 'headline' },
      h('div', { class: 'row' }, h('h1', {}, record.creates ? `Creates ${short(record.creates)}` : record.function), failed && h('span', { class: 'tag bad' }, 'failed'), record.onCriticalPath && h('span', { class: 'tag' }, 'on the critical path')),
      h('div', { class: 'hash' }, copyable(record.hash)),
      h('p', { class: 'lead' }, `Transaction ${integer(record.index)} of `, h('a', { href: place }, `block ${record.block}`), '. ', waitingWords(record))),
    h('div', { class: 'columns' },
      h('section', {}, h('h2', {}, 'Transaction'), fields(record), h('div', { id: 'revert' })),
      h('section', {}, h('h2', {}, 'Executions on this node'), runs(record))),
    h('div', { class: 'columns' },
      waits('Waited for', record.blockedBy, record.block, 'Nobody: it could have been the first of its block.'),
      waits('Made wait', record.blocks, record.block, 'Nobody.')),
    h('div', { class: 'columns' },
      accesses('Read', record.reads, record, true),
      accesses('Wrote', record.writes, record, false)));
  const tree = h('section');
  view.append(tree);
  const ready = callTree(tree, record.hash);
  return { element: view, title: `tx ${short(record.hash)}`, keys: neighbours(record), ready };
}

const neighbours = (record) => ({
  ArrowLeft: () => record.index > 0 && (location.hash = `#/tx/${record.block}/${record.index - 1}`),
  ArrowRight: () => (location.hash = `#/tx/${record.block}/${record.index + 1}`),
});

function waitingWords(record) {
  const { blockedBy: before, blocks: after, depth } = record;
  const waited = before.length ? `It waited for ${count(before.length, 'other')}, ${count(depth, 'layer')} deep` : 'It waited for nobody';
  return `${waited}, and ${after.length ? `${count(after.length, 'transaction')} waited for it` : 'nobody waited for it'}.`;
}

async function pending(which) {
  const hash = typeof which === 'string' ? which : null;
  const known = hash && (await call('eth_getTransactionByHash', hash));
  return {
    element: h('div', { class: 'empty' }, h('h1', {}, 'Transaction'),
      h('p', {}, known ? 'It waits in the pool and is in no block yet.' : file ? 'The file has no record of it: of large blocks it holds the block alone.' : 'No block of this chain has it.'),
      hash && h('p', { class: 'hex' }, hash), h('a', { href: '#/' }, 'Back to the blocks')),
    title: 'transaction',
    keys: {},
  };
}

function account(address, name) {
  return h('span', {}, h('a', { href: `#/address/${address}` }, name ?? short(address)), ' ', h('span', { class: 'faint' }, copyable(address, name ? short(address) : 'copy')));
}

function fields(record) {
  const args = decode(record.signature, record.input);
  const rows = [
    ['From', account(record.from, record.fromName)],
    record.to ? ['To', [account(record.to, record.toName), record.toKind && h('span', { class: 'tag' }, record.toKind)]] : ['Creates', account(record.creates, null)],
    record.selector && ['Function', h('span', { class: 'hex' }, record.signature ?? record.selector)],
    ...(args ?? []).map((one, i) => [h('span', { class: 'faint' }, `  ${i + 1}. ${one.type}`), one.type === 'address' ? account(one.value, null) : h('span', { class: 'hex' }, one.value)]),
    BigInt(record.value) > 0n && ['Value', ether(record.value)],
    ['Gas', `${integer(record.gasUsed)} of ${integer(record.gasLimit)}`],
    ['Nonce', integer(record.nonce)],
    ['Type', ['legacy', 'EIP-2930', 'EIP-1559', 'EIP-4844', 'EIP-7702'][record.type] ?? record.type],
    !args && record.input !== '0x' && ['Input', h('span', { class: 'hex' }, record.input.length > 330 ? `${record.input.slice(0, 330)}… ${integer((record.input.length - 2) / 2)} bytes` : record.input)],
  ];
  return h('dl', { class: 'card fields' }, rows.filter(Boolean).map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

function runs(record) {
  if (!record.incarnations.length) return h('p', { class: 'empty' }, 'This node did not note them.');
  const outcome = (run) => {
    const { kind, by, on } = run.outcome;
    if (kind === 'settled') return 'kept';
    if (kind === 'aborted') return by === null || by === undefined ? 'thrown away' : `thrown away: tx ${by} wrote what it had read`;
    if (kind === 'blocked') return `stopped to wait for tx ${on}`;
    return kind;
  };
  return h('div', { class: 'card scroll' }, h('table', {},
    h('thead', {}, h('tr', {}, h('th', { class: 'n' }, 'Execution'), h('th', { class: 'n thin' }, 'Worker'), h('th', { class: 'n thin' }, 'Start'), h('th', { class: 'n' }, 'Took'), h('th', {}, 'Outcome'))),
    h('tbody', {}, record.incarnations.map((run) => h('tr', {},
      h('td', { class: 'n' }, run.incarnation + 1), h('td', { class: 'n thin' }, run.worker), h('td', { class: 'n thin' }, time(run.startUs)), h('td', { class: 'n' }, time(run.durationUs)), h('td', {}, outcome(run)))))));
}

function waits(title, list, block, none) {
  return h('section', {}, h('h2', {}, title), list.length === 0 ? h('p', { class: 'soft' }, none)
    : h('div', { class: 'card scroll' }, h('table', {}, h('tbody', {}, list.slice(0, 100).map((one) => h('tr', {},
      h('td', {}, h('a', { href: `#/tx/${block}/${one.tx}` }, `tx ${one.tx}`)),
      h('td', { class: 'name' }, one.at.map((place) => place.name).join(', '))))))));
}

function accesses(title, list, record, reads) {
  const shown = list.filter((one) => one.kind !== 'code' || !reads);
  const source = (one) => (one.from === 'base' ? 'before the block' : h('a', { href: `#/tx/${record.block}/${one.from}` }, `tx ${one.from}`));
  return h('section', {}, h('h2', {}, `${title} ${count(shown.length, 'place')}`),
    shown.length === 0 ? h('p', { class: 'soft' }, 'Nothing that the record notes.')
      : h('div', { class: 'card scroll' }, h('table', {},
        h('thead', {}, h('tr', {}, h('th', {}, 'Place'), h('th', {}, reads ? 'Written by' : 'Value'))),
        h('tbody', {}, shown.slice(0, 200).map((one) => h('tr', {},
          h('td', { class: 'name' }, one.name, one.guessed && h('span', { class: 'tag' }, 'guess')),
          h('td', {}, reads ? source(one) : one.commutative ? h('span', { class: 'soft' }, 'added or taken, unseen') : one.value === null ? '' : h('span', { class: 'hex' }, value(one.value)))))))));
}

function value(hex) {
  const number = BigInt(hex);
  return number < 10n ** 15n ? number.toString() : short(hex);
}

/** The calls within, where the node can trace. */
async function callTree(section, hash) {
  let root;
  try {
    root = await call('debug_traceTransaction', hash, { tracer: 'callTracer' });
  } catch (error) {
    if (error instanceof RpcFailure) return;
    throw error;
  }
  if (!root) return;
  let left = 300;
  const node = (one) => {
    if (left-- <= 0) return null;
    const words = [`${one.type.toLowerCase()} ${short(one.to ?? '')}`, (one.input ?? '0x').slice(0, 10), gas(Number(one.gasUsed ?? 0))];
    return h('li', {}, words[0], ' ', h('span', { class: 'hex' }, words[1]), ' ', h('span', { class: 'faint' }, words[2]),
      one.error && h('span', { class: 'tag bad' }, one.revertReason ? `${one.error}: ${one.revertReason}` : one.error),
      one.calls?.length ? h('ul', {}, one.calls.map(node)) : null);
  };
  fill(section, h('h2', {}, 'Calls'), h('div', { class: 'card tree' }, h('ul', {}, node(root))));
}

/** An account: what it is, and where it was hot. */
export async function accountView(address) {
  const [balance, nonce, code, stats, slots, functions] = await Promise.all([
    call('eth_getBalance', address, 'latest'),
    call('eth_getTransactionCount', address, 'latest'),
    call('eth_getCode', address, 'latest'),
    call('eth_blockNumber').then(Number),
    hot(address, 'slot'), hot(address, 'function'),
  ]);
  const contract = code !== '0x';
  const name = [...slots, ...functions].find((one) => one.name)?.name?.split('.')[0] ?? short(address);
  const known = name.startsWith('0x') ? 'Token' : name;
  const from = Math.max(1, stats - RANGE + 1);
  const waited = slots.reduce((sum, one) => sum + one.serialisedGas, 0);
  const view = h('div', {},
    h('div', { class: 'headline' },
      h('div', { class: 'row' }, h('h1', {}, name), h('span', { class: 'tag' }, contract ? 'contract' : 'account'), ...[...new Set(functions.map((one) => one.contractKind).filter(Boolean))].map((kind) => h('span', { class: 'tag' }, kind))),
      h('div', { class: 'hash' }, copyable(address)),
      h('p', { class: 'lead' }, waited ? `In blocks ${from} to ${stats}, ${gas(waited)} waited at what it keeps.` : `In blocks ${from} to ${stats}, nobody waited at what it keeps.`),
      h('div', { class: 'card facts' },
        h('div', {}, h('div', { class: 'label' }, 'Balance'), h('div', { class: 'value' }, ether(balance))),
        h('div', {}, h('div', { class: 'label' }, 'Nonce'), h('div', { class: 'value' }, integer(Number(nonce)))),
        contract && h('div', {}, h('div', { class: 'label' }, 'Code'), h('div', { class: 'value' }, `${integer((code.length - 2) / 2)} bytes`)))),
    slots.length > 0 && h('section', {}, h('h2', {}, 'Places that made others wait'), hotTable(slots)),
    functions.length > 0 && h('section', {}, h('h2', {}, 'Functions that had to wait'), hotTable(functions)),
    contract && h('section', {}, h('h2', {}, 'Names'), h('p', { class: 'about' }, 'Tell this node the ABI and the storage layout, and its places get their real names:'),
      h('pre', {}, `forge inspect ${known} abi --json > abi.json\nforge inspect ${known} storageLayout --json > layout.json\ncast rpc weft_registerAbi ${address} "$(cat abi.json)" "$(cat layout.json)" '"${known}"'`)));
  return { element: view, title: name, keys: {} };
}

async function hot(address, by) {
  const head = Number(await call('eth_blockNumber'));
  const found = await call('weft_getHotspots', { from: quantity(Math.max(1, head - RANGE + 1)) }, { by, limit: 500 });
  const own = found.hotspots.filter((spot) => spot.address?.toLowerCase() === address.toLowerCase());
  return own.slice(0, 30);
}

/** An account as far as one block knows it. */
export function accountOfFile(record, address) {
  const { slots, sent, called, name } = spots(record, address);
  const number = record.record.number;
  const list = (title, all) => all.length > 0 && h('section', {}, h('h2', {}, title), h('div', { class: 'chips' },
    all.slice(0, 200).map((tx) => h('a', { href: `#/tx/${number}/${tx}` }, `tx ${tx}`)), all.length > 200 && h('span', { class: 'chip' }, `${integer(all.length)} in all`)));
  const view = h('div', {},
    h('div', { class: 'headline' },
      h('div', { class: 'row' }, h('h1', {}, name ?? short(address))),
      h('div', { class: 'hash' }, copyable(address)),
      h('p', { class: 'lead' }, 'In ', h('a', { href: `#/block/${number}` }, `block ${number}`), `: ${count(sent.length, 'transaction')} sent, ${count(called.length, 'transaction')} to it.`)),
    slots.length > 0 && h('section', {}, h('h2', {}, 'Places that made others wait'), hotTable(slots)),
    list('Called by', called), list('Sent', sent));
  return { element: view, title: name ?? short(address), keys: {} };
}
