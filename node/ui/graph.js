// The graph of dependencies on a canvas: columns by depth, the critical path thick.

import { layers } from './model.js';
import { canvas, hideTip, showTip } from './dom.js';
import { palette } from './gantt.js';
import { bare, count, gas } from './format.js';

const PAD = 26;
const COLUMN = { least: 16, most: 150 };
const ROW = { least: 7, most: 34 };
/** Widest drawing, in pixels; deeper graphs are squeezed. */
const WIDEST = 12000;

/** @param events { chosen(tx), isOnPath(tx), name(tx), where(location) } */
export function graph(b, hidden, width, events) {
  const g = layers(b, hidden);
  if (g.nodes.length === 0) return { element: null, ...g };
  const columns = Array.from({ length: g.depth + 1 }, () => []);
  g.nodes.forEach((node, i) => columns[node.depth].push(i));
  sortColumns(g, columns);
  const step = Math.max(Math.min(COLUMN.least, WIDEST / columns.length), Math.min(COLUMN.most, (width - 2 * PAD) / Math.max(1, g.depth)));
  const tallest = Math.max(...columns.map((column) => column.length));
  const row = Math.max(ROW.least, Math.min(ROW.most, 460 / tallest));
  const height = Math.max(110, Math.min(4000, 2 * PAD + row * (tallest - 1)));
  const wide = Math.max(width, 2 * PAD + step * g.depth);
  const most = Math.max(...g.nodes.map((node) => node.gas));
  const size = Math.min(9, row * 0.42, step * 0.3);
  for (const column of columns) {
    column.forEach((i, place) => {
      const node = g.nodes[i];
      node.x = PAD + node.depth * step;
      node.y = height / 2 + (place - (column.length - 1) / 2) * row;
      node.radius = Math.max(2, size * (0.55 + 0.45 * Math.sqrt(node.gas / most)));
      node.path = node.members.some(events.isOnPath);
    });
  }
  const next = new Map(b.pathMembers.slice(1).map((tx, i) => [tx, b.pathMembers[i]]));
  const onPath = new Set();
  for (const [tx, before] of next) onPath.add(g.nodeOf[before] * 1e6 + g.nodeOf[tx]);
  let chosen = -1;

  const draw = (context) => {
    const style = palette();
    const link = (one) => {
      const [from, to] = [g.nodes[one.from], g.nodes[one.to]];
      const bend = (to.x - from.x) / 2;
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.bezierCurveTo(from.x + bend, from.y, to.x - bend, to.y, to.x, to.y);
      context.stroke();
    };
    context.strokeStyle = style.faint;
    context.globalAlpha = g.links.length > 400 ? 0.25 : 0.5;
    context.lineWidth = 1;
    g.links.filter((one) => !onPath.has(one.from * 1e6 + one.to)).forEach(link);
    context.globalAlpha = 1;
    context.strokeStyle = style.ink;
    context.lineWidth = 3;
    g.links.filter((one) => onPath.has(one.from * 1e6 + one.to)).forEach(link);
    if (chosen >= 0) {
      context.strokeStyle = style.accent;
      context.lineWidth = 2;
      g.links.filter((one) => one.from === chosen || one.to === chosen).forEach(link);
    }
    g.nodes.forEach((node, i) => {
      context.beginPath();
      context.arc(node.x, node.y, node.radius, 0, 7);
      context.fillStyle = style.contract[node.colour];
      context.fill();
      if (node.path || i === chosen) {
        context.strokeStyle = i === chosen ? style.accent : style.ink;
        context.lineWidth = i === chosen ? 3 : 2;
        context.stroke();
      }
      if (row >= 20 && step >= 44) {
        context.fillStyle = style.soft;
        context.font = `11px ${style.sans}`;
        context.textAlign = 'center';
        context.textBaseline = 'bottom';
        const text = node.members.length > 1 ? `${node.members.length}×` : String(node.members[0]);
        context.fillText(text, node.x, node.y - node.radius - 2);
      }
    });
  };
  const element = canvas(height, draw, { role: 'img', 'aria-label': `${g.nodes.length} nodes in ${columns.length} layers of dependencies` });
  if (wide > width) element.style.setProperty('width', `${wide}px`);

  const hit = (event) => {
    const box = element.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const depth = Math.round((px - PAD) / step);
    let best = -1;
    let reach = 14;
    for (const d of [depth - 1, depth, depth + 1]) {
      for (const i of columns[d] ?? []) {
        const away = Math.hypot(g.nodes[i].x - px, g.nodes[i].y - py);
        if (away < reach) [best, reach] = [i, away];
      }
    }
    return best;
  };
  element.addEventListener('pointermove', (event) => {
    const i = hit(event);
    if (i < 0) return hideTip();
    showTip(event.clientX, event.clientY, describe(b, g, i, events));
  });
  element.addEventListener('pointerleave', hideTip);
  element.addEventListener('click', (event) => {
    const i = hit(event);
    events.chosen(i < 0 ? -1 : g.nodes[i].members[0]);
  });
  element.choose = (tx) => {
    chosen = tx < 0 ? -1 : g.nodeOf[tx];
    element.repaint();
  };
  return { element, ...g };
}

function describe(b, g, i, events) {
  const node = g.nodes[i];
  const [first] = node.members;
  const head = node.members.length > 1
    ? `${count(node.members.length, 'transaction')}: ${bare(b.functions[b.function[first]])}`
    : events.name(first);
  const lines = [head, `${gas(node.gas)}, after ${count(node.depth, 'other')} in a row`];
  const places = g.links.filter((one) => one.to === i).slice(0, 3);
  for (const one of places) lines.push(`waits for ${g.nodes[one.from].members[0]} at ${events.where(one.location)}`);
  return lines;
}

/** Puts each node near those it waits for, so that fewer links cross. */
function sortColumns(g, columns) {
  const before = g.nodes.map(() => []);
  for (const link of g.links) before[link.to].push(link.from);
  const place = new Float64Array(g.nodes.length);
  for (const column of columns) {
    const wish = new Map(column.map((i) => {
      const from = before[i];
      return [i, from.length ? from.reduce((sum, j) => sum + place[j], 0) / from.length : g.nodes[i].members[0] / 1e6];
    }));
    column.sort((i, j) => wish.get(i) - wish.get(j) || i - j);
    column.forEach((i, k) => (place[i] = k - (column.length - 1) / 2));
  }
}
