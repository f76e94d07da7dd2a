// The two panels over time. Arrows or the pointer read one ten minutes after the other; a drag chooses a stretch.

import { element, say } from "./dom.js";
import { counted, exact } from "./format.js";
import { figure, linear, shape, ticks, words } from "./figures.js";
import { amount } from "./payments_totals.js";
import { table } from "./privacy_parts.js";
import { inUtc, localClock, localMinute, when } from "./times.js";

const HEIGHT = 150;
const LEFT = 40;
const BOTTOM = 18;
const MINUTE_MS = 60_000;
const STEPS_MINUTES = [10, 30, 60, 120, 180, 360, 720, 1_440];
const LABEL_WIDTH = 62;
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

class OverTime {
  constructor(address, name) {
    this.address = address;
    this.name = name;
    this.at = null; // start of the ten minutes that are read
  }

  draw(body, panels, { tables }) {
    const held = body.contains(document.activeElement);
    if (!panels?.payments) {
      body.replaceChildren(element("p", { class: "quiet small" }, "No payment in this time."));
      return;
    }
    this.panels = panels;
    if (tables) {
      body.replaceChildren(this.table(panels));
      return;
    }
    const width = body.clientWidth;
    this.x = linear([panels.first_ms, this.end()], [LEFT, width - 2]);
    this.mark = shape("rect", { class: "reading", x: 0, y: 0, width: 0, height: HEIGHT - BOTTOM });
    const svg = figure(width, HEIGHT, this.summary(), ...this.#axis(width), this.mark, ...this.marks(width));
    this.readout = element("p", { class: "quiet small readout", "aria-live": "polite" });
    this.box = element("div", { class: "over-time", tabindex: "0", role: "group", "aria-label": `${this.name}: arrow keys read it` }, svg);
    this.#listen(svg);
    body.replaceChildren(this.box, this.readout);
    this.#read(this.at);
    if (held) this.box.focus({ preventScroll: true });
  }

  end() {
    return this.panels.first_ms + this.panels.volume.length * this.panels.step_ms;
  }

  index(at) {
    return Math.round((at - this.panels.first_ms) / this.panels.step_ms);
  }

  #axis(width) {
    const { since_ms, until_ms } = this.panels;
    const room = Math.max(1, Math.floor((width - LEFT) / LABEL_WIDTH));
    const step = STEPS_MINUTES.find((minutes) => (until_ms - since_ms) / (minutes * MINUTE_MS) <= room) ?? 1_440;
    const found = [];
    for (let ms = Math.ceil(since_ms / (5 * MINUTE_MS)) * 5 * MINUTE_MS; ms < until_ms; ms += 5 * MINUTE_MS) {
      const at = new Date(ms);
      if ((at.getHours() * 60 + at.getMinutes()) % step) continue;
      const text = step === 1_440 ? day.format(ms) : localClock(ms);
      if (this.x(ms) > width - 26 || this.x(ms) < LEFT + 10) continue;
      found.push(words(this.x(ms), HEIGHT - 4, text, { class: "tick", "text-anchor": "middle" }));
    }
    return found;
  }

  #listen(svg) {
    const { step_ms } = this.panels;
    const under = ({ clientX }) => {
      const box = svg.getBoundingClientRect();
      const ms = this.panels.first_ms + ((((clientX - box.left) / box.width) * svg.viewBox.baseVal.width - LEFT) / (svg.viewBox.baseVal.width - 2 - LEFT)) * (this.end() - this.panels.first_ms);
      return this.#inside(this.panels.first_ms + Math.floor((ms - this.panels.first_ms) / step_ms) * step_ms);
    };
    let from = null;
    svg.addEventListener("pointerdown", (event) => {
      from = under(event);
    });
    svg.addEventListener("pointermove", (event) => this.#read(under(event), event.buttons ? from : null));
    svg.addEventListener("pointerleave", () => this.#read(null));
    svg.addEventListener("pointerup", (event) => {
      const to = under(event);
      if (from !== null && from !== to) this.address.set({ last: "", since: String(Math.min(from, to)), until: String(Math.max(from, to) + step_ms) });
      from = null;
    });
    this.box.addEventListener("keydown", (event) => {
      const { first_ms } = this.panels;
      const last = this.end() - step_ms;
      const next = { ArrowLeft: (this.at ?? last + step_ms) - step_ms, ArrowRight: (this.at ?? first_ms - step_ms) + step_ms, Home: first_ms, End: last, Escape: null }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      this.#read(next === null ? null : this.#inside(next));
    });
  }

  #inside(ms) {
    return Math.min(this.end() - this.panels.step_ms, Math.max(this.panels.first_ms, ms));
  }

  // at: start of the ten minutes to read, or null for the summary; from: where a drag began.
  #read(at, from = null) {
    const { first_ms, step_ms } = this.panels;
    this.at = at !== null && at >= first_ms && at < this.end() ? at : null;
    const [low, high] = this.at === null ? [0, 0] : [Math.min(this.at, from ?? this.at), Math.max(this.at, from ?? this.at) + step_ms];
    this.mark.setAttribute("x", String(this.at === null ? 0 : this.x(low)));
    this.mark.setAttribute("width", String(this.at === null ? 0 : Math.max(1, this.x(high) - this.x(low))));
    this.readout.title = this.at === null ? "" : inUtc(this.at);
    const time = this.at === null ? "" : `${localMinute(this.at)} to ${localClock(this.at + step_ms)}`;
    say(this.readout, this.at === null ? this.summary() : from !== null && from !== this.at ? `${localMinute(low)} to ${localMinute(high)}` : `${time}: ${this.tell(this.index(this.at))}`);
  }
}

export class VolumeChart extends OverTime {
  constructor(address) {
    super(address, "Payments per 10 minutes");
  }

  summary() {
    const { volume, first_ms, step_ms } = this.panels;
    const most = Math.max(...volume);
    return `At most ${counted(most, "payment")} in ten minutes, at ${localMinute(first_ms + volume.indexOf(most) * step_ms)}`;
  }

  tell(index) {
    return counted(this.panels.volume[index], "payment");
  }

  marks(width) {
    const { volume, first_ms, step_ms, event_ms } = this.panels;
    const marks = ticks(Math.max(...volume), 3);
    const y = linear([0, marks.at(-1)], [HEIGHT - BOTTOM, 6]);
    const gap = (width - LEFT) / volume.length > 3 ? 1 : 0;
    const bars = volume.flatMap((paid, index) => {
      if (!paid) return [];
      const start = first_ms + index * step_ms;
      const wide = Math.max(0.6, this.x(start + step_ms) - this.x(start) - gap);
      // The ten minutes of the latest event still grow.
      const growing = event_ms < start + step_ms;
      return [shape("rect", { class: growing ? "volume-bar growing" : "volume-bar", x: this.x(start), y: y(paid), width: wide, height: HEIGHT - BOTTOM - y(paid) })];
    });
    return [...grid(marks, y, width, exact), ...bars];
  }

  table({ volume, first_ms, step_ms }) {
    const rows = volume.map((paid, index) => [when(first_ms + index * step_ms), exact(paid)]).reverse();
    return table("Payments per 10 minutes, newest first", ["From", "Payments"], rows);
  }
}

export class AveragesChart extends OverTime {
  constructor(address) {
    super(address, "Average amount per 10 minutes");
  }

  summary() {
    const now = this.panels.averages.map(({ currency, values }) => {
      const last = values.findLast((value) => value !== null);
      return last === undefined ? `${currency} none` : amount(last, currency);
    });
    return `Latest: ${now.join(", ")}`;
  }

  tell(index) {
    const found = this.panels.averages.filter(({ values }) => values[index] !== null);
    return found.length ? found.map(({ currency, values }) => amount(values[index], currency)).join(", ") : "no payment";
  }

  // One strip for each currency, each with its own scale: money of two currencies has none in common.
  marks(width) {
    const { averages, first_ms, step_ms } = this.panels;
    const height = (HEIGHT - BOTTOM) / averages.length;
    return averages.flatMap(({ currency, values }, row) => {
      const most = Math.max(...values.map((value) => value ?? 0)) || 1;
      const marks = averages.length > 1 ? [0, most] : ticks(most, 3);
      const y = linear([0, marks.at(-1)], [(row + 1) * height, row * height + 8]);
      const points = values.map((value, index) => (value === null ? null : [this.x(first_ms + (index + 0.5) * step_ms), y(value)]));
      return [
        ...grid(marks, y, width, (value) => exact(value)),
        words(LEFT + 5, row * height + 17, currency, { class: "currency" }),
        shape("path", { class: "average-line", d: path(points) }),
        ...lonely(points).map(([cx, cy]) => shape("circle", { class: "average-dot", cx, cy, r: 1.6 })),
      ];
    });
  }

  table({ averages, first_ms, step_ms, volume }) {
    const rows = volume.flatMap((paid, index) =>
      paid ? [[when(first_ms + index * step_ms), ...averages.map(({ currency, values }) => (values[index] === null ? "" : amount(values[index], currency)))]] : [],
    );
    return table("Average amount per 10 minutes, newest first", ["From", ...averages.map(({ currency }) => currency)], rows.reverse());
  }
}

function grid(marks, y, width, text) {
  return marks.flatMap((value) => [
    shape("line", { class: value ? "grid" : "grid base", x1: LEFT, x2: width - 2, y1: y(value), y2: y(value) }),
    words(LEFT - 6, y(value) + (value ? 6 : 1), text(value), { class: "tick", "text-anchor": "end" }),
  ]);
}

function path(points) {
  let pen = "M";
  return points
    .map((point) => {
      const part = point ? `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}` : "";
      pen = point ? "L" : "M";
      return part;
    })
    .join("");
}

// A point without neighbours is no line.
function lonely(points) {
  return points.filter((point, index) => point && !points[index - 1] && !points[index + 1]);
}
