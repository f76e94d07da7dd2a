// The layers that somebody may turn on: released cells, heat, clusters, the trail of a person. Each draws and remembers nothing.

import { trace } from "./painter.js";

const CLUSTER_PX = 44;
const CLUSTER_PEOPLE = 25;
const HEAT_PX = 18;
const END_PX = 20;
const FONT = '600 11px Inter, system-ui, "Segoe UI", sans-serif';

// cells: of the server; the fuller the stronger, the word beside it says how many.
export function drawReleased(context, camera, cells, kind, colours) {
  const most = Math.max(...cells.map(({ payments }) => payments), 1);
  const [width, height] = camera.size;
  context.font = FONT;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { lat, lon, outline, payments } of cells) {
    const xy = camera.point(lat, lon);
    if (!xy || xy[0] < -80 || xy[1] < -80 || xy[0] > width + 80 || xy[1] > height + 80) continue;
    context.fillStyle = colours.low;
    context.strokeStyle = colours.low;
    context.lineWidth = 1;
    if (kind === "areas") {
      const corners = [];
      for (let index = 0; index < outline.length; index += 2) corners.push([outline[index], outline[index + 1]]);
      trace(context, camera, [...corners, corners[0]]);
    } else {
      context.beginPath();
      context.arc(xy[0], xy[1], 4 + 18 * Math.sqrt(payments / most), 0, 2 * Math.PI);
    }
    context.globalAlpha = 0.12 + 0.4 * Math.sqrt(payments / most);
    context.fill();
    context.globalAlpha = 0.8;
    context.stroke();
    context.globalAlpha = 1;
    if (camera.pixelsPerKm > 6 || kind === "bubbles") outlined(context, String(payments), xy, colours);
  }
  context.textAlign = "start";
}

// people: [{x, y, on}] on screen.
export function drawHeat(context, people, colours) {
  const bins = binned(people, HEAT_PX);
  const most = Math.max(...[...bins.values()].map((bin) => bin.length), 1);
  for (const bin of bins.values()) {
    const [x, y] = centre(bin);
    const radius = HEAT_PX * 1.9;
    const glow = context.createRadialGradient(x, y, 0, x, y, radius);
    glow.addColorStop(0, colours.heat);
    glow.addColorStop(1, `${colours.heat}00`);
    context.globalAlpha = 0.1 + 0.5 * Math.sqrt(bin.length / most);
    context.fillStyle = glow;
    context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
  }
  context.globalAlpha = 1;
}

// Splits who is drawn alone from who is drawn as a disc with a number; an alert is never hidden in one.
export function clustered(people) {
  const alone = people.filter(({ severity }) => severity);
  const discs = [];
  for (const bin of binned(people.filter(({ severity }) => !severity), CLUSTER_PX).values()) {
    if (bin.length > CLUSTER_PEOPLE) discs.push({ at: centre(bin), count: bin.length });
    else alone.push(...bin);
  }
  return { alone, discs };
}

export function discRadius({ count }) {
  return Math.min(21, 9 + Math.sqrt(count));
}

// ends: points of the chosen alert, which no number may lie below.
export function drawClusters(context, discs, colours, ends) {
  context.font = FONT;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const disc of discs) {
    const { at, count } = disc;
    context.beginPath();
    context.arc(at[0], at[1], discRadius(disc), 0, 2 * Math.PI);
    context.fillStyle = colours.people;
    context.globalAlpha = 0.3;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 1.4;
    context.strokeStyle = colours.people;
    context.stroke();
    const covered = ends.some(([x, y]) => Math.hypot(x - at[0], y - at[1]) < END_PX);
    if (!covered) outlined(context, String(count), at, colours);
  }
  context.textAlign = "start";
}

// moments: of the evidence, oldest first; a line from place to place, open rings for the phone, squares for payments.
export function drawTrail(context, camera, moments, colours) {
  const places = moments.filter(({ place }) => place);
  context.setLineDash([2, 4]);
  context.lineWidth = 1.6;
  context.strokeStyle = colours.label;
  trace(context, camera, places.map(({ place }) => [place.lat, place.lon]));
  context.stroke();
  context.setLineDash([]);
  for (const { kind, place } of places) {
    const xy = camera.point(place.lat, place.lon);
    if (!xy || kind === "alert") continue;
    context.beginPath();
    if (kind === "payment") context.rect(xy[0] - 3, xy[1] - 3, 6, 6);
    else context.arc(xy[0], xy[1], 3.4, 0, 2 * Math.PI);
    context.fillStyle = colours.halo;
    context.fill();
    context.stroke();
  }
}

function binned(people, size) {
  const bins = new Map();
  for (const person of people) {
    const key = `${Math.floor(person.x / size)},${Math.floor(person.y / size)}`;
    if (bins.has(key)) bins.get(key).push(person);
    else bins.set(key, [person]);
  }
  return bins;
}

function centre(bin) {
  return [bin.reduce((sum, { x }) => sum + x, 0) / bin.length, bin.reduce((sum, { y }) => sum + y, 0) / bin.length];
}

function outlined(context, text, [x, y], colours) {
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = colours.halo;
  context.strokeText(text, x, y);
  context.fillStyle = colours.label;
  context.fillText(text, x, y);
}
