// Segments of customers: a bubble for each by how often and how much they pay, and all that is known of them as a table.

import { element } from "./dom.js";
import { counted, exact, percent } from "./format.js";
import { figure, linear, shape, ticks, words } from "./figures.js";
import { empty, table } from "./privacy_parts.js";
import { Reading } from "./reports_reading.js";

const HEIGHT = 230;
const LEFT = 46;
const BOTTOM = 34;
const number = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

const reading = new Reading("Segments of customers");

export function drawSegments(body, found, { tables }) {
  if (!found?.segments.length) {
    body.replaceChildren(empty("No segment was made yet.", "People are grouped by how they pay, once there is enough of it; each segment holds the policy's least number of people or more."));
    return;
  }
  const { segments } = found;
  const rows = segments.map((one) => [
    element("b", {}, one.segment),
    element("span", { class: "in-words" }, one.words),
    exact(one.people),
    number.format(one.payments_per_day),
    number.format(one.mean_amount),
    percent(one.night_share),
    percent(one.online_share),
    `${number.format(one.distance_km)} km`,
  ]);
  const heads = ["Segment", "In words", "People", "Payments a day", "Mean amount", "By night", "Online", "From home"];
  const listed = table("Segments of customers", heads, rows, { class: "table whole-table segments" });
  const note = element("p", { class: "note quiet" }, `Means of people, at least ${exact(found.k)} in each segment; ${counted(found.suppressed_people, "person is", "people are")} in none.`);
  if (tables) {
    body.replaceChildren(listed, note);
    return;
  }
  bubbles(body, segments, [listed, note]);
}

function bubbles(body, segments, after) {
  const width = body.clientWidth;
  const across = ticks(Math.max(...segments.map((one) => one.payments_per_day)), 5);
  const up = ticks(Math.max(...segments.map((one) => one.mean_amount)), 4);
  const x = linear([0, across.at(-1)], [LEFT, width - 24]);
  const y = linear([0, up.at(-1)], [HEIGHT - BOTTOM, 16]);
  const most = Math.max(...segments.map(({ people }) => people));
  // The largest first, so that no small one lies under it.
  const drawn = [...segments].sort((a, b) => b.people - a.people);
  const items = drawn.map((one) => ({
    key: one.segment,
    x: x(one.payments_per_day),
    y: y(one.mean_amount),
    r: 7 + 19 * Math.sqrt(one.people / most),
    said: `${one.segment}: ${one.words}; ${counted(one.people, "person", "people")}, ${number.format(one.payments_per_day)} payments a day of ${number.format(one.mean_amount)} on average`,
  }));
  const ring = shape("circle", { class: "bubble-ring", cx: 0, cy: 0, r: 0 });
  const summary = `${counted(segments.length, "segment")} of ${counted(segments.reduce((sum, { people }) => sum + people, 0), "person", "people")}; the largest is ${drawn[0].segment}, ${drawn[0].words}`;
  reading.show(body, {
    svg: figure(
      width,
      HEIGHT,
      summary,
      ...across.flatMap((value) => [shape("line", { class: "grid", x1: x(value), x2: x(value), y1: 8, y2: HEIGHT - BOTTOM }), words(x(value), HEIGHT - BOTTOM + 13, number.format(value), { class: "tick", "text-anchor": "middle" })]),
      ...up.flatMap((value) => [shape("line", { class: value ? "grid" : "grid base", x1: LEFT, x2: width - 2, y1: y(value), y2: y(value) }), words(LEFT - 6, y(value) + 4, number.format(value), { class: "tick", "text-anchor": "end" })]),
      words(width - 2, HEIGHT - 4, "payments a day", { class: "tick", "text-anchor": "end" }),
      words(0, 10, "mean amount", { class: "tick" }),
      ...items.map((one) => shape("circle", { class: "segment-bubble", cx: one.x, cy: one.y, r: one.r })),
      ring,
      ...items.map((one) => words(one.x, one.y + 4, one.key, { class: "bubble-count", "text-anchor": "middle" })),
    ),
    items,
    summary,
    nearest: (atX, atY) => items.findLast((one) => Math.hypot(one.x - atX, one.y - atY) < one.r + 4) ?? null,
    mark: (item) => {
      ring.setAttribute("r", item ? item.r + 3 : 0);
      ring.setAttribute("cx", item?.x ?? 0);
      ring.setAttribute("cy", item?.y ?? 0);
    },
    after,
  });
}
