// Where the map looks. Plotly draws the geography and holds the projection; it is private to plotly, so plotly's version is pinned and a
// browser test holds that it is where we look for it.

import { distance, greatCircle, middle } from "./geo.js";

const NEAR_PIXELS_PER_KM = 2.2; // closer than this the coarse outlines of countries mislead: the geography becomes plain ground
const WIDE_M = 2_500_000;

export class Camera {
  constructor(graph, panel) {
    this.graph = graph;
    this.panel = panel;
    this.near = null;
    this.colours = null;
    this.last = null;
    this.ours = 0;
    this.turn = 0;
    this.queue = Promise.resolve();
    this.measure();
    graph.on("plotly_relayout", () => {
      if (this.ours === 0) this.last = null; // moved by hand: no longer ours to move
      this.settle();
    });
  }

  get subplot() {
    return this.graph._fullLayout?.geo?._subplot;
  }

  get projection() {
    return this.subplot?.projection ?? null;
  }

  // What is seen, and how far the larger graph behind it (see `oversize`) begins before it. Read once a frame: asking the layout for every
  // point costs ten times the drawing.
  measure() {
    const { graph, panel } = this;
    this.size = [panel.clientWidth, panel.clientHeight];
    this.offset = [(graph.clientWidth - this.size[0]) / 2, (graph.clientHeight - this.size[1]) / 2];
  }

  // Plotly cuts the land at the box of the unzoomed world, which would leave empty bands: make that box cover the panel for a world twice as
  // wide as high and for one as wide as high.
  async oversize() {
    this.measure();
    const [width, height] = this.size;
    const frame = this.graph.closest("#geography");
    const [wide, high] = [Math.max(width, 2 * height) + 8, Math.max(height, 1.1 * width) + 8];
    Object.assign(frame.style, { width: `${wide}px`, height: `${high}px`, left: `${(width - wide) / 2}px`, top: `${(height - high) / 2}px` });
    await this.#inTurn(() => window.Plotly.Plots.resize(this.graph));
    this.measure();
  }

  get pixelsPerKm() {
    return this.projection ? this.projection.scale() / 6_371 : 0;
  }

  // Changes whenever anything on the map must move.
  get signature() {
    const projection = this.projection;
    if (!projection) return "";
    return [projection.scale(), ...projection.translate(), ...projection.rotate(), ...projection.center(), ...this.size].join();
  }

  // Pixels from the panel's upper left corner.
  point(lat, lon) {
    const xy = this.projection([lon, lat]);
    const [dx, dy] = this.offset;
    return xy && [xy[0] - dx, xy[1] - dy];
  }

  place(x, y) {
    const [dx, dy] = this.offset;
    return this.projection.invert([x + dx, y + dy]);
  }

  get mercator() {
    return this.graph._fullLayout.geo.projection.type === "mercator";
  }

  // "south,west,north,east" of what is seen, as a filter takes it; null where the edge is beyond the world.
  box() {
    if (!this.projection) return null;
    const [width, height] = this.size;
    const steps = [0.02, 0.5, 0.98];
    const seen = steps.flatMap((x) => steps.map((y) => this.place(x * width, y * height))).filter((one) => one?.every(Number.isFinite));
    if (seen.length < 9) return null;
    const [lons, lats] = [seen.map(([lon]) => lon), seen.map(([, lat]) => lat)];
    return [Math.min(...lats), Math.min(...lons), Math.max(...lats), Math.max(...lons)].map((value) => value.toFixed(4)).join(",");
  }

  world() {
    // Antarctica and the far north hold no payments: look at what lies between.
    const longitude = 8;
    const points = [76, 8, -54].flatMap((lat) => [[lat, longitude - 164], [lat, longitude + 164]]);
    this.fit(points, { type: "natural earth", longitude, fill: 1 });
  }

  city(positions) {
    const centre = densest(positions);
    if (!centre) return false;
    this.fit(centre.points, { type: "mercator", longitude: centre.lon, fill: 0.86 });
    return true;
  }

  arc(alert) {
    const a = alert.first.place;
    const b = alert.second.place;
    const long = distance(a.lat, a.lon, b.lat, b.lon) > WIDE_M;
    const points = greatCircle(a.lat, a.lon, b.lat, b.lon);
    const [, longitude] = points[Math.floor(points.length / 2)];
    const margin = long ? [] : [[a.lat - 0.02, a.lon], [b.lat + 0.02, b.lon]];
    this.fit([...points, ...margin], { type: long ? "natural earth" : "mercator", longitude, fill: 0.62 });
  }

  zoom(factor) {
    this.last = null;
    const scale = this.graph._fullLayout.geo.projection.scale * factor;
    this.#relayout({ "geo.projection.scale": Math.max(0.6, scale) });
  }

  // Twice: the box of the points can be measured only once the projection looks their way.
  async fit(points, aim) {
    this.turn += 1;
    const turn = this.turn;
    this.last = { points, aim };
    const { type, longitude, fill } = aim;
    this.panel.dataset.moving = "true"; // the step in between is nothing to look at
    await this.#relayout({
      "geo.projection.type": type,
      "geo.projection.rotation.lon": longitude,
      "geo.projection.scale": 1,
      "geo.center.lon": longitude,
      "geo.center.lat": 0,
    });
    if (turn !== this.turn) return; // a newer wish overtook this one
    const [width, height] = this.size;
    const projected = points.map(([lat, lon]) => this.point(lat, lon)).filter(Boolean);
    if (!projected.length || !width) {
      delete this.panel.dataset.moving;
      return;
    }
    const xs = projected.map(([x]) => x);
    const ys = projected.map(([, y]) => y);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = Math.min((fill * width) / Math.max(right - left, 1e-6), (fill * height) / Math.max(bottom - top, 1e-6));
    const [lon, lat] = this.place((left + right) / 2, (top + bottom) / 2);
    await this.#relayout({ "geo.projection.scale": Math.min(scale, 60_000), "geo.center.lon": lon, "geo.center.lat": lat });
    if (turn === this.turn) delete this.panel.dataset.moving;
    this.settle();
  }

  async refit() {
    if (this.last) await this.fit(this.last.points, this.last.aim);
  }

  paint(colours) {
    this.colours = colours;
    this.near = null;
    this.settle();
  }

  settle() {
    if (!this.colours || !this.projection) return;
    const near = this.pixelsPerKm > NEAR_PIXELS_PER_KM;
    if (near === this.near) return;
    this.near = near;
    document.documentElement.dataset.near = String(near);
    this.#relayout({
      "geo.bgcolor": near ? this.colours.ground : this.colours.ocean,
      "geo.landcolor": near ? this.colours.ground : this.colours.land,
      "geo.countrycolor": near ? this.colours.ground : this.colours.border,
    });
  }

  #relayout(changes) {
    return this.#inTurn(() => window.Plotly.relayout(this.graph, changes));
  }

  // One at a time: plotly answers later, and two that overlap lose one of them.
  #inTurn(work) {
    const next = this.queue.then(async () => {
      this.ours += 1;
      try {
        await work();
      } finally {
        this.ours -= 1;
      }
    });
    this.queue = next.catch(() => undefined); // whoever asked sees the error; the next one must not
    return next;
  }
}

// The box that holds most people around the place where most are.
function densest(positions) {
  const bins = new Map();
  for (const { place } of positions) {
    const key = `${Math.round(place.lat)},${Math.round(place.lon)}`;
    if (!bins.has(key)) bins.set(key, []);
    bins.get(key).push(place);
  }
  const fullest = [...bins.values()].sort((a, b) => b.length - a.length)[0];
  if (!fullest) return null;
  const lat = middle(fullest.map((place) => place.lat));
  const lon = middle(fullest.map((place) => place.lon));
  const around = positions
    .map(({ place }) => ({ place, away: distance(lat, lon, place.lat, place.lon) }))
    .filter(({ away }) => away < 60_000)
    .sort((a, b) => a.away - b.away);
  const reach = Math.max(4_000, around[Math.floor(around.length * 0.92)]?.away ?? 4_000);
  const north = reach / 111_195;
  const east = north / Math.max(0.05, Math.cos((lat * Math.PI) / 180));
  return { lat, lon, points: [[lat - north, lon], [lat + north, lon], [lat, lon - east], [lat, lon + east]] };
}

export { densest };
