// The path on a plane around the phone: a few kilometres are flat enough. No tiles are fetched; a grid, a scale and the names of the largest
// places tell where one is. What is pointed at in the lines is marked here.

import { element } from "./dom.js";
import { distance as told } from "./format.js";
import { figure, shape, ticks, tip, words } from "./figures.js";
import { EARTH_M, RADIANS, distance } from "./geo.js";
import { empty, table } from "./privacy_parts.js";
import { bearing, degrees, metres } from "./phone_values.js";
import { localSecond, when } from "./times.js";

const LEAST_M = 240;
const GAP_MS = 60_000;
const ROWS = 120;
const NAMES = 6;

export class PhoneMap {
  constructor(places, time) {
    this.places = places;
    this.readings = [];
    this.chosen = null;
    time.addEventListener("moment", ({ detail }) => {
      this.chosen = detail;
      this.#point();
    });
  }

  draw(body, readings, { tables }) {
    this.readings = readings;
    this.plane = null;
    if (!readings.length) {
      body.replaceChildren(empty("No path yet.", "It begins with the first reading after the page was paired; nothing of before is read."));
      return;
    }
    if (tables) {
      const rows = readings.slice(-ROWS).reverse().map((one) => [when(one.at_ms, localSecond(one.at_ms), true), degrees(one.lat), degrees(one.lon), metres(one.accuracy_m), bearing(one.bearing_deg)]);
      body.replaceChildren(table("Path, newest first", ["At", "Latitude", "Longitude", "Accuracy", "Bearing"], rows));
      return;
    }
    const width = body.clientWidth;
    const height = Math.max(280, Math.min(430, Math.round(width * 0.56)));
    this.plane = plane(readings, width, height);
    const last = readings.at(-1);
    const first = readings[0];
    const { x, y } = this.plane;
    const [firstX, firstY] = [x(first.lon), y(first.lat)];
    const travelled = readings.slice(1).reduce((sum, one, index) => sum + distance(readings[index].lat, readings[index].lon, one.lat, one.lon), 0);
    const label = `Path of ${readings.length} readings, ${told(travelled)} long${this.#near(last)}; the table (m) tells each`;
    this.dot = shape("g", { class: "phone-dot" });
    this.circle = shape("circle", { class: "accuracy" });
    const svg = figure(
      width,
      height,
      label,
      shape("rect", { class: "plane", x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6 }),
      ...grid(this.plane, width, height),
      ...this.#names(width, height),
      this.circle,
      shape("path", { class: "path gap", d: track(readings, this.plane, true) }),
      shape("path", { class: "path", d: track(readings, this.plane, false) }),
      readings.length > 1 && shape("circle", { class: "start", cx: firstX, cy: firstY, r: 4.5 }, tip(`First shown, ${localSecond(first.at_ms)}`)),
      this.dot,
      ...scale(this.plane, height),
    );
    const words_ = element("p", { class: "note quiet" }, `${told(travelled)} along the readings${this.#near(last)}. Ring: first shown; arrow: now, with the circle that the phone vouches for.`);
    body.replaceChildren(svg, words_);
    this.#point();
  }

  #near(reading) {
    const place = this.places.nearest(reading.lat, reading.lon);
    return place ? `, ${told(distance(reading.lat, reading.lon, place.lat, place.lon))} from the middle of ${place.name}` : "";
  }

  #names(width, height) {
    const inside = this.places.all
      .map((place) => ({ ...place, px: this.plane.x(place.lon), py: this.plane.y(place.lat) }))
      .filter(({ px, py }) => px > 30 && px < width - 60 && py > 16 && py < height - 24)
      .slice(0, NAMES);
    return inside.flatMap(({ name, px, py }) => [shape("circle", { class: "place-dot", cx: px, cy: py, r: 1.6 }), words(px + 5, py + 4, name, { class: "place-name" })]);
  }

  #point() {
    if (!this.plane) return;
    const known = this.chosen && this.readings.find(({ number }) => number === this.chosen.number);
    const shown = known || this.readings.at(-1);
    const [px, py] = [this.plane.x(shown.lon), this.plane.y(shown.lat)];
    this.circle.setAttribute("cx", px);
    this.circle.setAttribute("cy", py);
    this.circle.setAttribute("r", Math.max(0, (shown.accuracy_m ?? 0) * this.plane.perMetre));
    const body =
      shown.bearing_deg === null
        ? shape("circle", { class: "now", cx: px, cy: py, r: 6 })
        : shape("path", { class: "now", transform: `translate(${px.toFixed(1)} ${py.toFixed(1)}) rotate(${shown.bearing_deg})`, d: "M0 -9L6.5 7L0 3.4L-6.5 7Z" });
    this.dot.replaceChildren(tip(`${localSecond(shown.at_ms)}: ${degrees(shown.lat)} ${degrees(shown.lon)}, \u00b1${metres(shown.accuracy_m)}`), body);
  }
}

// Metres east and north of the middle, scaled alike in both directions.
function plane(readings, width, height) {
  const lats = readings.map(({ lat }) => lat);
  // A path across the date line stays in one piece.
  const lons = readings.map(({ lon }) => readings[0].lon + ((((lon - readings[0].lon + 540) % 360) + 360) % 360) - 180);
  const [south, north, west, east] = [Math.min(...lats), Math.max(...lats), Math.min(...lons), Math.max(...lons)];
  const [midLat, midLon] = [(south + north) / 2, (west + east) / 2];
  const metreLat = EARTH_M * RADIANS;
  const metreLon = metreLat * Math.max(0.01, Math.cos(midLat * RADIANS));
  const accuracy = readings.at(-1).accuracy_m ?? 0;
  const wide = Math.max(LEAST_M, (east - west) * metreLon * 1.2, accuracy * 2.4);
  const tall = Math.max(LEAST_M * (height / width), (north - south) * metreLat * 1.25, accuracy * 2.4);
  const perMetre = Math.min(width / wide, height / tall);
  return {
    perMetre,
    midLat,
    midLon,
    metreLat,
    metreLon,
    x: (lon) => width / 2 + ((((lon - midLon + 540) % 360) + 360) % 360 - 180) * metreLon * perMetre,
    y: (lat) => height / 2 - (lat - midLat) * metreLat * perMetre,
  };
}

function track(readings, { x, y }, gaps) {
  const parts = [];
  readings.forEach((one, index) => {
    const before = readings[index - 1];
    const gap = before && one.at_ms - before.at_ms > GAP_MS;
    if (gaps ? gap : before && !gap) {
      if (gaps || !parts.length || !parts.at(-1).endsWith(mark(before, x, y))) parts.push(`M${mark(before, x, y)}`);
      parts.push(`L${mark(one, x, y)}`);
    }
  });
  return parts.join("") || "M0 0";
}

function mark({ lat, lon }, x, y) {
  return `${x(lon).toFixed(1)} ${y(lat).toFixed(1)}`;
}

function step(metresWide) {
  return ticks(metresWide, 5)[1];
}

function grid({ perMetre }, width, height) {
  const each = step(width / perMetre) * perMetre;
  const lines = [];
  for (let at = (width / 2) % each; at < width; at += each) lines.push(shape("line", { class: "map-grid", x1: at, x2: at, y1: 1, y2: height - 1 }));
  for (let at = (height / 2) % each; at < height; at += each) lines.push(shape("line", { class: "map-grid", x1: 1, x2: width - 1, y1: at, y2: at }));
  return lines;
}

function scale({ perMetre, midLat, midLon }, height) {
  const wide = ticks(110 / perMetre, 1)[1];
  const length = wide * perMetre;
  const use = length > 180 ? wide / 2 : wide;
  return [
    shape("path", { class: "map-scale", d: `M12 ${height - 20}v6h${(use * perMetre).toFixed(1)}v-6` }),
    words(20 + use * perMetre, height - 13, told(use), { class: "map-word" }),
    words(12, 18, `middle ${degrees(midLat)} ${degrees(midLon)}`, { class: "map-word" }),
  ];
}
