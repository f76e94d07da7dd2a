// Everything of one person around an alert on one axis: fixes, payments, alerts, each in a lane of its own.

import { element, glyph } from "./dom.js";
import { duration, money, title, why } from "./format.js";
import { inUtc, localMinute, when, zone } from "./times.js";

const LANES = [
  ["Fixes", ["fix", "position"]],
  ["Payments", ["payment"]],
  ["Alerts", ["alert"]],
];
const WORDS = { fix: "Phone", position: "Phone, last seen", payment: "Payment", alert: "Alert" };

// pick(id): another alert of the person was pressed.
export function timeline({ alert, moments, payments, related, complete }, places, pick) {
  const about = new Map([...payments, alert, ...related].map((one) => [one.id, one]));
  const times = moments.map(({ minute_ms }) => minute_ms);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const margin = Math.max(60_000, (last - first) * 0.02);
  const scale = { from: first - margin, span: last - first + 2 * margin };
  const mark = (moment) => one(moment, about, { alert, places, pick, scale });
  const lanes = LANES.map(([name, kinds]) => {
    const inside = moments.filter(({ kind }) => kinds.includes(kind));
    return element(
      "div",
      { class: "lane" },
      element("span", { class: "lane-name quiet" }, `${name} ${inside.length}`),
      element("div", { class: "lane-line" }, band(alert, scale), ...inside.map(mark)),
    );
  });
  const head = element(
    "h3",
    {},
    "This person's time line",
    element("span", { class: "quiet" }, `${duration((last - first) / 1_000)}, times of ${zone()}${complete ? "" : "; only the newest 200 of each are shown"}`),
  );
  return element("section", { class: "timeline", "aria-label": "Time line of the person" }, head, ...lanes, axis(first, last), asTable(moments, about, places));
}

// The stretch between the alert's own two observations.
function band({ first, second }, scale) {
  const [begin, end] = [first.minute_ms, second.minute_ms].sort((a, b) => a - b);
  const node = element("i", { class: "lane-band" });
  node.style.left = at(begin, scale);
  node.style.width = `${Math.max(0.4, (100 * (end - begin)) / scale.span)}%`;
  return node;
}

function at(ms, { from, span }) {
  return `${(100 * (ms - from)) / span}%`;
}

function tell({ kind, id, minute_ms, place }, about, places) {
  const what = about.get(id);
  const where = place ? places.name(place) : "no place";
  const more = kind === "payment" && what ? `${money(what.amount, what.currency)}, ${what.verdict}, ` : kind === "alert" && what ? `${what.severity}, ${why(what)}, ` : "";
  return `${WORDS[kind]}: ${more}${where}, ${localMinute(minute_ms)} (${inUtc(minute_ms)})`;
}

function one(moment, about, { alert, places, pick, scale }) {
  const text = tell(moment, about, places);
  const what = about.get(moment.id);
  const other = moment.kind === "alert" && moment.id !== alert.id;
  const kind = `mark ${moment.kind}${what?.verdict === "flagged" ? " flagged" : ""}${moment.kind === "alert" && !other ? " this" : ""}`;
  const node = element(other ? "button" : "span", { class: kind, title: text, type: other ? "button" : null, "aria-label": text, role: other ? null : "img" });
  if (moment.kind === "alert" && what) node.append(glyph(what.severity, what.state));
  if (other) node.addEventListener("click", () => pick(moment.id));
  node.style.left = at(moment.minute_ms, scale);
  return node;
}

function axis(first, last) {
  const middle = first + (last - first) / 2;
  return element("div", { class: "lane-axis quiet" }, when(first), last - first > 120_000 ? when(middle) : "", when(last));
}

function asTable(moments, about, places) {
  const row = (moment) => {
    const what = about.get(moment.id);
    const more = moment.kind === "payment" && what ? `${money(what.amount, what.currency)}, ${title(what.category)}, ${what.verdict}` : moment.kind === "alert" && what ? `${what.severity}, ${why(what)}` : "";
    return element(
      "tr",
      {},
      element("td", {}, when(moment.minute_ms)),
      element("td", {}, WORDS[moment.kind]),
      element("td", {}, more),
      element("td", {}, moment.place ? places.name(moment.place) : "no place"),
    );
  };
  const heads = ["Time", "What", "", "Near"].map((text) => element("th", { scope: "col" }, text));
  return element(
    "details",
    { class: "timeline-table" },
    element("summary", {}, "The same as a table"),
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...moments.map(row))),
  );
}
