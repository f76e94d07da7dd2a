// Where the phone is now: place, altitude, speed, accuracy and bearing, each with the mean of the hour.

import { element } from "./dom.js";
import { figure, linear, shape, ticks, tip, words } from "./figures.js";
import { empty, table } from "./privacy_parts.js";
import { KMH, bearing, degrees, kmh, mean, metres } from "./phone_values.js";

const SIZE = 118;
const HEIGHT = 94;

export function drawGauges(body, readings, { tables }) {
  const last = readings.at(-1);
  if (!last) {
    body.replaceChildren(empty("No reading yet.", "Gauges stand here as soon as the phone has sent one."));
    return;
  }
  const means = Object.fromEntries(["lat", "lon", "altitude_m", "speed_mps", "accuracy_m"].map((name) => [name, mean(readings.map((one) => one[name]))]));
  if (tables) {
    const rows = [
      ["Latitude", degrees(last.lat), degrees(means.lat)],
      ["Longitude", degrees(last.lon), degrees(means.lon)],
      ["Altitude", metres(last.altitude_m), metres(means.altitude_m)],
      ["Speed", kmh(last.speed_mps), kmh(means.speed_mps)],
      ["Accuracy", metres(last.accuracy_m), metres(means.accuracy_m)],
      ["Bearing", bearing(last.bearing_deg), ""],
    ];
    body.replaceChildren(table("Now, and the mean of what is kept", ["", "Now", "Mean"], rows));
    return;
  }
  const altitudes = readings.map(({ altitude_m }) => altitude_m).filter((value) => value !== null);
  const place = element(
    "div",
    { class: "place-now" },
    big("Latitude", degrees(last.lat), `Mean of what is kept: ${degrees(means.lat)}.`),
    big("Longitude", degrees(last.lon), `Mean of what is kept: ${degrees(means.lon)}.`),
  );
  const fastest = Math.max(...readings.map(({ speed_mps }) => speed_mps ?? 0)) * KMH;
  const coarsest = Math.max(...readings.map(({ accuracy_m }) => accuracy_m ?? 0));
  const lowest = altitudes.length ? Math.floor(Math.min(...altitudes, 0) / 50) * 50 : 0;
  const dials = element(
    "div",
    { class: "dials" },
    dial("Speed", last.speed_mps === null ? null : last.speed_mps * KMH, means.speed_mps === null ? null : means.speed_mps * KMH, [0, ticks(Math.max(10, fastest)).at(-1)], kmh(last.speed_mps)),
    dial("Altitude", last.altitude_m, means.altitude_m, [lowest, ticks(Math.max(50, ...altitudes)).at(-1)], metres(last.altitude_m)),
    dial("Accuracy", last.accuracy_m, means.accuracy_m, [0, ticks(Math.max(10, coarsest)).at(-1)], metres(last.accuracy_m)),
    compass(last.bearing_deg),
  );
  body.replaceChildren(place, dials);
}

function big(label, value, title) {
  return element("div", { title }, element("b", {}, value), element("span", { class: "quiet" }, label));
}

// Half a circle; the mark outside is the mean.
function dial(name, value, average, [low, high], text) {
  const [cx, cy, r] = [SIZE / 2, 62, 42];
  const turn = linear([low, high], [Math.PI, 0]);
  const at = (amount, radius) => [cx + radius * Math.cos(turn(amount)), cy - radius * Math.sin(turn(amount))];
  const arc = (from, to, radius) => {
    const [[x1, y1], [x2, y2]] = [at(from, radius), at(to, radius)];
    return `M${x1.toFixed(1)} ${y1.toFixed(1)}A${radius} ${radius} 0 0 1 ${x2.toFixed(1)} ${y2.toFixed(1)}`;
  };
  const label = value === null ? `${name}: not stated` : `${name}: ${text}, on a dial from ${low} to ${high}`;
  const within = value === null ? null : Math.max(low, Math.min(high, value));
  const [[ax, ay], [bx, by]] = average === null ? [[0, 0], [0, 0]] : [at(Math.max(low, Math.min(high, average)), r + 6), at(Math.max(low, Math.min(high, average)), r + 11)];
  return figure(
    SIZE,
    HEIGHT,
    label,
    tip(average === null ? label : `${label}; the mark outside is the mean of what is kept`),
    shape("path", { class: "dial", d: arc(low, high, r) }),
    within !== null && within > low && shape("path", { class: "dial-value", d: arc(low, within, r) }),
    average !== null && shape("line", { class: "dial-mean", x1: ax, y1: ay, x2: bx, y2: by }),
    words(cx, cy - 6, text, { class: "dial-word", "text-anchor": "middle" }),
    words(cx, cy + 20, name, { "text-anchor": "middle" }),
    words(cx - r, cy + 14, String(low), { "text-anchor": "middle" }),
    words(cx + r, cy + 14, String(high), { "text-anchor": "middle" }),
  );
}

function compass(value) {
  const [cx, cy, r] = [SIZE / 2, 38, 22];
  const label = value === null ? "Bearing: not stated" : `Bearing: ${bearing(value)}`;
  const north = [["N", 0], ["E", 90], ["S", 180], ["W", 270]].map(([text, turn]) => {
    const angle = ((turn - 90) * Math.PI) / 180;
    return words(cx + (r + 8) * Math.cos(angle), cy + (r + 8) * Math.sin(angle) + 4, text, { "text-anchor": "middle" });
  });
  return figure(
    SIZE,
    HEIGHT,
    label,
    tip(label),
    shape("circle", { class: "dial", cx, cy, r }),
    ...north,
    value !== null && shape("path", { class: "needle", transform: `rotate(${value} ${cx} ${cy})`, d: `M${cx} ${cy - r + 4}L${cx + 5} ${cy + 8}L${cx} ${cy + 4}L${cx - 5} ${cy + 8}Z` }),
    words(cx, cy + r + 28, value === null ? "not stated" : bearing(value), { class: "dial-word small", "text-anchor": "middle" }),
  );
}
