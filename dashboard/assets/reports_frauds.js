// Potential frauds of the newest windows. Each bar is a window of two minutes and there is another every ten seconds, so bars overlap.

import { element } from "./dom.js";
import { counted, exact } from "./format.js";
import { figure, hatch, linear, never, shape, ticks, words } from "./figures.js";
import { empty, table } from "./privacy_parts.js";
import { lasting } from "./reports_figures.js";
import { Reading } from "./reports_reading.js";
import { localSecond, when } from "./times.js";

const SLOTS = 20;
const HEIGHT = 300;
const LEFT = 34;
const BOTTOM = 20;
const LABEL_WIDTH = 66;

const reading = new Reading("Potential frauds by window");

export function drawFrauds(body, frauds, { tables }) {
  if (!frauds) {
    body.replaceChildren(empty("No window was counted yet.", "`veilocity reports` counts flagged payments; the first window comes two minutes after its time, because late rows are waited for."));
    return;
  }
  const { windows } = frauds;
  if (tables) {
    const rows = windows.map((one) => [when(one.end_ms, localSecond(one.end_ms), true), told(one)]).reverse();
    body.replaceChildren(table(`Potential frauds in the ${lasting(windows[0])} before, newest first`, ["Until", "Potential frauds"], rows));
    return;
  }
  const slots = places(frauds);
  const width = body.clientWidth;
  const x = linear([0, SLOTS], [LEFT, width - 2]);
  const marks = ticks(Math.max(...windows.map(({ count }) => count ?? 0)), 4);
  const y = linear([0, marks.at(-1)], [HEIGHT - BOTTOM, 6]);
  const step = x(1) - x(0);
  const mark = shape("rect", { class: "reading", x: 0, y: 0, width: 0, height: HEIGHT - BOTTOM });
  const bars = slots.flatMap((one, place) => (one ? [bar(one, x(place) + 1.5, Math.max(1, step - 3), y)] : []));
  const newest = windows.at(-1);
  const known = windows.flatMap(({ count }) => (count === null ? [] : [count]));
  const most = known.length ? `; at most ${exact(Math.max(...known))}` : "";
  const summary = `Now ${told(newest)} in the ${lasting(newest)} to ${localSecond(newest.end_ms)}${most}`;
  const items = slots.flatMap((one, place) => (one ? [{ key: one.end_ms, place, said: `${localSecond(one.start_ms)} to ${localSecond(one.end_ms)}: ${told(one)}` }] : []));
  reading.show(body, {
    svg: figure(width, HEIGHT, summary, hatch("hatch-frauds"), mark, ...grid(marks, y, width), ...times(slots, x, width), ...bars),
    items,
    summary,
    nearest: (at) => items.find(({ place }) => at >= x(place) && at < x(place + 1)),
    mark: (item) => {
      mark.setAttribute("x", item ? x(item.place) : 0);
      mark.setAttribute("width", item ? step : 0);
    },
    after: [element("p", { class: "note quiet" }, `A bar counts the ${lasting(newest)} before its time. Bars overlap: they are not to be added up. An empty place: nobody paid.`)],
  });
}

// The newest window on the right; a window that is missing leaves its place empty.
function places({ windows, step_ms }) {
  const last = windows.at(-1).end_ms;
  const found = Array.from({ length: SLOTS }, () => null);
  for (const one of windows) {
    const place = SLOTS - 1 - Math.round((last - one.end_ms) / step_ms);
    if (place >= 0) found[place] = one;
  }
  return found;
}

function told({ count }) {
  return count === null ? "too few people to tell" : counted(count, "potential fraud");
}

function bar(one, x, width, y) {
  const low = HEIGHT - BOTTOM;
  if (one.count === null) return never({ x, y: 6, width, height: low - 6 }, "hatch-frauds", "Too few people to tell: suppressed");
  const top = Math.min(y(one.count), low - 1);
  return shape("rect", { class: "fraud-bar", x, y: top, width, height: low - top, rx: 1.5 });
}

function grid(marks, y, width) {
  return marks.flatMap((value) => [
    shape("line", { class: value ? "grid" : "grid base", x1: LEFT, x2: width - 2, y1: y(value), y2: y(value) }),
    words(LEFT - 6, y(value) + (value ? 6 : 1), exact(value), { class: "tick", "text-anchor": "end" }),
  ]);
}

function times(slots, x, width) {
  const every = Math.ceil(SLOTS / Math.max(1, Math.floor((width - LEFT) / LABEL_WIDTH)));
  return slots.flatMap((one, place) => {
    const middle = x(place + 0.5);
    if (!one || (SLOTS - 1 - place) % every || middle < LEFT + 22) return [];
    return [words(Math.min(middle, width - 24), HEIGHT - 5, localSecond(one.end_ms), { class: "tick", "text-anchor": "middle" })];
  });
}
