// Building elements without strings of markup: nothing that came from the chain is ever parsed as HTML.

/** h('a', { href, class }, 'text', child, …) */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  assign(element, props);
  append(element, children);
  return element;
}

/** The same for SVG. */
export function s(tag, props = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  assign(element, props);
  append(element, children);
  return element;
}

function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name.startsWith('--')) element.style.setProperty(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
}

function append(element, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces what an element contains. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

const tip = () => document.getElementById('tip');

/** Shows lines beside the pointer; the first is a heading. */
export function showTip(x, y, lines) {
  const element = tip();
  fill(element, lines.map((line, place) => h(place ? 'div' : 'strong', {}, line)));
  element.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = element;
  const left = Math.max(8, Math.min(x + 14, innerWidth - width - 8));
  const top = y + 18 + height > innerHeight ? Math.max(8, y - height - 12) : y + 18;
  element.style.setProperty('left', `${left}px`);
  element.style.setProperty('top', `${top}px`);
}

export function hideTip() {
  tip().hidden = true;
}

/** A value of the style sheet. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A button that copies text and says so. */
export function copyable(text, shown = text) {
  const button = h('button', { class: 'copy', type: 'button', title: 'copy' }, shown);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.classList.add('done');
      setTimeout(() => button.classList.remove('done'), 900);
    } catch {
      getSelection().selectAllChildren(button);
    }
  });
  return button;
}

/** A canvas that follows the size of its box and the density of the screen. `draw(context, width, height)`. */
export function canvas(height, draw, props = {}) {
  const element = h('canvas', { ...props, height });
  let pending = false;
  const paint = () => {
    pending = false;
    const width = element.clientWidth;
    const tall = element.clientHeight;
    if (!width) return;
    const density = devicePixelRatio || 1;
    if (element.width !== Math.round(width * density) || element.height !== Math.round(tall * density)) {
      element.width = Math.round(width * density);
      element.height = Math.round(tall * density);
    }
    const context = element.getContext('2d');
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, tall);
    draw(context, width, tall);
  };
  element.repaint = () => {
    if (!pending) {
      pending = true;
      requestAnimationFrame(paint);
    }
  };
  element.paintNow = paint;
  element.style.setProperty('height', `${height}px`);
  new ResizeObserver(element.repaint).observe(element);
  return element;
}
