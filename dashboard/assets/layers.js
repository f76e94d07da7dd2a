// Which layers the map has, chosen on a small sheet and told in the link.

import { byId, element } from "./dom.js";

const LAYERS = [
  ["p", "people", "People"],
  ["y", "payments", "Payments"],
  ["a", "arcs", "Alerts and arcs"],
  ["t", "trail", "Trail of the chosen person"],
  ["h", "heat", "Heat of people"],
];
const CELLS = [["", "off"], ["c", "areas"], ["b", "bubbles"]];
const USUAL = "pyat";

export class Layers extends EventTarget {
  constructor(code) {
    super();
    this.on = new Set(code ?? USUAL);
    this.sheet = element("div", { id: "layer-sheet", class: "layer-sheet", hidden: true, role: "group", "aria-label": "Layers of the map" });
    this.button = byId("layers-toggle");
    this.button.addEventListener("click", () => this.toggle());
    this.sheet.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.toggle();
      this.button.focus();
    });
    this.sheet.addEventListener("change", (event) => this.#change(event.target));
    this.note = element("p", { class: "quiet" });
    this.sheet.append(...LAYERS.map(([key, , word]) => this.#box(key, word)), this.#cells(), this.note);
    byId("map-panel").append(this.sheet);
    this.say("Where more than 25 people share 44 pixels, a disc tells how many.");
  }

  // "" where nothing differs from what is usual.
  get code() {
    const code = [...LAYERS, ["c"], ["b"]].map(([key]) => key).filter((key) => this.on.has(key)).join("");
    return code === USUAL ? "" : code || "-";
  }

  has(name) {
    return this.on.has(LAYERS.find(([, layer]) => layer === name)[0]);
  }

  get cells() {
    return this.on.has("c") ? "areas" : this.on.has("b") ? "bubbles" : "";
  }

  say(text) {
    this.note.textContent = text;
  }

  toggle() {
    this.sheet.hidden = !this.sheet.hidden;
    this.button.setAttribute("aria-expanded", String(!this.sheet.hidden));
    if (!this.sheet.hidden) this.sheet.querySelector("input").focus();
  }

  #box(key, word) {
    const input = element("input", { type: "checkbox", value: key });
    input.checked = this.on.has(key);
    return element("label", { class: "check" }, input, word);
  }

  #cells() {
    const select = element("select", {}, ...CELLS.map(([value, text]) => element("option", { value }, text)));
    select.value = this.on.has("c") ? "c" : this.on.has("b") ? "b" : "";
    return element("label", {}, "Released cells (k people or more)", select);
  }

  #change(input) {
    if (input.type === "checkbox") this.on[input.checked ? "add" : "delete"](input.value);
    else {
      this.on.delete("c");
      this.on.delete("b");
      if (input.value) this.on.add(input.value);
    }
    this.dispatchEvent(new Event("change"));
  }
}
