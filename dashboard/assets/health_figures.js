// What passes, what waits and how long it takes, as small figures.

import { element } from "./dom.js";
import { exact } from "./format.js";
import { figure, linear, logarithmic, shape, tip, words } from "./figures.js";
import { empty, table } from "./privacy_parts.js";
import { sparkline } from "./sparkline.js";
import { localSecond } from "./times.js";
import { rate, span } from "./units.js";

const SHOWN_ROWS = 12;
const LEAST_S = 0.001;

export function drawFlow(body, { flows }, { tables }) {
  if (!flows.some(({ per_s }) => per_s.some((value) => value !== null))) {
    body.replaceChildren(empty("Looking.", "A rate needs two moments: the next answer brings it. A service that does not answer tells no rate."));
    return;
  }
  if (tables) {
    const times = flows[0].at_ms.map((at, index) => [localSecond(at), ...flows.map(({ per_s }) => (per_s[index] === null ? "" : rate(per_s[index])))]);
    body.replaceChildren(table("What passes, newest first", ["At", ...flows.map(({ name }) => name)], times.reverse().slice(0, SHOWN_ROWS)));
    return;
  }
  const width = Math.max(120, Math.floor((body.clientWidth - 2 * 24) / 3));
  const cards = flows.map(({ name, about, at_ms, per_s }) => {
    const last = per_s.at(-1);
    return element(
      "div",
      { class: "flow", title: about },
      element("b", {}, last === null || last === undefined ? "not told" : rate(last)),
      element("span", { class: "quiet" }, name),
      sparkline(width, 40, name, at_ms.map((at, index) => [at, per_s[index]]), { say: rate }),
    );
  });
  body.replaceChildren(element("div", { class: "flows" }, ...cards));
}

export function drawLag(body, { lags, waiting }, { tables }) {
  if (!lags.length) {
    body.replaceChildren(empty("Not told.", "The rules service and the privacy stage tell how many records wait; neither answers."));
    return;
  }
  const rows = lags.map(({ service, topic, records }) => [`${topic}, ${service}`, exact(records)]);
  if (tables) {
    body.replaceChildren(table("Records that wait", ["Topic and reader", "Records"], rows));
    return;
  }
  const width = body.clientWidth;
  const most = Math.max(10, ...lags.map(({ records }) => records));
  const x = linear([0, most], [0, width - 206]);
  const bars = lags.flatMap(({ service, topic, records }, index) => {
    const y = 6 + index * 21;
    return [
      words(0, y + 10, topic, { class: "bar-word" }),
      words(86, y + 10, service, { class: "tick" }),
      shape("rect", { class: "lag-bar", x: 140, y, width: Math.max(1.5, x(records)), height: 13, rx: 2 }, tip(`${exact(records)} records of ${topic} wait for ${service}`)),
      words(146 + x(records), y + 10.5, exact(records), { class: "bar-value" }),
    ];
  });
  const label = `Records that wait: ${lags.map(({ topic, service, records }) => `${topic} for ${service} ${records}`).join(", ")}`;
  const over = sparkline(width, 36, "All that wait", waiting.map(([at, records]) => [at, records]), { kind: "quietly", say: exact });
  body.replaceChildren(figure(width, lags.length * 21 + 8, label, ...bars), over);
}

export function drawLatency(body, latencies, { tables }) {
  if (!latencies.length) {
    body.replaceChildren(empty("Nothing was timed yet.", "Latencies come with the first events: push from a phone, or run `veilocity simulate`."));
    return;
  }
  const heads = ["Step", "p50", "p90", "p99", "Counted"];
  const most = Math.max(1, ...latencies.map(({ p99_s }) => p99_s));
  const strip = tables ? 0 : Math.min(320, Math.max(0, body.clientWidth - 372));
  if (strip > 90) heads.splice(1, 0, `${span(LEAST_S)} to ${span(most)}`);
  const rows = latencies.map((one) => {
    const note = one.lately ? "" : " Nothing came lately: these are of the time since the service started.";
    const cells = [
      element("span", { title: one.about + note, class: one.lately ? "" : "quiet" }, one.name),
      span(one.p50_s),
      span(one.p90_s),
      `${one.above ? "over " : ""}${span(one.p99_s)}`,
      element("span", { class: "quiet", title: one.lately ? "In the stretch shown." : "Since the service started." }, exact(one.count)),
    ];
    if (strip > 90) cells.splice(1, 0, range(strip, one, most));
    return cells;
  });
  body.replaceChildren(table("Latency by step", heads, rows, { class: "table latencies" }));
}

function range(width, { name, p50_s, p90_s, p99_s }, most) {
  const x = logarithmic([LEAST_S, most], [4, width - 4]);
  const at = (seconds) => x(Math.max(LEAST_S, Math.min(most, seconds)));
  return figure(
    width,
    16,
    `${name}: p50 ${span(p50_s)}, p90 ${span(p90_s)}, p99 ${span(p99_s)}`,
    shape("line", { class: "grid", x1: 4, x2: width - 4, y1: 8, y2: 8 }),
    shape("line", { class: "range", x1: at(p50_s), x2: at(p99_s), y1: 8, y2: 8 }),
    shape("circle", { class: "range-p50", cx: at(p50_s), cy: 8, r: 3.6 }, tip(`p50 ${span(p50_s)}`)),
    shape("line", { class: "range-p90", x1: at(p90_s), x2: at(p90_s), y1: 4, y2: 12 }, tip(`p90 ${span(p90_s)}`)),
    shape("path", { class: "range-p99", d: `M${at(p99_s)} 3.5L${at(p99_s) + 4} 8L${at(p99_s)} 12.5L${at(p99_s) - 4} 8Z` }, tip(`p99 ${span(p99_s)}`)),
  );
}
