// The graph of alike payments: a disc for each group, a dot for each of its payments, a line between groups that are nearly alike.
// Press, or reach it with Tab: arrows go to the next group in that direction, Enter chooses, Esc gives up, + and - come closer.

import { element } from "./dom.js";
import { counted, exact, percent } from "./format.js";
import { shape, tip, words } from "./figures.js";
import { empty, table } from "./privacy_parts.js";
import { features, summary } from "./streams_group.js";
import { bounds, laidOut, seeds } from "./streams_layout.js";
import { when } from "./times.js";

const DOTS_MOST = 60;
const NAMED = 9;
const LETTERS = 11;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Graph {
  // chosen(group or null, [{group, shared}])
  constructor(places, chosen) {
    this.places = places;
    this.chosen = chosen;
    this.selected = null;
    this.groups = [];
    this.lines = [];
    this.known = new Map();
    this.view = null;
  }

  keys() {
    return {
      "+": () => this.#zoom(1 / 1.4),
      "-": () => this.#zoom(1.4),
      Escape: () => this.select(null),
    };
  }

  draw(body, picture, { tables }) {
    this.body = body;
    this.groups = picture?.groups ?? [];
    this.lines = picture?.lines ?? [];
    if (this.selected && !this.#find(this.selected)) this.selected = null;
    if (!this.groups.length) {
      this.svg = null;
      body.replaceChildren(
        empty(
          "No group was found yet.",
          "Payments are compared when their window closes (an hour and ten minutes of event time by default). Seven features are compared: amount, category, place, channel, device, merchant and the quarter of the hour. A group needs two people.",
          "The course draws the graph of a stream of its own: `veilocity rubric --serve`, then the report below.",
        ),
      );
      this.chosen(null, []);
      return;
    }
    if (tables) this.#table(body);
    else this.#picture(body);
    this.#tell();
  }

  select(id) {
    this.selected = id;
    if (!this.body) return;
    for (const node of this.body.querySelectorAll("[data-group]")) this.#mark(node);
    this.#highlight();
    this.#tell();
  }

  #mark(node) {
    const on = node.dataset.group === this.selected;
    node.setAttribute("aria-pressed", String(on));
    node.classList.toggle("selected", on);
  }

  #find(id) {
    return this.groups.find((group) => group.id === id);
  }

  #tell() {
    const group = this.#find(this.selected) ?? null;
    this.chosen(group, group ? this.#near(this.groups.indexOf(group)) : []);
  }

  #near(index) {
    return this.lines
      .filter(([a, b]) => a === index || b === index)
      .map(([a, b, shared]) => ({ group: this.groups[a === index ? b : a], shared }));
  }

  #table(body) {
    this.svg = null;
    const rows = this.groups.map((group) => {
      const { category, merchant, cell, amount, quarter } = features(group, this.places);
      const button = element("button", { class: "plain", "data-group": group.id, "aria-pressed": "false" }, summary(group, this.places));
      button.addEventListener("click", () => this.select(group.id));
      this.#mark(button);
      return [button, exact(group.payments), exact(group.people), percent(group.similarity), category ?? "", amount ?? "", typeof quarter === "number" ? when(quarter) : (cell && merchant ? "" : "")];
    });
    body.replaceChildren(table("Groups of alike payments, largest first", ["Group", "Payments", "People", "Similarity", "Category", "Amount", "From"], rows, { class: "table groups" }));
  }

  #picture(body) {
    const nodes = this.groups.map((group) => ({ id: group.id, radius: 8 + 2.4 * Math.sqrt(Math.min(DOTS_MOST, group.members)) }));
    const width = body.clientWidth;
    const height = Math.max(300, Math.min(520, Math.round(width * 0.76)));
    // Laid out again only for other groups: what is drawn anew for its width or its names stays where it was.
    const laid = JSON.stringify([nodes, this.lines]);
    if (this.laid !== laid) this.at = laidOut(nodes, this.lines, this.known, width / height);
    this.laid = laid;
    this.known = new Map(nodes.map(({ id }, index) => [id, this.at[index]]));
    this.nodes = nodes;
    const label = `${counted(this.groups.length, "group")} of alike payments; the table (m) tells each`;
    const lines = this.lines.map(([a, b, shared]) =>
      shape("line", { class: "alike", "data-ends": `${a} ${b}`, "data-shared": shared, x1: this.at[a].x, y1: this.at[a].y, x2: this.at[b].x, y2: this.at[b].y }, tip(`${shared} of 7 features are the same`)),
    );
    const groups = this.groups.map((group, index) => this.#group(group, index));
    const box = bounds(nodes, this.at, 26);
    this.home = fitted(box, width / height);
    this.width = width;
    const names = this.#names(this.home.width / width);
    this.svg = shape("svg", { class: "graph", width, height, role: "group", "aria-label": label }, ...lines, ...groups, ...names);
    this.#look(this.view ?? this.home);
    this.#listen();
    const reset = element("button", { class: "plain", title: "Everything in view" }, "Fit");
    reset.addEventListener("click", () => this.#look(this.home, true));
    const closer = element("button", { class: "plain", title: "Closer (+)", "aria-label": "Closer" }, "+");
    closer.addEventListener("click", () => this.#zoom(1 / 1.4));
    const farther = element("button", { class: "plain", title: "Farther (-)", "aria-label": "Farther" }, "\u2212");
    farther.addEventListener("click", () => this.#zoom(1.4));
    const note = element("p", { class: "note quiet" }, "A disc is a group, a dot a payment; a line joins groups that share four features or more.");
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset?.group : null;
    body.replaceChildren(element("div", { class: "graph-box" }, this.svg, element("div", { class: "graph-tools" }, reset, closer, farther)), note);
    this.#rove(focused ?? this.selected ?? this.groups[0].id, Boolean(focused));
    this.#highlight();
  }

  // The names of the largest that lie on no other name; all others are told on hover, and in the table.
  #names(unit) {
    const taken = [];
    const shown = [];
    this.groups.forEach((group, index) => {
      if (shown.length === NAMED) return;
      const text = summary(group, this.places);
      const [x, y] = [this.at[index].x, this.at[index].y + this.nodes[index].radius + LETTERS * unit];
      const half = (text.length * 2.9 + 4) * unit;
      if (taken.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 1.3 * LETTERS * unit)) return;
      taken.push({ x, y, half });
      shown.push(words(x, y, text, { class: "group-name", "text-anchor": "middle", "data-of": index }));
    });
    return shown;
  }

  #group(group, index) {
    const { radius } = this.nodes[index];
    const dots = seeds(Math.min(DOTS_MOST, group.members), radius - 5).map(({ x, y }) => shape("circle", { class: "payment-dot", cx: x, cy: y, r: 1.9 }));
    const name = `${summary(group, this.places)}: ${counted(group.payments, "payment")} of ${counted(group.people, "person", "people")}, similarity ${percent(group.similarity)} or more`;
    const node = shape(
      "g",
      { class: "group", "data-group": group.id, "data-index": index, role: "button", tabindex: "-1", "aria-label": name, "aria-pressed": "false", transform: `translate(${this.at[index].x.toFixed(1)} ${this.at[index].y.toFixed(1)})` },
      tip(name),
      shape("circle", { class: "disc", r: radius }),
      ...dots,
      shape("circle", { class: "halo", r: radius + 3.5 }),
    );
    this.#mark(node);
    node.addEventListener("click", () => {
      if (this.dragged) return;
      this.#rove(group.id);
      this.select(this.selected === group.id ? null : group.id);
    });
    return node;
  }

  #listen() {
    const { svg } = this;
    svg.addEventListener("keydown", (event) => {
      const index = Number(event.target.dataset?.index ?? -1);
      if (index < 0) return;
      if (event.key === "Enter" || event.key === " ") this.select(this.groups[index].id);
      else if (ARROWS[event.key]) this.#rove(this.groups[this.#towards(index, ARROWS[event.key])].id, true);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    svg.addEventListener("wheel", (event) => {
      // Only where somebody means it: a page that scrolls must not be caught by a picture.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.#zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15);
    }, { passive: false });
    let from = null;
    svg.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, view: this.view };
      this.dragged = false;
    });
    svg.addEventListener("pointermove", (event) => {
      if (!from || !event.buttons) return;
      const scale = this.view.width / svg.clientWidth;
      const [dx, dy] = [(event.clientX - from.x) * scale, (event.clientY - from.y) * scale];
      if (Math.hypot(dx, dy) < 4 * scale && !this.dragged) return;
      this.dragged = true;
      this.#look({ ...from.view, x: from.view.x - dx, y: from.view.y - dy });
    });
    svg.addEventListener("pointerup", () => {
      from = null;
    });
  }

  // The nearest group that lies in a direction; the same where there is none.
  #towards(index, [right, down]) {
    let [best, least] = [index, Infinity];
    this.at.forEach(({ x, y }, other) => {
      const [dx, dy] = [x - this.at[index].x, y - this.at[index].y];
      const along = dx * right + dy * down;
      const aside = Math.abs(dx * down - dy * right);
      if (other === index || along <= 0 || aside > 2.2 * along) return;
      const cost = along + 1.6 * aside;
      if (cost < least) [best, least] = [other, cost];
    });
    return best;
  }

  // One group at a time is reached by Tab.
  #rove(id, focus = false) {
    for (const node of this.svg.querySelectorAll(".group")) {
      const here = node.dataset.group === id;
      node.setAttribute("tabindex", here ? "0" : "-1");
      if (here && focus) node.focus();
    }
  }

  #highlight() {
    if (!this.svg) return;
    const index = this.groups.findIndex(({ id }) => id === this.selected);
    this.svg.dataset.chosen = String(index >= 0);
    for (const line of this.svg.querySelectorAll(".alike")) {
      line.classList.toggle("near", line.dataset.ends.split(" ").map(Number).includes(index));
    }
    const near = new Set([index, ...this.#near(index).map(({ group }) => this.groups.indexOf(group))]);
    for (const node of this.svg.querySelectorAll(".group")) node.classList.toggle("near", near.has(Number(node.dataset.index)));
    for (const node of this.svg.querySelectorAll(".group-name")) node.classList.toggle("near", near.has(Number(node.dataset.of)));
  }

  #zoom(factor) {
    if (!this.svg) return;
    const { x, y, width, height } = this.view;
    const [w, h] = [width * factor, height * factor];
    if (w > this.home.width * 2.5 || w < this.home.width / 12) return;
    this.#look({ x: x + (width - w) / 2, y: y + (height - h) / 2, width: w, height: h });
  }

  #look(view, home = false) {
    this.view = view;
    this.svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
    // Letters keep their size however close one comes.
    for (const name of this.svg.querySelectorAll(".group-name")) name.setAttribute("font-size", (LETTERS * view.width) / this.width);
    // Back home the next drawing may fit anew.
    if (home) this.view = { ...view };
  }
}

function fitted({ left, top, right, bottom }, aspect) {
  let [width, height] = [right - left, bottom - top];
  if (width / height < aspect) width = height * aspect;
  else height = width / aspect;
  return { x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height };
}
