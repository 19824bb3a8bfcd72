// Numbers, names and addresses for people. Pure functions.

const thin = '\u2009';

/** 1234567 -> "1 234 567" with thin spaces. */
export function integer(n) {
  if (n === null || n === undefined) return '–';
  return String(Math.round(n)).replace(/\B(?=(\d{3})+(?!\d))/g, thin);
}

/** Gas with the unit that keeps three digits. */
export function gas(n) {
  if (n === null || n === undefined) return '–';
  if (n >= 1e9) return `${fixed(n / 1e9)} Ggas`;
  if (n >= 1e5) return `${fixed(n / 1e6)} Mgas`;
  if (n >= 1e3) return `${fixed(n / 1e3)} kgas`;
  return `${n} gas`;
}

/** Microseconds with the unit that keeps three digits. */
export function time(us) {
  if (us === null || us === undefined) return '–';
  if (us >= 1e6) return `${fixed(us / 1e6)} s`;
  if (us >= 1e3) return `${fixed(us / 1e3)} ms`;
  return `${Math.round(us)} µs`;
}

/** Three digits: 9.87, 98.7, 987. */
export function fixed(x) {
  if (!Number.isFinite(x)) return '–';
  if (Math.abs(x) >= 99.95) return integer(x);
  if (Math.abs(x) >= 9.995) return x.toFixed(1);
  return x.toFixed(2);
}

/** A speed-up: "3.4×". */
export function times(x) {
  if (x === null || x === undefined || !Number.isFinite(x)) return '–';
  return x >= 99.5 ? `${integer(x)}×` : `${x.toFixed(1)}×`;
}

/** A share in percent. */
export function percent(part, whole) {
  if (!whole) return '–';
  const share = (100 * part) / whole;
  if (share === 0) return '0%';
  if (share < 0.1) return '<0.1%';
  return share >= 10 ? `${Math.round(share)}%` : `${share.toFixed(1)}%`;
}

/** "0x7099…79C8"; anything short stays. */
export function short(hex) {
  if (!hex || hex.length <= 16) return hex ?? '';
  return `${hex.slice(0, 6)}…${hex.slice(-4)}`;
}

/** "transfer(address,uint256)" -> "transfer". */
export function bare(signature) {
  return signature.split('(')[0];
}

/** "one block", "3 blocks". */
export function count(n, one, many = `${one}s`) {
  return `${integer(n)} ${n === 1 ? one : many}`;
}

/** Wei as ether with at most six digits behind the point. */
export function ether(wei) {
  const value = BigInt(wei ?? 0);
  if (value === 0n) return '0';
  const unit = 10n ** 18n;
  const micro = ((value % unit) * 1000000n) / unit;
  if (value < 10n ** 12n) return `${value} wei`;
  const rest = String(micro).padStart(6, '0').replace(/0+$/, '');
  return `${integer(Number(value / unit))}${rest ? `.${rest}` : ''} ETH`;
}

/** Seconds ago in words. */
export function ago(seconds) {
  if (seconds < 2) return 'now';
  if (seconds < 120) return `${Math.round(seconds)} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

/** What a person typed into the search box: a route, or null. */
export function searched(text) {
  const word = text.trim();
  if (/^#?\d{1,15}$/.test(word)) return `#/block/${Number(word.replace('#', ''))}`;
  if (/^0x[0-9a-fA-F]{64}$/.test(word)) return `#/hash/${word.toLowerCase()}`;
  if (/^0x[0-9a-fA-F]{40}$/.test(word)) return `#/address/${word}`;
  if (/^0x[0-9a-fA-F]{1,14}$/.test(word)) return `#/block/${parseInt(word, 16)}`;
  if (/^(latest|head)$/i.test(word)) return '#/block/latest';
  return null;
}

/** "#/block/14?tx=7" -> { view: 'block', id: '14', query: { tx: '7' } } */
export function route(hash) {
  const [path, rest = ''] = hash.replace(/^#\/?/, '').split('?');
  const [view = '', id = ''] = path.split('/');
  return { view: view || 'home', id: decodeURIComponent(id), query: Object.fromEntries(new URLSearchParams(rest)) };
}

/** Static words of an ABI-encoded input, by the types of a signature; null where it cannot say. */
export function decode(signature, input) {
  const list = /\((.*)\)$/.exec(signature ?? '')?.[1];
  if (list === undefined || !input) return null;
  const types = split(list);
  const data = input.slice(10);
  const values = [];
  for (let i = 0, at = 0; i < types.length; i++) {
    const type = types[i];
    if (type.startsWith('(') || /\[\d+\]$/.test(type)) return null;
    const word = data.slice(at, at + 64);
    at += 64;
    if (word.length < 64) return null;
    values.push({ type, value: value(type, word, data) });
  }
  return values;
}

function split(list) {
  const parts = [];
  let depth = 0;
  let part = '';
  for (const c of list) {
    if (c === ',' && depth === 0) {
      parts.push(part);
      part = '';
      continue;
    }
    depth += c === '(' ? 1 : c === ')' ? -1 : 0;
    part += c;
  }
  return part ? [...parts, part] : parts;
}

function value(type, word, data) {
  if (type === 'address') return `0x${word.slice(24)}`;
  if (type === 'bool') return BigInt(`0x${word}`) === 0n ? 'false' : 'true';
  if (type.endsWith(']')) return `${type.slice(0, -2)} list`;
  if (type === 'string' || type === 'bytes') return dynamic(type, word, data);
  if (type.startsWith('uint')) return BigInt(`0x${word}`).toString();
  if (type.startsWith('int')) return BigInt.asIntN(256, BigInt(`0x${word}`)).toString();
  return `0x${word}`;
}

function dynamic(type, word, data) {
  const at = Number(BigInt(`0x${word}`)) * 2;
  if (!(at + 64 <= data.length)) return '?';
  const length = Number(BigInt(`0x${data.slice(at, at + 64)}`));
  const hex = data.slice(at + 64, at + 64 + 2 * Math.min(length, 64));
  if (type === 'bytes') return `0x${hex}${length > 64 ? '…' : ''}`;
  const bytes = new Uint8Array((hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));
  return `"${new TextDecoder().decode(bytes)}${length > 64 ? '…' : ''}"`;
}
