// What the sketches say: each estimate in its bounds, what is true where that is known, and the memory of both.

import { element } from "./dom.js";
import { counted, exact, title as worded } from "./format.js";
import { figure, linear, shape, tip } from "./figures.js";
import { empty, facts, legend, table } from "./privacy_parts.js";
import { when } from "./times.js";
import { bytes, share } from "./units.js";

const LEAST_STRIP = 80;
const KINDS = { People: "HyperLogLog", Merchants: "HyperLogLog", Places: "HyperLogLog" };
const amount = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function drawEstimates(body, { sample, distinct, seen }) {
  const rows = [...distinct, ...sample];
  if (!rows.length || !seen) {
    body.replaceChildren(empty("No payment was seen yet.", "Push from a phone and `POST` payments, or run `veilocity simulate` to watch a made-up city."));
    return;
  }
  const strip = Math.min(260, body.clientWidth - 410);
  const heads = ["Sketch", "Estimate", "True", "Memory"];
  const drawn = strip >= LEAST_STRIP;
  if (drawn) heads.splice(1, 0, "");
  const lines = rows.map((one) => {
    const say = (value) => told(value, one.unit);
    const inside = one.exact === null || (one.exact >= one.low && one.exact <= one.high);
    const cells = [
      element("span", { title: about(one) }, one.what, element("small", { class: "quiet kind" }, kind(one))),
      element("span", { title: "The interval of 95 % below." }, element("b", {}, say(one.estimate)), element("small", { class: "quiet kind" }, `${bare(one.low, one.unit)} to ${bare(one.high, one.unit)}`)),
      one.exact === null ? element("span", { class: "quiet", title: one.why }, "not known") : element("span", { class: inside ? "" : "outside", title: inside ? "Inside the bounds." : "Outside the bounds: of twenty, one may be." }, say(one.exact), inside ? "" : " \u2717"),
      memory(one),
    ];
    if (drawn) cells.splice(1, 0, interval(strip, one, say));
    return cells;
  });
  const keys = legend([["bounds", "bounds", "The interval that holds the truth in 95 of 100 streams."], ["estimate", "estimate"], ["truth", "true", "Counted from every stored payment, as long as there are few."]]);
  body.replaceChildren(table("Sketches: estimate, bounds, truth and memory", heads, lines, { class: "table estimates" }), keys);
}

function kind({ what }) {
  return KINDS[what] ?? "reservoir";
}

function about({ what, unit, why }) {
  const sentences = {
    People: "Different people among all payments.",
    Merchants: "Different merchants among all payments.",
    Places: "Different cells that were paid in.",
    "Flagged share": "Share of payments that a rule flagged, as the sample has it.",
    "Mean amount": `Mean of the payments in ${unit} in the sample; amounts are rounded by the privacy stage.`,
  };
  return `${sentences[what] ?? worded(what)}${why ? ` True value: ${why}.` : ""}`;
}

export function told(value, unit) {
  if (unit === "share") return share(value);
  return unit === "count" ? exact(value) : `${unit} ${amount.format(value)}`;
}

// Without the currency, which stands above.
function bare(value, unit) {
  return unit === "count" || unit === "share" ? told(value, unit) : amount.format(value);
}

function memory({ memory_bytes, exact_bytes }) {
  const title = memory_bytes === null
    ? "The privacy stage does not tell: is it running, and its metrics' port set?"
    : `The sketch holds ${bytes(memory_bytes)}; an exact answer needs ${bytes(exact_bytes)} at least (16 bytes for each).`;
  const sketch = memory_bytes === null ? "not told" : bytes(memory_bytes);
  return element("span", { title }, sketch, element("small", { class: "quiet kind" }, `exactly ${bytes(exact_bytes)}`));
}

// An estimate in its bounds, and the truth as a line across: the scale is that of the bounds.
export function interval(width, { what, estimate, low, high, exact: truth }, say) {
  const ends = [low, high, estimate, ...(truth === null ? [] : [truth])];
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const margin = (most - least) * 0.25 || Math.abs(most) * 0.05 || 1;
  const x = linear([least - margin, most + margin], [3, width - 3]);
  const label = `${what}: ${say(estimate)}, bounds ${say(low)} to ${say(high)}${truth === null ? "" : `, true ${say(truth)}`}`;
  return figure(
    width,
    18,
    label,
    tip(label),
    shape("line", { class: "grid", x1: 3, x2: width - 3, y1: 9, y2: 9 }),
    shape("path", { class: "interval", d: `M${x(low)} 5v8M${x(low)} 9H${x(high)}M${x(high)} 5v8` }),
    truth !== null && shape("line", { class: "true-mark", x1: x(truth), x2: x(truth), y1: 1.5, y2: 16.5 }),
    shape("circle", { class: "value", cx: x(estimate), cy: 9, r: 3.4 }),
  );
}

export function drawFilter(body, filter, { tables }) {
  if (!filter) {
    body.replaceChildren(empty("No place was seen yet.", "With the first payment that has a place the filter begins to tell whether a person was there before."));
    return;
  }
  const { visits, error_rate, capacity, fill, memory_bytes, exact_bytes } = filter;
  const rows = [
    ["pairs taken in", exact(visits), "Different pairs of a person and a place, estimated from the filter's bits."],
    ["wrong yes", share(error_rate), "Chance that a new pair is called seen before, from the bits that are set. There is never a wrong no.", error_rate > 0.01 ? "doubt" : ""],
    ["bits set", fill === null ? "not told" : share(fill), "About half of them at its capacity."],
    ["memory", memory_bytes === null ? "not told" : bytes(memory_bytes), `An exact set of these pairs needs ${bytes(exact_bytes)} at least.`],
  ];
  const parts = [facts(rows)];
  if (capacity !== null && !tables) parts.push(tank(body.clientWidth, visits, capacity));
  if (capacity !== null && tables) parts.push(table("The filter", ["", "Pairs"], [["taken in", exact(visits)], ["made for", exact(capacity)]]));
  if (capacity !== null && visits > capacity) parts.push(element("p", { class: "note" }, "It holds more than it was made for: raise ", element("code", {}, "VEILOCITY_PRIVACY_BLOOM_CAPACITY"), "."));
  body.replaceChildren(...parts);
}

function tank(width, visits, capacity) {
  const x = linear([0, Math.max(capacity, visits)], [0, width - 2]);
  const label = `${exact(visits)} of ${exact(capacity)} pairs that the filter was made for`;
  const svg = figure(
    width,
    30,
    label,
    tip(label),
    shape("rect", { class: "tank", x: 0.5, y: 0.5, width: width - 2, height: 11, rx: 3 }),
    shape("rect", { class: "tank-fill", x: 1, y: 1, width: Math.max(2, x(visits)), height: 10, rx: 2.5 }),
  );
  const words = shape("text", { x: 0, y: 26 }, `${share(visits / capacity)} of what it was made for`);
  const end = shape("text", { x: width - 2, y: 26, "text-anchor": "end" }, counted(capacity, "pair"));
  svg.append(words, end);
  return svg;
}

export function drawCounts(body, counts) {
  if (!counts?.payments) {
    body.replaceChildren(empty("Nothing was released yet.", "Classes of at least k people are released when their window closes."));
    return;
  }
  const rows = [
    ["released", exact(counts.released), "Payments in released classes, each proven to hold k people or more."],
    ["classes", exact(counts.classes), "Released since the beginning."],
    ["suppressed", exact(counts.suppressed), "Payments that fit no class of k people; never released."],
    ["pending", exact(counts.pending), "Payments in windows that are open."],
  ];
  const link = element("a", { class: "inline", href: "privacy" }, "The page of privacy tells their risk and loss");
  body.replaceChildren(facts(rows), element("p", { class: "note" }, link, "."));
}

export function drawSample(body, sample) {
  if (!sample?.rows.length) {
    body.replaceChildren(empty("The sample is empty.", "The first payments fill it; from then on each new one takes the place of another by chance."));
    return;
  }
  const rows = sample.rows.map((one) => [
    when(one.minute_ms),
    element("span", { class: "money" }, `${one.currency} ${exact(one.amount)}`),
    one.merchant,
    one.category,
    one.verdict === "flagged" ? element("b", { class: "flagged" }, "\u25b2 flagged") : element("span", { class: "quiet" }, one.verdict.replace("-", " ")),
  ]);
  const shown = table("Payments of the sample, newest first", ["When", "Amount", "Merchant", "Category", "Verdict"], rows, { class: "table sample" });
  for (const row of shown.querySelectorAll("tr")) [2, 3].forEach((column) => row.children[column].classList.add("text"));
  const gone = sample.size - sample.found;
  const note = gone > 0 ? `; ${counted(gone, "of them is", "of them are")} no longer stored` : "";
  body.replaceChildren(shown, element("p", { class: "note quiet" }, `The newest ${exact(rows.length)} of ${exact(sample.size)}, masked${note}.`));
}
