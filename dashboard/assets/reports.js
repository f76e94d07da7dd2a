// Puts the page of reports together.

import { duration, exact } from "./format.js";
import { Page } from "./page.js";
import { PageLine } from "./page_line.js";
import { Places } from "./places.js";
import { CellsMap, span } from "./reports_cells.js";
import { drawDay, drawHighValue, drawLeftOut, drawSessions, lasting } from "./reports_figures.js";
import { drawFrauds } from "./reports_frauds.js";
import { Sales } from "./reports_sales.js";
import { drawSegments } from "./reports_segments.js";
import { inUtc, localMinute, localSecond, zone } from "./times.js";
import { World } from "./world.js";

const places = new Places();
const world = new World();
const cells = new CellsMap(places, world);
const sales = new Sales();

const PANELS = [
  ["high-value", (answer) => answer.high_value, drawHighValue],
  ["day", (answer) => answer.day, drawDay],
  ["sessions", (answer) => answer.sessions, drawSessions],
  ["left-out", (answer) => answer.left_out, drawLeftOut],
  ["frauds", (answer) => answer.frauds, drawFrauds],
  ["sales", (answer) => answer.sales, (body, part, options) => sales.draw(body, part, options)],
  ["cells", (answer) => answer.cells, (body, part, options) => cells.draw(body, part, options)],
  ["segments", (answer) => answer.segments, drawSegments],
];

function asides({ high_value, sessions, frauds, sales: sold, cells: where, segments }) {
  return {
    "high-value": high_value ? `in ${lasting(high_value)}` : "",
    sessions: sessions ? `in ${lasting(sessions)}` : "",
    frauds: frauds ? `in ${lasting(frauds.windows[0])}, every ${duration(frauds.step_ms / 1_000)}` : "",
    sales: sold?.measures[0]?.lines.length ? `the first twenty since ${localMinute(sold.since_ms)}` : "",
    cells: where ? `${span(where)}${where.suppressed ? `; ${exact(where.suppressed)} withheld` : ""}` : "",
    segments: segments ? `${localMinute(segments.start_ms)} to ${localMinute(segments.end_ms)}` : "",
  };
}

function clock({ event_ms }) {
  const meaning = "End of the newest window that was counted, by the clock of the events. A window comes two minutes after its end, because late rows are waited for.";
  if (!event_ms) return ["no window yet", "counted until", meaning];
  return [localSecond(event_ms), "counted until", `${inUtc(event_ms, true)}. ${meaning} Times are those of ${zone()}.`];
}

function advice({ state, content, ageS }) {
  if (state === "live" && content === "empty") return ["No report yet.", "Run `veilocity reports` beside the other services and send payments, or run `veilocity simulate` to watch a made-up city."];
  if (state === "stale") return [`No new window for ${duration(ageS)}.`, "Either nobody pays, or `veilocity reports` stands still: `veilocity doctor` says which stage does."];
  return null;
}

const line = new PageLine("reports/state", { content: ({ event_ms, segments }) => (event_ms || segments ? "filled" : "empty") });
const page = new Page(line, PANELS, { asides, clock, advice, keys: { w: () => cells.toggle() } });
window.veilocity = {
  state: () => ({
    loaded: Boolean(line.answer?.loaded),
    event_ms: line.answer?.event_ms ?? 0,
    windows: line.answer?.frauds?.windows.length ?? 0,
    chosen: sales.chosen,
    whole: cells.whole,
    named: places.all.length > 0 && world.path !== "",
    tables: page.tables,
    draws: page.draws,
  }),
};
line.ask();
// Names and outlines are a help and no need: without them cells are told by their places.
const again = () => page.forget("cells");
places.load("assets/geo/places.json").then(again, () => {});
world.load("assets/geo/world_110m.json").then(again, () => {});
