// What the merchants that sell most sold so far: a line for each, and the same as a list that chooses one of them.

import { element } from "./dom.js";
import { counted, exact } from "./format.js";
import { figure, linear, shape, ticks, words } from "./figures.js";
import { named } from "./payments_names.js";
import { empty, table } from "./privacy_parts.js";
import { Reading } from "./reports_reading.js";
import { localClock, localSecond, when } from "./times.js";

const HEIGHT = 320;
const LEFT = 52;
const BOTTOM = 20;
const NAMES = 110;
const LABEL_GAP = 13;
const LABELLED = 6;
const LEADERS = 3;
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });

export class Sales {
  constructor() {
    this.reading = new Reading("Sales by merchant over time");
    this.unit = null;
    this.chosen = null; // id of a merchant; it outlives news
    this.last = null;
  }

  draw(body, sales, options) {
    this.last = [body, sales, options];
    const measure = sales?.measures.find(({ name }) => name === this.unit) ?? sales?.measures[0];
    if (!measure?.lines.length) {
      body.dataset.wide = "false";
      body.replaceChildren(this.#nothing(sales));
      return;
    }
    if (options.tables) {
      body.dataset.wide = "false";
      body.replaceChildren(...this.#tables(sales, measure));
      return;
    }
    const list = this.#list(measure);
    const wide = body.clientWidth > 620;
    const width = wide ? body.clientWidth - 250 : body.clientWidth;
    this.#chart(body, sales, measure, width, list);
  }

  #nothing(sales) {
    if (sales) return empty("No merchant can be told.", `Fewer people than the policy asks for bought at each of them in the last ${counted(sales.ends_ms.length, "window")}.`);
    return empty("No sale was counted yet.", "`veilocity reports` counts the payments that no rule flagged, every 30 seconds, for the twenty merchants with most of them.");
  }

  #again() {
    this.draw(...this.last);
  }

  #units({ measures }, { name: current }) {
    const buttons = measures.map(({ name }) => {
      const button = element("button", { class: "plain unit", "aria-pressed": String(name === current), "data-name": `unit ${name}` }, name);
      button.addEventListener("click", () => {
        this.unit = name;
        this.#again();
      });
      return button;
    });
    return element("div", { class: "units", role: "group", "aria-label": "What is added up" }, ...buttons);
  }

  #chart(body, sales, measure, width, list) {
    const { lines, name: unit } = measure;
    const { ends_ms: ends } = sales;
    const room = width > 480 ? NAMES : 8;
    const marks = ticks(Math.max(...lines.map(({ values }) => values.at(-1))), 5);
    const x = linear([sales.since_ms, ends.at(-1)], [LEFT, width - room]);
    const y = linear([0, marks.at(-1)], [HEIGHT - BOTTOM, 8]);
    const mark = shape("line", { class: "reading-line", x1: 0, x2: 0, y1: 0, y2: 0 });
    const shown = [...lines].reverse().map((line) => this.#line(line, sales, x, y, lines));
    const leader = lines[0];
    const summary = `${lines.length} merchants since ${localClock(sales.since_ms)}; ${leader.name} leads with ${worth(leader.values.at(-1), unit)}`;
    const items = ends.map((end, place) => ({ key: end, place, said: `${localSecond(end)}: ${this.#said(lines, place, unit)}` }));
    this.reading.show(body, {
      svg: figure(width, HEIGHT, summary, ...grid(marks, y, width - room), ...times(sales, x, width - room), mark, ...shown, ...(room > 8 ? this.#names(lines, y, width - room) : [])),
      items,
      summary,
      nearest: (at) => items.reduce((best, item) => (Math.abs(x(item.key) - at) < Math.abs(x(best.key) - at) ? item : best)),
      mark: (item) => {
        for (const end of ["x1", "x2"]) mark.setAttribute(end, item ? x(item.key) : 0);
        mark.setAttribute("y2", item ? HEIGHT - BOTTOM : 0);
      },
      before: [this.#units(sales, measure)],
      after: [list, element("p", { class: "note quiet" }, "Added up while a merchant is among the first twenty of a window: at most what it sold. Flagged payments are left out.")],
    });
    body.dataset.wide = String(width < body.clientWidth);
  }

  #said(lines, place, unit) {
    const told = lines.find(({ id }) => id === this.chosen);
    const shown = told ? [told] : [...lines].sort((a, b) => b.values[place] - a.values[place]).slice(0, LEADERS);
    return shown.map(({ name, values }) => `${name} ${worth(values[place], unit)}`).join(", ");
  }

  #line({ id, values }, { since_ms, ends_ms }, x, y, lines) {
    const kind = id === this.chosen ? "sales-line chosen-line" : lines.findIndex((one) => one.id === id) < LEADERS ? "sales-line leader" : "sales-line";
    const points = values.map((value, place) => `L${x(ends_ms[place]).toFixed(1)} ${y(value).toFixed(1)}`);
    return shape("path", { class: kind, d: `M${x(since_ms).toFixed(1)} ${y(0).toFixed(1)}${points.join("")}` });
  }

  // Beside the ends of the lines, from the top down, as many as there is room for.
  #names(lines, y, right) {
    const wanted = lines.slice(0, LABELLED);
    const chosen = lines.find(({ id }) => id === this.chosen);
    if (chosen && !wanted.includes(chosen)) wanted.push(chosen);
    let above = -LABEL_GAP;
    return wanted.map(({ id, name, values }) => {
      above = Math.max(y(values.at(-1)) + 4, above + LABEL_GAP);
      return words(right + 6, above, name.length > 17 ? `${name.slice(0, 16)}\u2026` : name, { class: id === this.chosen ? "line-name chosen-word" : "line-name" });
    });
  }

  #list({ lines, name: unit }) {
    const rows = lines.map(({ id, name, category, values }) => {
      const pressed = id === this.chosen;
      const button = element("button", { class: "merchant", "aria-pressed": String(pressed), "data-name": `merchant ${id}`, title: `${named(category)}: ${pressed ? "show all alike again" : "show its line"}` }, element("span", { class: "name" }, name), element("b", {}, exact(values.at(-1))));
      button.addEventListener("click", () => {
        this.chosen = pressed ? null : id;
        this.#again();
      });
      return element("li", {}, button);
    });
    return element("ol", { class: "merchants", "aria-label": `Merchants, most sales first (${unit})` }, ...rows);
  }

  #tables(sales, { name: unit, lines }) {
    const { measures, ends_ms: ends } = sales;
    const total = (id, one) => one.lines.find((line) => line.id === id)?.values.at(-1);
    const rows = lines.map(({ id, name, category }, place) => [
      `${place + 1}. ${name}`,
      named(category),
      ...measures.map((one) => (total(id, one) === undefined ? "" : exact(total(id, one)))),
    ]);
    const over = ends.map((end, place) => [when(end, localSecond(end), true), ...lines.map(({ values }) => exact(values[place]))]).reverse();
    return [
      this.#units(sales, { name: unit }),
      table("Sales by merchant, most first", ["Merchant", "Category", ...measures.map(({ name }) => name)], rows),
      table(`Sales so far (${unit}) at the end of each window, newest first`, ["Until", ...lines.map(({ name }) => name)], over),
    ];
  }
}

function worth(value, unit) {
  return unit === "payments" ? counted(value, "payment") : `${unit} ${exact(value)}`;
}

function grid(marks, y, right) {
  return marks.flatMap((value) => [
    shape("line", { class: value ? "grid" : "grid base", x1: LEFT, x2: right, y1: y(value), y2: y(value) }),
    words(LEFT - 6, y(value) + (value ? 6 : 1), compact.format(value), { class: "tick", "text-anchor": "end" }),
  ]);
}

function times({ since_ms, ends_ms }, x, right) {
  const most = Math.max(2, Math.floor((right - LEFT) / 84));
  const span = ends_ms.at(-1) - since_ms;
  const step = [30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 3_600_000, 14_400_000, 86_400_000].find((one) => span / one <= most) ?? 604_800_000;
  const found = [];
  for (let ms = Math.ceil(since_ms / step) * step; ms <= ends_ms.at(-1); ms += step) {
    if (x(ms) >= LEFT + 16 && x(ms) <= right - 16) found.push(words(x(ms), HEIGHT - 5, step < 60_000 ? localSecond(ms) : localClock(ms), { class: "tick", "text-anchor": "middle" }));
  }
  return found;
}
