// A small line over time, with gaps where nothing is known; what it says stands in its label and in the table.

import { figure, linear, shape, tip } from "./figures.js";

// points: [[milliseconds, value or null], ...], in order.
export function sparkline(width, height, label, points, { kind = "", say = String } = {}) {
  const known = points.filter(([, value]) => value !== null);
  if (known.length < 2) return figure(width, height, `${label}: not enough seen yet`, rest(width, height));
  const most = Math.max(...known.map(([, value]) => value)) || 1;
  const x = linear([points[0][0], points.at(-1)[0]], [1, width - 4]);
  const y = linear([0, most], [height - 2, 4]);
  const parts = [];
  let pen = "M";
  for (const [at, value] of points) {
    if (value === null) pen = "M";
    else {
      parts.push(`${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
      pen = "L";
    }
  }
  const [lastAt, last] = known.at(-1);
  const path = parts.join("");
  const area = `${path}L${x(lastAt).toFixed(1)} ${height - 1}L${x(known[0][0]).toFixed(1)} ${height - 1}Z`;
  return figure(
    width,
    height,
    `${label}: ${say(last)} now, at most ${say(most)}`,
    tip(`${label}: ${say(last)} now, at most ${say(most)} in the stretch shown`),
    rest(width, height),
    !parts.slice(1).some((part) => part.startsWith("M")) && shape("path", { class: `spark-area ${kind}`, d: area }),
    shape("path", { class: `spark ${kind}`, d: path }),
    shape("circle", { class: `spark-end ${kind}`, cx: x(lastAt), cy: y(last), r: 2.6 }),
  );
}

function rest(width, height) {
  return shape("line", { class: "grid", x1: 0, x2: width, y1: height - 1, y2: height - 1 });
}
