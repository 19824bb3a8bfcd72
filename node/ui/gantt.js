// Lanes on a canvas: one row a worker (or a core that does not exist), x is time (or gas).

import { ABORTED, BLOCKED, PANICKED, byRow, find, ticks } from './model.js';
import { canvas, colour, hideTip, showTip } from './dom.js';
import { gas, time } from './format.js';

const GUTTER = 66;
const AXIS = 24;
/** Tallest and lowest row, and the tallest drawing, in pixels. */
const ROW = { most: 30, least: 3, all: 520 };

/**
 * @param slices of `measured` or `ideal`
 * @param b the block
 * @param events { chosen(tx), describe(slice) -> lines, isOnPath(tx) }
 */
export function gantt(slices, b, events) {
  const rows = byRow(slices);
  const height = Math.max(ROW.least, Math.min(ROW.most, ROW.all / rows.length));
  // More rows than pixels: several share one.
  const step = Math.min(height, ROW.all / rows.length);
  const total = Math.ceil(AXIS + Math.max(step * rows.length, 40) + 4);
  const state = { from: 0, to: slices.end, chosen: -1, moved: false };
  const gutter = () => (element.clientWidth < 520 ? 30 : GUTTER);
  const scale = () => (element.clientWidth - gutter() - 6) / (state.to - state.from);
  const x = (at) => gutter() + (at - state.from) * scale();
  const at = (px) => state.from + (px - gutter()) / scale();
  const label = slices.unit === 'gas' ? gas : time;

  const draw = (context, width) => {
    const style = palette();
    axis(context, width, style);
    const left = gutter();
    context.save();
    context.beginPath();
    context.rect(left, AXIS - 4, width - left, total);
    context.clip();
    // Where several rows share a pixel, each pixel is painted once.
    const grid = step < 1 ? new Uint8Array(Math.ceil(width) * (total + 1)) : null;
    for (let r = 0; r < rows.length; r++) {
      const y = AXIS + r * step;
      if (step >= 12) {
        context.fillStyle = style.wash;
        context.fillRect(left, y + 1, width, step - 3);
      }
      drawRow(context, width, rows[r], y, Math.max(1, step - (step > 8 ? 4 : step > 4 ? 1 : 0)), style, grid);
    }
    arrows(context, style);
    context.restore();
    if (step >= 12) {
      context.fillStyle = style.soft;
      context.font = `12px ${style.sans}`;
      context.textBaseline = 'middle';
      context.textAlign = 'left';
      for (let r = 0; r < rows.length; r++) {
        const name = slices.unit === 'gas' ? `core ${r}` : `worker ${r}`;
        context.fillText(left > 40 ? name : String(r), 2, AXIS + r * step + step / 2);
      }
    }
  };

  function axis(context, width, style) {
    context.font = `11.5px ${style.sans}`;
    context.textBaseline = 'top';
    context.textAlign = 'center';
    for (const t of ticks(state.from, state.to, Math.max(2, width / 130))) {
      const px = Math.round(x(t)) + 0.5;
      context.strokeStyle = style.line;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(px, AXIS - 6);
      context.lineTo(px, total);
      context.stroke();
      context.fillStyle = style.faint;
      const text = t === 0 ? '0' : label(t);
      const half = context.measureText(text).width / 2;
      if (px - half > 0 && px + half < width) context.fillText(text, px, 2);
    }
  }

  function drawRow(context, width, row, y, tall, style, grid) {
    const k = scale();
    let painted = -1;
    for (const i of row) {
      const left = x(slices.start[i]);
      let right = left + slices.duration[i] * k;
      if (right < gutter() || left > width) continue;
      right = Math.max(right, left + 1);
      // What is thinner than a pixel is painted once a pixel, unless it is special.
      const plain = slices.outcome[i] === 0 && slices.tx[i] !== state.chosen;
      if (plain && right - left <= 1 && Math.floor(left) === painted) continue;
      painted = Math.floor(left);
      if (grid && plain && right - left <= 1.5) {
        const pixel = Math.floor(y) * Math.ceil(width) + Math.max(0, painted);
        if (grid[pixel]) continue;
        grid[pixel] = 1;
      }
      slice(context, i, left, right - left > 3 ? right - 1 : right, y + 1, tall, style);
    }
  }

  function slice(context, i, left, right, y, tall, style) {
    const outcome = slices.outcome[i];
    const wide = right - left;
    const tx = slices.tx[i];
    context.fillStyle =
      outcome === ABORTED || outcome === PANICKED
        ? wide > 6 ? style.hatch(context) : style.warn
        : outcome === BLOCKED ? style.grey : style.contract[b.colour[b.to[tx]]];
    context.fillRect(left, y, wide, tall);
    if (events.isOnPath(tx) && outcome === 0 && tall >= 4) {
      context.fillStyle = style.ink;
      context.fillRect(left, y + tall - Math.min(3, tall / 3), wide, Math.min(3, tall / 3));
    }
    if (tx === state.chosen) {
      context.strokeStyle = style.ink;
      context.lineWidth = 2;
      context.strokeRect(left + 0.5, y + 0.5, Math.max(2, wide - 1), tall - 1);
    }
    if (tall >= 14 && wide > 20 && outcome !== BLOCKED) {
      context.font = `11.5px ${style.sans}`;
      context.textAlign = 'left';
      context.textBaseline = 'middle';
      context.fillStyle = outcome === ABORTED ? style.ink : style.on;
      const number = String(tx);
      const name = wide > 110 ? `${number}  ${b.functions[b.function[tx]].split('(')[0]}` : number;
      if (context.measureText(name).width < wide - 8) context.fillText(name, left + 5, y + tall / 2 + 0.5);
    }
  }

  /** Arrows to the chosen transaction from those it waited for, and from it to those that waited. */
  function arrows(context, style) {
    if (state.chosen < 0) return;
    const settled = new Map();
    for (let i = 0; i < slices.length; i++) if (slices.outcome[i] === 0) settled.set(slices.tx[i], i);
    const middle = (i) => AXIS + slices.row[i] * step + step / 2;
    const arrow = (from, to, colour) => {
      if (from === undefined || to === undefined) return;
      const [x1, y1] = [x(slices.start[from] + slices.duration[from]), middle(from)];
      const [x2, y2] = [x(slices.start[to]), middle(to)];
      const bend = Math.max(14, Math.abs(x2 - x1) / 3);
      context.strokeStyle = colour;
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(x1, y1);
      context.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
      context.stroke();
      context.fillStyle = colour;
      context.beginPath();
      context.moveTo(x2, y2);
      context.lineTo(x2 - 6, y2 - 3.5);
      context.lineTo(x2 - 6, y2 + 3.5);
      context.fill();
    };
    let shown = 0;
    for (let e = 0; e < b.edges.from.length && shown < 200; e++) {
      const { from, to } = b.edges;
      if (to[e] === state.chosen || from[e] === state.chosen) {
        arrow(settled.get(from[e]), settled.get(to[e]), style.ink);
        shown++;
      }
    }
    for (let i = 0; i < slices.length; i++) {
      if (slices.tx[i] === state.chosen && slices.outcome[i] === ABORTED && slices.by[i] !== null) {
        arrow(settled.get(slices.by[i]), i, style.warn);
      }
    }
  }

  const element = canvas(total, draw, {
    tabindex: 0,
    role: 'img',
    'aria-label': `${slices.length} executions in ${rows.length} lanes; the table of transactions below says the same in text`,
  });

  const hit = (event) => {
    const box = element.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const r = Math.floor((py - AXIS) / step);
    if (px < gutter() || r < 0 || r >= rows.length) return -1;
    return find(slices, rows[r], at(px), 4 / scale());
  };
  const clamp = () => {
    const span = Math.min(slices.end, Math.max(state.to - state.from, slices.end / 5000));
    state.from = Math.max(0, Math.min(state.from, slices.end - span));
    state.to = state.from + span;
    element.repaint();
  };
  const zoom = (factor, px = gutter() + (element.clientWidth - gutter()) / 2) => {
    const centre = at(px);
    state.from = centre - (centre - state.from) * factor;
    state.to = centre + (state.to - centre) * factor;
    clamp();
  };
  const pan = (px) => {
    const moved = px / scale();
    state.from += moved;
    state.to += moved;
    if (state.from < 0) state.to -= state.from;
    clamp();
  };

  element.addEventListener('wheel', (event) => {
    if (document.activeElement !== element && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = element.getBoundingClientRect();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX || event.deltaY);
    else zoom(1.0015 ** event.deltaY, event.clientX - box.left);
  }, { passive: false });
  let drag = null;
  element.addEventListener('pointerdown', (event) => {
    drag = event.clientX;
    state.moved = false;
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener('pointermove', (event) => {
    if (drag !== null && Math.abs(event.clientX - drag) > 3) {
      state.moved = true;
      pan(drag - event.clientX);
      drag = event.clientX;
      hideTip();
      return;
    }
    const i = drag === null ? hit(event) : -1;
    if (i < 0) hideTip();
    else showTip(event.clientX, event.clientY, events.describe(slices, i));
  });
  element.addEventListener('pointerup', (event) => {
    if (!state.moved) {
      const i = hit(event);
      events.chosen(i < 0 ? -1 : slices.tx[i]);
    }
    drag = null;
  });
  element.addEventListener('pointerleave', hideTip);
  element.addEventListener('keydown', (event) => {
    const moves = { '+': () => zoom(0.7), '=': () => zoom(0.7), '-': () => zoom(1.4), 0: () => element.reset() };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  });
  element.zoom = zoom;
  element.reset = () => {
    Object.assign(state, { from: 0, to: slices.end });
    clamp();
  };
  element.choose = (tx) => {
    state.chosen = tx;
    element.repaint();
  };
  return element;
}

/** Colours of the style sheet, with a hatched pattern for what was thrown away. */
export function palette() {
  const names = { ink: '--ink', soft: '--soft', faint: '--faint', line: '--line', wash: '--wash', warn: '--warn', grey: '--grey', accent: '--accent', paper: '--paper', sheet: '--sheet', sans: '--sans' };
  const style = Object.fromEntries(Object.entries(names).map(([name, value]) => [name, colour(value)]));
  style.contract = Array.from({ length: 9 }, (_, i) => colour(`--c${i}`));
  style.on = matchMedia('(prefers-color-scheme: dark)').matches ? '#101314' : '#ffffff';
  const [light, dark] = [colour('--warn-wash'), style.warn];
  style.hatch = (context) => {
    style.pattern ??= (() => {
      const tile = document.createElement('canvas');
      tile.width = tile.height = 6;
      const paint = tile.getContext('2d');
      paint.fillStyle = light;
      paint.fillRect(0, 0, 6, 6);
      paint.strokeStyle = dark;
      paint.lineWidth = 1.6;
      for (const shift of [-6, 0, 6]) {
        paint.beginPath();
        paint.moveTo(shift, 6);
        paint.lineTo(shift + 6, 0);
        paint.stroke();
      }
      return context.createPattern(tile, 'repeat');
    })();
    return style.pattern;
  };
  return style;
}
