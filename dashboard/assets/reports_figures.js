// The reports that are a figure and its parts, and what all of them left out.

import { element } from "./dom.js";
import { counted, duration, exact, percent } from "./format.js";
import { shape } from "./figures.js";
import { empty, table } from "./privacy_parts.js";
import { localSecond, when } from "./times.js";

const NAMES = { frauds: "potential frauds", merchants: "sales", high_value: "high-value", day_counts: "24 hours", sessions: "sessions" };
const BOUGHT = "bought";
const LEVELS = { L1: "buying (L1)", L2: "interest (L2)", L3: "looking (L3)" };

export function drawHighValue(body, window, options) {
  if (!window) return nothing(body, "No window was counted yet.", "Distinct people with a flagged payment above the amount that is set for its currency.");
  const parts = window.bands.length ? [bands(window, "People by age", "Age", "People", (band) => band, options)] : [];
  const about = element("p", { class: "note quiet" }, "Different people with a flagged payment above the amount that is set for its currency.");
  body.replaceChildren(...big(window, "person", "people"), ...parts, about, held(window));
}

export function drawDay(body, window, options) {
  if (!window) return nothing(body, "Nothing was counted yet.", "The payments of the last 24 hours, and how many people paid how often.");
  body.replaceChildren(...big(window, "payment", "payments"), bands(window, "People by their payments in 24 hours", "Payments each", "People", (band) => `${band} payments`, options), element("p", { class: "note quiet" }, "Counted every hour; people are rounded, so that no difference tells of one."), held(window));
}

export function drawSessions(body, window, options) {
  if (!window) return nothing(body, "No session was joined yet.", "Send browsing events to `POST /v1/sessions`; they are joined with the payments of their sessions.");
  const levels = { ...window, bands: window.bands.filter(({ band }) => band !== BOUGHT) };
  body.replaceChildren(...big(window, "session", "sessions"), ...conversion(window), bands(levels, "Browsing events by level", "Level", "Events", (band) => LEVELS[band] ?? band, options), held(window));
}

// How many sessions have a payment is withheld where too few people did so, or too few did not.
function conversion({ count, bands: found }) {
  const bought = found.find(({ band }) => band === BOUGHT)?.count;
  if (count === null) return [];
  if (bought === undefined) return [element("p", { class: "conversion" }, "How many bought is withheld.")];
  return [element("p", { class: "conversion", title: "Conversion: sessions with a payment soon after one of their events." }, element("b", {}, percent(bought / Math.max(1, count))), ` bought: ${counted(bought, "session")} with a payment`)];
}

export function drawLeftOut(body, rows) {
  if (!rows.length) return nothing(body, "Nothing was left out yet.", "Rows that come too late are dropped and counted; groups of too few people are suppressed and counted.");
  const lines = rows.map(({ report, late, suppressed, end_ms }) => [element("span", { title: `Newest window until ${localSecond(end_ms)}` }, NAMES[report] ?? report), exact(late), exact(suppressed)]);
  const caption = "Left out by report: rows that came too late so far, groups suppressed in the newest window";
  const note = element("p", { class: "note quiet" }, "Late: rows dropped so far. Withheld: what too few people stand behind, in the newest window.");
  body.replaceChildren(table(caption, ["Report", "Late", "Withheld"], lines, { class: "table whole-table" }), note);
}

export function lasting({ start_ms, end_ms }) {
  return duration((end_ms - start_ms) / 1_000).replace(" h 00 min", " h");
}

// Where too few people stand behind the figure, that is what is said.
function big({ count, end_ms }, one, many) {
  const value = count === null ? "withheld" : exact(count);
  const told = count === null ? "too few people to tell" : count === 1 ? one : many;
  return [element("p", { class: "big" }, value), element("p", { class: "quiet small" }, `${told}, until `, when(end_ms, localSecond(end_ms), true))];
}

function bands({ bands: found }, caption, head, what, name, { tables }) {
  if (tables) return table(caption, [head, what], found.map(({ band, count }) => [name(band), exact(count)]), { class: "table whole-table" });
  const most = Math.max(1, ...found.map(({ count }) => count));
  const rows = found.map(({ band, count }) => element("li", { title: `${name(band)}: ${exact(count)} ${what.toLowerCase()}` }, element("span", {}, name(band)), bar(count / most), element("b", {}, exact(count))));
  return element("ul", { class: "bands", "aria-label": caption }, ...rows);
}

function bar(part) {
  return shape("svg", { class: "band", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, shape("rect", { class: "band-bar", x: 0, y: 0, width: Math.max(0.6, part * 100), height: 10 }));
}

function held({ suppressed }) {
  return suppressed ? element("p", { class: "note quiet" }, `${counted(suppressed, "figure is", "figures are")} withheld: too few people.`) : "";
}

function nothing(body, head, sentence) {
  body.replaceChildren(empty(head, sentence));
}
