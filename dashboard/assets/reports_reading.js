// A figure that is read part by part, by the arrow keys or under the pointer; what it says stands in a line below it.

import { element, say } from "./dom.js";

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

export class Reading {
  constructor(name) {
    this.name = name;
    this.key = null; // of the part that is read: it outlives news
  }

  // items: [{key, said}]; nearest(x, y): the item there or null; mark(item or null) shows which one is read.
  show(body, { svg, items, summary, nearest, mark = () => {}, before = [], after = [] }) {
    const held = body.contains(document.activeElement) ? document.activeElement.dataset.name : undefined;
    this.parts = { items, summary, mark };
    this.readout = element("p", { class: "quiet small readout", "aria-live": "polite" });
    const box = element("div", { class: "reading-box", tabindex: "0", role: "group", "data-name": "figure", "aria-label": `${this.name}: arrow keys read it` }, svg);
    box.addEventListener("keydown", (event) => this.#press(event));
    svg.addEventListener("pointermove", (event) => this.#read(nearest(...under(svg, event))?.key ?? null));
    svg.addEventListener("pointerleave", () => this.#read(null));
    body.replaceChildren(...before, box, this.readout, ...after);
    this.#read(this.key);
    focusAgain(body, held);
  }

  #press(event) {
    const { items } = this.parts;
    const at = items.findIndex(({ key }) => key === this.key);
    const first = STEPS[event.key] < 0 ? items.length - 1 : 0;
    const next = { Home: 0, End: items.length - 1, Escape: -1 }[event.key] ?? (event.key in STEPS ? (at < 0 ? first : at + STEPS[event.key]) : null);
    if (next === null || !items.length) return;
    event.preventDefault();
    this.#read(next < 0 && event.key === "Escape" ? null : items[Math.min(items.length - 1, Math.max(0, next))].key);
  }

  #read(key) {
    const { items, summary, mark } = this.parts;
    const item = items.find((one) => one.key === key) ?? null;
    this.key = item ? key : null;
    mark(item);
    say(this.readout, item ? item.said : summary);
  }
}

// News must not take the focus away.
export function focusAgain(body, name) {
  if (name !== undefined) [...body.querySelectorAll("[data-name]")].find((node) => node.dataset.name === name)?.focus({ preventScroll: true });
}

function under(svg, { clientX, clientY }) {
  const box = svg.getBoundingClientRect();
  const { width, height } = svg.viewBox.baseVal;
  return [((clientX - box.left) / box.width) * width, ((clientY - box.top) / box.height) * height];
}
