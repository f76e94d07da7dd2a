// Everything that moves, on one canvas. Each function draws one layer and remembers nothing.

import { circle, greatCircle } from "./geo.js";

const GLYPH_PX = 5.6;
const LABEL_FONT = '11px Inter, system-ui, "Segoe UI", sans-serif';

export function readColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["ocean", "land", "ground", "border", "people", "high", "medium", "low", "grey", "label", "halo", "payment", "ring", "cell", "heat"];
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

// A line over the map, cut where it leaves on one side and comes back on the other.
export function trace(context, camera, points) {
  const [width] = camera.size;
  let last = null;
  context.beginPath();
  for (const [lat, lon] of points) {
    const xy = camera.point(lat, lon);
    if (!xy) {
      last = null;
      continue;
    }
    if (last && Math.abs(xy[0] - last[0]) < width * 0.6) context.lineTo(xy[0], xy[1]);
    else context.moveTo(xy[0], xy[1]);
    last = xy;
  }
}

export function shape(context, severity, x, y, size) {
  context.beginPath();
  if (severity === "high") {
    context.moveTo(x, y - size);
    context.lineTo(x + size, y + size * 0.78);
    context.lineTo(x - size, y + size * 0.78);
    context.closePath();
  } else if (severity === "medium") {
    context.moveTo(x, y - size);
    context.lineTo(x + size, y);
    context.lineTo(x, y + size);
    context.lineTo(x - size, y);
    context.closePath();
  } else {
    context.arc(x, y, size * 0.82, 0, 2 * Math.PI);
  }
}

function inside(camera, xy, margin = 12) {
  const [width, height] = camera.size;
  return xy && xy[0] > -margin && xy[1] > -margin && xy[0] < width + margin && xy[1] < height + margin;
}

// Cells that hold people, the fuller the stronger. Too small to see from afar.
export function drawCells(context, camera, cells, counts, colours) {
  if (camera.pixelsPerKm < 1.2) return;
  const most = Math.max(...counts.values(), 1);
  context.fillStyle = colours.cell;
  context.strokeStyle = colours.cell;
  context.lineWidth = 1;
  for (const [cell, number] of counts) {
    const outline = cells.get(cell);
    if (!outline) continue;
    const corners = [];
    for (let index = 0; index < outline.length; index += 2) corners.push([outline[index], outline[index + 1]]);
    if (!inside(camera, camera.point(...corners[0]), 80)) continue;
    trace(context, camera, [...corners, corners[0]]);
    context.globalAlpha = 0.07 + 0.22 * Math.sqrt(number / most);
    context.fill();
    context.globalAlpha = 0.16;
    context.stroke();
  }
  context.globalAlpha = 1;
}

export function drawRings(context, camera, centre, colours) {
  if (!centre || camera.pixelsPerKm < 4) return;
  context.save();
  context.strokeStyle = colours.ring;
  context.fillStyle = colours.label;
  context.font = LABEL_FONT;
  for (const km of [5, 10, 20]) {
    const points = circle(centre.lat, centre.lon, km * 1_000, 90);
    trace(context, camera, points);
    context.setLineDash([3, 5]);
    context.stroke();
    const foot = camera.point(...points[56]); // south-west, where no place name of the centre stands
    if (inside(camera, foot, -16)) label(context, `${km} km`, foot[0] - 14, foot[1] + 4, colours);
  }
  context.restore();
}

function label(context, text, x, y, colours) {
  context.lineJoin = "round";
  context.setLineDash([]);
  context.lineWidth = 3;
  context.strokeStyle = colours.halo;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
  context.lineWidth = 1;
  context.strokeStyle = colours.ring;
}

// people: [{x, y, severity}] on screen.
export function drawPeople(context, camera, people, colours) {
  const radius = Math.min(3.4, 1.4 + camera.pixelsPerKm * 0.11);
  context.globalAlpha = 0.72;
  context.fillStyle = colours.people;
  context.beginPath();
  for (const { x, y, severity } of people) {
    if (severity) continue;
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
  context.fill();
  context.globalAlpha = 1;
  for (const { x, y, severity } of people) {
    if (!severity) continue;
    shape(context, severity, x, y, radius + 1.6);
    context.fillStyle = colours[severity];
    context.fill();
  }
}

// A payment opens once like a ring on water and leaves a small square for a few seconds.
export function drawPayments(context, camera, payments, now, colours, still) {
  for (const { lat, lon, flagged, since } of payments) {
    const xy = camera.point(lat, lon);
    if (!inside(camera, xy)) continue;
    const age = Math.max(0, now - since) / 1_000; // a frame's time may lie before what arrived while it waited
    context.strokeStyle = flagged ? colours.high : colours.payment;
    context.lineWidth = 1.4;
    context.globalAlpha = Math.max(0, 1 - age / 6);
    context.strokeRect(xy[0] - 2.5, xy[1] - 2.5, 5, 5);
    if (!still && age < 1.1) {
      context.globalAlpha = 0.7 * (1 - age / 1.1);
      context.beginPath();
      context.arc(xy[0], xy[1], 4 + 15 * (1 - (1 - age / 1.1) ** 2), 0, 2 * Math.PI);
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

export function drawArcs(context, camera, alerts, colours) {
  context.lineWidth = 1;
  alerts.forEach((alert, index) => {
    const { first, second } = alert;
    trace(context, camera, greatCircle(first.place.lat, first.place.lon, second.place.lat, second.place.lon, 48));
    context.strokeStyle = alert.state === "retracted" ? colours.grey : colours[alert.severity];
    context.globalAlpha = 0.14 + 0.2 * (1 - index / alerts.length);
    context.stroke();
  });
  context.globalAlpha = 1;
}

export function drawAlerts(context, camera, alerts, colours) {
  // Oldest first, so that news lie on top.
  for (let index = alerts.length - 1; index >= 0; index -= 1) {
    const alert = alerts[index];
    const xy = camera.point(alert.second.place.lat, alert.second.place.lon);
    if (inside(camera, xy)) drawGlyph(context, alert, xy, colours, GLYPH_PX);
  }
}

function drawGlyph(context, alert, [x, y], colours, size) {
  const retracted = alert.state === "retracted";
  shape(context, alert.severity, x, y, size);
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = colours.halo;
  context.stroke();
  context.fillStyle = retracted ? colours.halo : colours[alert.severity];
  context.fill();
  context.lineWidth = retracted ? 1.4 : 0;
  context.strokeStyle = colours.grey;
  if (retracted) context.stroke();
}

// The chosen alert: both accuracy circles to scale, the way between them, and both ends.
export function drawSelected(context, camera, alert, colours) {
  const { first, second } = alert;
  const colour = alert.state === "retracted" ? colours.grey : colours[alert.severity];
  for (const end of [first, second]) {
    trace(context, camera, circle(end.place.lat, end.place.lon, end.accuracy_m));
    context.fillStyle = colour;
    context.globalAlpha = 0.16;
    context.fill();
    context.globalAlpha = 0.9;
    context.lineWidth = 1.2;
    context.strokeStyle = colour;
    context.stroke();
  }
  context.globalAlpha = 1;
  const points = greatCircle(first.place.lat, first.place.lon, second.place.lat, second.place.lon, 160);
  context.lineCap = "round";
  for (const [width, stroke] of [[6, colours.halo], [2.2, colour]]) {
    trace(context, camera, points);
    context.lineWidth = width;
    context.strokeStyle = stroke;
    context.stroke();
  }
  const start = camera.point(first.place.lat, first.place.lon);
  const end = camera.point(second.place.lat, second.place.lon);
  if (start) {
    context.beginPath();
    context.arc(start[0], start[1], 4.5, 0, 2 * Math.PI);
    context.fillStyle = colours.halo;
    context.fill();
    context.lineWidth = 2.2;
    context.strokeStyle = colour;
    context.stroke();
  }
  if (end) {
    context.beginPath();
    context.arc(end[0], end[1], 13, 0, 2 * Math.PI);
    context.lineWidth = 1.4;
    context.stroke();
    drawGlyph(context, alert, end, colours, GLYPH_PX + 1.6);
  }
}

export function drawLabels(context, labels, colours) {
  context.font = LABEL_FONT;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const { text, x, y, left, strong, covered } of labels) {
    context.globalAlpha = strong ? 1 : 0.75;
    context.lineWidth = 3;
    context.strokeStyle = colours.halo;
    context.strokeText(text, left, y);
    context.fillStyle = colours.label;
    context.fillText(text, left, y);
    if (covered) continue;
    context.beginPath();
    context.arc(x, y, 1.4, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
}

// Greedy: what matters most first, nothing over anything else, at most `limit`.
export function placeLabels(context, camera, candidates, reserved, limit = 60) {
  context.font = LABEL_FONT;
  const taken = [...reserved];
  const placed = [];
  for (const { name, lat, lon, strong } of candidates) {
    if (placed.length >= limit) break;
    const xy = camera.point(lat, lon);
    if (!inside(camera, xy, -10)) continue;
    const length = context.measureText(name).width;
    // On the right of its place where there is room; what matters most may stand farther off, beside a disc.
    const gaps = strong ? [9, 17, 26] : [9];
    const boxes = gaps.flatMap((gap) => [xy[0] + gap, xy[0] - gap - length]).map((left) => [left - 1, xy[1] - 8, left + 3 + length, xy[1] + 8]);
    const box = boxes.find((one) => one[0] >= 0 && one[2] + 2 <= camera.size[0] && !taken.some((other) => over(one, other)));
    if (!box) continue;
    taken.push(box);
    placed.push({ text: name, x: xy[0], y: xy[1], left: box[0] + 1, strong, covered: boxes.indexOf(box) > 1 });
  }
  return placed;
}

function over(one, other) {
  return one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
}
