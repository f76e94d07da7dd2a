// k against risk and loss: what was released, seen at every higher k, with the k in force marked.

import { element } from "./dom.js";
import { exact, share } from "./format.js";
import { figure, hatch, linear, logarithmic, never, shape, tip, words } from "./figures.js";
import { empty, legend, table } from "./privacy_parts.js";

const LEAST = 2;
const TICKS = [2, 3, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

export function drawTrade(body, releases, { tables }) {
  const { k = 0, trade = [] } = releases ?? {};
  if (!k) {
    const why = "The risks are those of released classes. For a table of your own: `veilocity privacy curve`.";
    body.replaceChildren(empty("Nothing to weigh yet.", why));
    return;
  }
  const note = element(
    "p",
    { class: "quiet note" },
    `Computed from the ${exact(releases.classes)} classes released: what is left if only those of so many people leave. ` +
      "A new search would merge instead, and need not lose as much.",
  );
  if (tables) {
    const rows = trade.map((point) => [
      String(point.k),
      ...[point.prosecutor, point.marketer, point.loss, point.left_out].map(share),
      exact(point.classes),
    ]);
    body.replaceChildren(table("Risk and loss by k", ["k", "Prosecutor", "Marketer", "Loss", "Left out", "Classes"], rows), note);
    return;
  }
  const keys = legend([
    ["promise", "1/k", "What k promises: nobody is matched with a higher chance."],
    ["prosecutor", "prosecutor", "Risk of the payment that is easiest to match: 1 / people of the smallest class."],
    ["marketer", "marketer", "Mean risk of a payment: the share that is matched rightly when all are tried."],
    ["loss", "loss", "Mean generalisation loss, 1 for a payment that is left out."],
    ["left-out", "left out", "Share of the payments whose class is too small."],
  ]);
  body.replaceChildren(keys, element("div", { class: "plot" }, chart(body.clientWidth, 206, releases)), note);
}

function chart(width, height, { k, trade }) {
  const [left, right] = [34, width - 10];
  const most = Math.max(trade.at(-1).k, k * 2, 10);
  const x = logarithmic([LEAST, most], [left, right]);
  const risk = { low: 0, high: 0.5, top: 16, bottom: height * 0.5 - 6 };
  const cost = { low: 0, high: 1, top: height * 0.5 + 10, bottom: height - 30 };
  const [risen, lost] = [risk, cost].map(({ low, high, top, bottom }) => linear([low, high], [bottom, top]));
  const at = trade[0];
  const last = trade.at(-1);
  const label =
    `At k = ${k} the easiest payment is matched with a chance of ${share(at.prosecutor)}, the mean payment of ` +
    `${share(at.marketer)}, and the loss is ${share(at.loss)}; at k = ${last.k} the loss is at most ${share(last.loss)}`;
  const unknown = ({ top, bottom }) =>
    never({ x: left, y: top, width: x(k) - left, height: bottom - top }, "hatch-trade", "Below k: no such class was ever released");
  const dot = (name, scale) =>
    shape("circle", { class: `dot ${name}`, cx: x(k), cy: scale(at[name]), r: 3.5 }, tip(`${name} at k = ${k}: ${share(at[name])}`));
  return figure(
    width,
    height,
    label,
    shape("defs", {}, hatch("hatch-trade")),
    ...frame(risk, risen, [0, 0.2, 0.5], left, right),
    ...frame(cost, lost, [0, 0.5, 1], left, right),
    ...[risk, cost].map(unknown),
    shape("path", { class: "curve promise", d: smooth(x, risen, most) }),
    shape("path", { class: "curve prosecutor", d: steps(trade, x, risen, "prosecutor") }),
    shape("path", { class: "curve marketer", d: steps(trade, x, risen, "marketer") }),
    shape("path", { class: "curve left-out", d: steps(trade, x, lost, "left_out") }),
    shape("path", { class: "curve loss", d: steps(trade, x, lost, "loss") }),
    shape("line", { class: "chosen", x1: x(k), x2: x(k), y1: 6, y2: cost.bottom }),
    words(x(k) + 5, 13, `k = ${k}`, { class: "chosen-word" }),
    dot("prosecutor", risen),
    dot("marketer", risen),
    dot("loss", lost),
    words(right, risk.top + 9, "risk", { class: "axis", "text-anchor": "end" }),
    words(right, cost.bottom - 6, "loss", { class: "axis", "text-anchor": "end" }),
    ...TICKS.filter((tick) => tick <= most).map((tick) =>
      words(x(tick), cost.bottom + 14, exact(tick), { class: "tick", "text-anchor": "middle" }),
    ),
    words(right, height - 3, "k: fewest people of a class", { class: "axis", "text-anchor": "end" }),
  );
}

function frame({ bottom }, scale, marks, left, right) {
  return marks.flatMap((value) => [
    shape("line", { class: scale(value) === bottom ? "grid base" : "grid", x1: left, x2: right, y1: scale(value), y2: scale(value) }),
    words(left - 6, scale(value) + 4, String(value), { class: "tick", "text-anchor": "end" }),
  ]);
}

function smooth(x, y, most) {
  const points = [];
  for (let step = 0; step <= 60; step += 1) {
    const k = LEAST * (most / LEAST) ** (step / 60);
    points.push(`${x(k).toFixed(1)} ${y(1 / k).toFixed(1)}`);
  }
  return `M${points.join("L")}`;
}

// A figure holds back to the k before it: classes of n people are left out from n + 1 on.
function steps(trade, x, y, name) {
  const [first, ...rest] = trade;
  return `M${x(first.k)} ${y(first[name])}${rest.map((point) => `V${y(point[name]).toFixed(1)}H${x(point.k).toFixed(1)}`).join("")}`;
}
