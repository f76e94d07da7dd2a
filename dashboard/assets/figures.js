// Small figures in SVG, without a library: scales, axes, marks. Colours come from classes, so the theme needs no redraw.

const SVG = "http://www.w3.org/2000/svg";

export function shape(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    node.setAttribute(name, typeof value === "number" ? round(value) : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// What a mark says when the pointer rests on it.
export function tip(text) {
  return shape("title", {}, text);
}

export function words(x, y, text, attributes = {}) {
  return shape("text", { x, y, ...attributes }, text);
}

// A figure says in one sentence what it shows; the table behind it holds every number.
export function figure(width, height, label, ...children) {
  return shape("svg", { class: "figure", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, ...children);
}

export function linear([low, high], [from, to]) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

export function logarithmic([low, high], range) {
  const scale = linear([Math.log(low), Math.log(high)], range);
  return (value) => scale(Math.log(value));
}

// At most `most` round numbers from 0 to a little above `high`.
export function ticks(high, most = 4) {
  if (high <= 0) return [0, 1];
  const rough = high / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const found = [];
  for (let value = 0; value < high + step * 0.999; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

// Hatched lines for what is not, by a pattern of its own so that no colour alone tells it.
export function hatch(id) {
  return shape(
    "pattern",
    { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    shape("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 6 }),
  );
}

// A hatched place: what is not there and why.
export function never(box, pattern, text) {
  return shape("rect", { class: "never", ...box, fill: `url(#${pattern})` }, tip(text));
}

function round(value) {
  return String(Math.round(value * 100) / 100);
}
