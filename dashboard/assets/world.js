// The outlines of countries from the file that the live map has, as one path in degrees; what draws it brings its own scale.

import { shape } from "./figures.js";

const SOUTHMOST = -62;

export class World {
  constructor() {
    this.path = "";
  }

  async load(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`the outlines were not found (${answer.status})`);
    const topology = await answer.json();
    const arcs = topology.arcs.map((arc) => degrees(arc, topology.transform));
    this.path = topology.objects.countries.geometries.flatMap((one) => polygons(one).flatMap((rings) => rings.map((ring) => outline(ring, arcs)))).join("");
  }

  // x and y turn degrees into pixels by a factor and a shift each.
  draw([scaleX, shiftX], [scaleY, shiftY]) {
    return this.path ? shape("path", { class: "land", d: this.path, transform: `matrix(${scaleX} 0 0 ${-scaleY} ${shiftX} ${shiftY})` }) : null;
  }
}

// Steps on a grid of whole numbers become longitudes and latitudes.
function degrees(arc, { scale, translate }) {
  let [x, y] = [0, 0];
  return arc.map(([dx, dy]) => {
    x += dx;
    y += dy;
    return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
  });
}

function polygons({ type, arcs }) {
  return type === "MultiPolygon" ? arcs : type === "Polygon" ? [arcs] : [];
}

// A ring is made of arcs that meet; ~n is arc n from its end.
function outline(ring, arcs) {
  const points = ring.flatMap((index, place) => {
    const arc = index < 0 ? [...arcs[~index]].reverse() : arcs[index];
    return place ? arc.slice(1) : arc;
  });
  // Antarctica holds no payments, and no flat map has a place for it.
  if (points.some(([, lat]) => lat < SOUTHMOST)) return "";
  // Who crosses the date line goes on beyond it: else the outline would run back across the whole map.
  let turns = 0;
  const whole = points.map(([lon, lat], place) => {
    const step = place ? lon - points[place - 1][0] : 0;
    turns += step > 180 ? -360 : step < -180 ? 360 : 0;
    return [lon + turns, lat];
  });
  return `M${whole.map(([lon, lat]) => `${lon.toFixed(2)} ${lat.toFixed(2)}`).join("L")}Z`;
}
