// Where potential frauds were: a bubble for each released cell over the outlines of countries, which are coarse; near them there is plain ground
// with the names of cities. Nothing is fetched from anybody.

import { element } from "./dom.js";
import { counted, distance } from "./format.js";
import { figure, shape, ticks, words } from "./figures.js";
import { empty, table } from "./privacy_parts.js";
import { Reading } from "./reports_reading.js";
import { localSecond } from "./times.js";

const NEAR_DEGREES = 6; // narrower than this the outlines mislead
const LEAST_DEGREES = 0.4;
const KM_PER_DEGREE = 111.2;
const SCALE_PX = 110;
const NAMES = 10;
const LABEL_HEIGHT = 15;
const REACH_PX = 26;
const WORLD = { south: -56, north: 78, west: -168, east: 180 };

export class CellsMap {
  constructor(places, world) {
    this.places = places;
    this.world = world;
    this.reading = new Reading("Map of potential frauds");
    this.whole = false;
    this.last = null;
  }

  draw(body, cells, options) {
    this.last = [body, cells, options];
    if (!cells?.cells.length) {
      const why = cells ? "A cell is told once the policy's least number of people stands behind it; the last windows had none." : "The first window tells it, once `veilocity reports` runs.";
      body.replaceChildren(empty("No cell was released.", why));
      return;
    }
    if (options.tables) {
      const rows = cells.cells.map((one) => [this.#name(one), counted(one.count, "potential fraud"), position(one), one.cell]);
      body.replaceChildren(table(`Potential frauds by released cell, ${span(cells)}`, ["Near", "Potential frauds", "Middle of the cell", "Cell"], rows));
      return;
    }
    const width = body.clientWidth;
    this.#picture(body, cells, width, Math.max(260, Math.min(420, Math.round(width * 0.8))));
  }

  toggle() {
    this.whole = !this.whole;
    if (this.last) this.draw(...this.last);
  }

  #picture(body, cells, width, height) {
    const view = aim(this.whole ? WORLD : around(cells.cells), width, height);
    const most = cells.cells[0].count;
    const items = cells.cells.map((one) => ({ key: one.cell, x: view.x(one.lon), y: view.y(one.lat), r: 4 + 16 * Math.sqrt(one.count / most), one, said: `${this.#name(one)}: ${counted(one.count, "potential fraud")}` }));
    const ring = shape("circle", { class: "bubble-ring", cx: 0, cy: 0, r: 0 });
    const summary = `${counted(cells.cells.length, "released cell")}; most near ${items[0].said}`;
    const clip = shape("clipPath", { id: "cells-clip" }, shape("rect", { x: 0, y: 0, width, height, rx: 6 }));
    const ground = shape("rect", { class: view.near ? "ground" : "sea", x: 0, y: 0, width, height });
    const edge = shape("rect", { class: "edge", x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6 });
    const bubbles = items.map(({ x, y, r }) => shape("circle", { class: "bubble", cx: x, cy: y, r }));
    const land = view.near ? null : this.world.draw(view.across, view.up);
    this.reading.show(body, {
      svg: figure(width, height, summary, clip, shape("g", { "clip-path": "url(#cells-clip)" }, ground, land, ...this.#names(view, items, width, height), ...bubbles, ring, ...counts(items), ...scale(view, height)), edge),
      items,
      summary,
      nearest: (x, y) => {
        const best = items.reduce((one, other) => (away(other, x, y) < away(one, x, y) ? other : one));
        return away(best, x, y) < Math.max(REACH_PX, best.r) ? best : null;
      },
      mark: (item) => {
        ring.setAttribute("r", item ? item.r + 3 : 0);
        ring.setAttribute("cx", item?.x ?? 0);
        ring.setAttribute("cy", item?.y ?? 0);
      },
      before: [this.#button()],
    });
  }

  #button() {
    const button = element("button", { class: "plain unit whole", "aria-pressed": String(this.whole), "data-name": "whole", title: "The whole world, or the cells (w)" }, "Whole world");
    button.addEventListener("click", () => this.toggle());
    return button;
  }

  #name(cell) {
    return this.places.name(cell);
  }

  // Of the biggest cities in sight, as many as lie beside nothing else.
  #names(view, items, width, height) {
    const taken = items.map(({ x, y, r }) => [x - r, y - r, x + r, y + r]);
    const placed = [];
    for (const { name, lat, lon } of this.places.all) {
      if (placed.length >= NAMES) break;
      const [x, y] = [view.x(lon), view.y(lat)];
      const box = [x - 3, y - LABEL_HEIGHT / 2, x + 10 + name.length * 6.2, y + LABEL_HEIGHT / 2];
      if (box[0] < 0 || box[2] > width || box[1] < 0 || box[3] > height || taken.some((other) => over(box, other))) continue;
      taken.push(box);
      placed.push({ name, x, y });
    }
    return placed.flatMap(({ name, x, y }) => [shape("circle", { class: "place-dot", cx: x, cy: y, r: 1.5 }), words(x + 5, y + 4, name, { class: "place-name" })]);
  }
}

export function span({ start_ms, end_ms }) {
  return `${localSecond(start_ms)} to ${localSecond(end_ms)}`;
}

// Numbers stand in bubbles that have room and lie alone.
function counts(items) {
  const alone = items.filter((item) => items.every((other) => other === item || away(other, item.x, item.y) > item.r + 4));
  return alone.filter(({ r }) => r >= 9).map(({ x, y, one }) => words(x, y + 4, String(one.count), { class: "bubble-count", "text-anchor": "middle" }));
}

function scale({ up: [perDegree] }, height) {
  const perKm = perDegree / KM_PER_DEGREE;
  const km = ticks(SCALE_PX / perKm, 1)[1];
  const wide = km * perKm > 1.7 * SCALE_PX ? km / 2 : km;
  return [shape("path", { class: "map-scale", d: `M12 ${height - 20}v6h${(wide * perKm).toFixed(1)}v-6` }), words(20 + wide * perKm, height - 13, distance(wide * 1_000), { class: "map-word" })];
}

function position({ lat, lon }) {
  return `${Math.abs(lat).toFixed(2)}\u00b0 ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(2)}\u00b0 ${lon < 0 ? "W" : "E"}`;
}

function away(item, x, y) {
  return Math.hypot(item.x - x, item.y - y);
}

function over(one, other) {
  return one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
}

function around(cells) {
  const [lats, lons] = [cells.map(({ lat }) => lat), cells.map(({ lon }) => lon)];
  return { south: Math.min(...lats), north: Math.max(...lats), west: Math.min(...lons), east: Math.max(...lons) };
}

// Both axes in degrees, the one across narrowed as it is in the middle; a margin for the bubbles.
function aim({ south, north, west, east }, width, height) {
  const middle = [(south + north) / 2, (west + east) / 2];
  const narrow = Math.max(0.2, Math.cos((middle[0] * Math.PI) / 180));
  const wide = Math.max(LEAST_DEGREES, (east - west) * narrow);
  const tall = Math.max(LEAST_DEGREES * (height / width), north - south);
  const scale = Math.min((width - 60) / wide, (height - 60) / tall);
  const across = [scale * narrow, width / 2 - middle[1] * scale * narrow];
  const up = [scale, height / 2 + middle[0] * scale];
  return { across, up, near: width / (scale * narrow) < NEAR_DEGREES, x: (lon) => lon * across[0] + across[1], y: (lat) => up[1] - lat * up[0] };
}
