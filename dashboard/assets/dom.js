// Elements without markup strings: what comes from the stream is text and can never become structure.

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = {
  high: "M8 2.2 14.6 13.8 1.4 13.8Z",
  medium: "M8 1.4 14.6 8 8 14.6 1.4 8Z",
  low: "M8 2.6a5.4 5.4 0 1 0 .001 0Z",
};

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Severity is a shape and a colour; the word stands beside it.
export function glyph(severity, state = "open") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `glyph ${severity} ${state}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[severity] ?? SHAPES.low);
  svg.append(path);
  return svg;
}

export function byId(id) {
  return document.getElementById(id);
}

// Touch the page only where it differs: an unchanged text costs no layout.
export function say(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}
