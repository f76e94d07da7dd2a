// A word with a shape beside it, so that no colour alone tells how something stands.

import { element } from "./dom.js";
import { shape } from "./figures.js";

const SHAPES = {
  good: "M2.5 7l3 3 6-7",
  wrong: "M3 3l8 8M11 3l-8 8",
  doubt: "M7 2v6M7 11.4v.2",
  none: "M3 7h8",
};

export function mark(kind) {
  return shape("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, shape("path", { d: SHAPES[kind] ?? SHAPES.none }));
}

export function stateWord(kind, text, title) {
  return element("span", { class: "state-word", "data-mark": kind, title }, mark(kind), text);
}
