// JSON-RPC of the node that served this page, or the record inside it.

import { answer as answerOfFile, file } from './file.js';

let id = 0;

export class RpcFailure extends Error {
  constructor(error) {
    super(error.message);
    this.code = error.code;
    this.data = error.data;
  }
}

/** Calls a method. */
export async function call(method, ...params) {
  const answer = file ? answerOfFile(file, method, params) : await post(method, params);
  if (answer.error) throw new RpcFailure(answer.error);
  return answer.result;
}

async function post(method, params) {
  const response = await fetch('/', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }),
  });
  return response.json();
}

/** A number as a JSON-RPC quantity; tags stay. */
export function quantity(n) {
  return typeof n === 'number' || /^\d+$/.test(n) ? `0x${Number(n).toString(16)}` : n;
}

/**
 * Tells about new blocks: over a WebSocket where it works, else by asking once a second. `heard(connected)`. Several blocks
 * may be one call.
 */
export function follow(heard) {
  let height = -1;
  let socket = null;
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    // A busy chain has many blocks a second; a person reads a few.
    setTimeout(() => {
      waiting = false;
      heard(true);
    }, 150);
  };
  const poll = async () => {
    try {
      const now = Number(await call('eth_blockNumber'));
      if (now !== height) {
        height = now;
        soon();
      }
    } catch {
      height = -1;
      heard(false);
    }
  };
  const open = () => {
    try {
      socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/`);
    } catch {
      return;
    }
    socket.onopen = () => {
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }));
      soon();
    };
    socket.onmessage = (event) => {
      if (JSON.parse(event.data).method) soon();
    };
    socket.onclose = () => {
      socket = null;
      setTimeout(open, 5000);
    };
  };
  open();
  setInterval(() => {
    if (!socket || socket.readyState !== WebSocket.OPEN) poll();
  }, 1000);
}
