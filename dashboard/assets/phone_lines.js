// Speed and altitude over the hour, with one moment pointed at: by the pointer, or by the slider with the keyboard.

import { element } from "./dom.js";
import { figure, linear, shape, ticks, words } from "./figures.js";
import { empty, table } from "./privacy_parts.js";
import { KMH, kmh, metres } from "./phone_values.js";
import { inUtc, localClock, localSecond, when } from "./times.js";

const GAP_MS = 60_000;
const ROWS = 120;
const LEFT = 46;
const RIGHT = 10;

export class PhoneLines {
  constructor(time) {
    this.time = time;
    this.readings = [];
    this.chosen = null;
    time.addEventListener("moment", ({ detail }) => {
      this.chosen = detail;
      this.#point();
    });
  }

  draw(body, readings, { tables }) {
    this.readings = readings;
    if (readings.length < 2) {
      this.marks = null;
      body.replaceChildren(empty("Two readings make a line.", "They come once a second by default while the app records."));
      return;
    }
    if (tables) {
      this.marks = null;
      const rows = readings.slice(-ROWS).reverse().map((one) => [when(one.at_ms, localSecond(one.at_ms), true), kmh(one.speed_mps), metres(one.altitude_m)]);
      body.replaceChildren(table("Speed and altitude, newest first", ["At", "Speed", "Altitude"], rows));
      return;
    }
    const width = body.clientWidth;
    this.x = linear([readings[0].at_ms, readings.at(-1).at_ms], [LEFT, width - RIGHT]);
    this.marks = [];
    const speed = this.#line(width, "Speed, km/h", (one) => (one.speed_mps === null ? null : one.speed_mps * KMH), "speed", true);
    const altitude = this.#line(width, "Altitude, m", (one) => one.altitude_m, "altitude", false);
    const focused = document.activeElement?.id === "moment";
    this.slider = element("input", { id: "moment", type: "range", min: "0", max: String(readings.length - 1), "aria-label": "Moment that is pointed at" });
    this.slider.addEventListener("input", () => {
      const index = Number(this.slider.value);
      // The last of all follows what comes.
      this.#tell(index === this.readings.length - 1 ? null : this.readings[index]);
    });
    this.words = element("output", { class: "moment-words", for: "moment" });
    body.replaceChildren(speed, altitude, element("div", { class: "moment" }, this.slider, this.words));
    if (focused) this.slider.focus();
    this.#point();
  }

  #line(width, title, value, kind, zero) {
    const height = 96;
    const known = this.readings.map(value).filter((one) => one !== null);
    if (!known.length) return element("p", { class: "note quiet" }, `${title}: the phone states none.`);
    const [low, high] = zero ? [0, Math.max(5, ...known)] : spread(known);
    const rises = zero ? ticks(high, 3) : between(low, high);
    const y = linear([rises[0], rises.at(-1)], [height - 18, 14]);
    const parts = [];
    let [pen, before] = ["M", null];
    for (const one of this.readings) {
      const amount = value(one);
      if (amount === null || (before && one.at_ms - before > GAP_MS)) pen = "M";
      if (amount !== null) {
        parts.push(`${pen}${this.x(one.at_ms).toFixed(1)} ${y(amount).toFixed(1)}`);
        pen = "L";
      }
      before = one.at_ms;
    }
    const mark = shape("circle", { class: `moment-mark ${kind}`, r: 3.6 });
    const rule = shape("line", { class: "moment-rule", y1: 10, y2: height - 18 });
    this.marks.push({ mark, rule, y, value });
    const last = this.readings.at(-1);
    const label = `${title}: ${known.length} values, ${Math.min(...known).toFixed(1)} to ${Math.max(...known).toFixed(1)}`;
    const times = this.#times(width).map((at) => words(this.x(at), height - 4, localClock(at), { class: "tick", "text-anchor": "middle" }));
    const svg = figure(
      width,
      height,
      label,
      ...rises.map((rise) => shape("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(rise), y2: y(rise) })),
      ...rises.map((rise) => words(LEFT - 7, y(rise) + 4, String(rise), { class: "tick", "text-anchor": "end" })),
      ...times,
      shape("path", { class: `track ${kind}`, d: parts.join("") }),
      words(LEFT, 9, title, { class: "axis" }),
      rule,
      mark,
    );
    const point = (event) => {
      const at = ((event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth) * width;
      this.#tell(this.#nearest(at));
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerleave", () => this.#tell(null));
    svg.dataset.last = String(last.number);
    return svg;
  }

  #times(width) {
    const [from, to] = [this.readings[0].at_ms, this.readings.at(-1).at_ms];
    const most = Math.max(1, Math.floor(width / 90));
    const step = [1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60_000).find((each) => (to - from) / each <= most) ?? 3_600_000;
    const found = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
    return found.filter((at) => this.x(at) > LEFT + 14 && this.x(at) < width - 22);
  }

  #nearest(at) {
    return this.readings.reduce((best, one) => (Math.abs(this.x(one.at_ms) - at) < Math.abs(this.x(best.at_ms) - at) ? one : best));
  }

  #tell(reading) {
    this.time.dispatchEvent(new CustomEvent("moment", { detail: reading }));
  }

  #point() {
    if (!this.marks?.length) return;
    const index = this.chosen ? this.readings.findIndex(({ number }) => number === this.chosen.number) : -1;
    const shown = index >= 0 ? this.readings[index] : this.readings.at(-1);
    this.slider.value = String(index >= 0 ? index : this.readings.length - 1);
    for (const { mark, rule, y, value } of this.marks) {
      const amount = value(shown);
      const x = this.x(shown.at_ms);
      mark.setAttribute("cx", x);
      mark.setAttribute("cy", amount === null ? -20 : y(amount));
      rule.setAttribute("x1", x);
      rule.setAttribute("x2", x);
    }
    const text = `${localSecond(shown.at_ms)}: ${kmh(shown.speed_mps)}, ${metres(shown.altitude_m)}`;
    this.slider.setAttribute("aria-valuetext", text);
    this.words.textContent = index >= 0 ? text : `now, ${text}`;
    this.words.title = inUtc(shown.at_ms, true);
  }
}

function spread(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(5, (high - low) * 0.15);
  return [low - room, high + room];
}

// Round numbers around a range that need not hold 0.
function between(low, high) {
  const step = ticks(high - low, 3)[1] || 1;
  const found = [];
  for (let rise = Math.floor(low / step) * step; rise < high + step * 0.999; rise += step) found.push(Number(rise.toPrecision(12)));
  return found;
}
