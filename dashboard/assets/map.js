// The map: keeps the canvas in step with plotly's projection and with the picture, and draws only when something moved.

import { densest } from "./camera.js";
import { byId, element, glyph, say } from "./dom.js";
import { duration, headline, located, short, speed, distance as tellDistance } from "./format.js";
import { greatCircle, spread } from "./geo.js";
import { clustered, discRadius, drawClusters, drawHeat, drawReleased, drawTrail } from "./layer_painter.js";
import * as painter from "./painter.js";
import { localClock } from "./times.js";
import { Tiles } from "./tiles.js";

const GLIDE_MS = 200;
const PAYMENT_MS = 6_000;
const FRAME_MS = 32;
const ARCS = 30;
const INSIDE_CELL_M = 900;
const RESERVED = [[0, 0, 240, 52], [-1, -1, -1, -1]];

export class LiveMap extends EventTarget {
  constructor(camera, store, places, layers) {
    super();
    this.layers = layers;
    this.released = [];
    this.tiles = new Tiles(document.body.dataset.tiles, () => {
      this.dirty = true;
    });
    this.moments = null; // { alert, moments } of the chosen person
    layers.addEventListener("change", () => {
      this.dirty = true;
    });
    this.store = store;
    this.places = places;
    this.canvas = byId("overlay");
    this.context = this.canvas.getContext("2d");
    this.camera = camera;
    this.view = "city";
    this.fitted = false;
    this.selected = null;
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.screen = []; // people: {id, lat, lon, fromLat, fromLon, since, x, y}
    this.index = new Map();
    this.payments = [];
    this.labels = [];
    this.counts = new Map();
    this.severity = new Map();
    this.signature = "";
    this.dirty = true;
    this.drawn = 0;
    this.lastFrame = 0;
    store.addEventListener("change", (event) => this.#take(event.detail));
    window.addEventListener("veilocity-theme", () => this.paint());
    this.#listen();
    this.paint();
    camera.world();
    new ResizeObserver(() => this.#resized()).observe(byId("map-panel"));
    requestAnimationFrame((now) => this.#frame(now));
  }

  paint() {
    this.colours = painter.readColours();
    this.camera.paint(this.colours);
    this.#legend();
    this.dirty = true;
  }

  show(view) {
    this.view = view;
    this.fitted = true;
    if (view === "world") this.camera.world();
    else if (!this.camera.city([...this.store.people.values()])) this.fitted = false;
  }

  // What the evidence knows of the chosen person.
  tell(alert, moments) {
    this.moments = { alert, moments };
    this.dirty = true;
  }

  hearReleased(cells) {
    this.released = cells;
    this.dirty = true;
  }

  // An alert without places is not drawn: the map stays as it is.
  select(alert) {
    this.selected = located(alert) ? alert : null;
    this.relabel = true;
    this.dirty = true;
    if (this.selected) this.camera.arc(alert);
    this.#chip();
  }

  // The evidence opened, or the window changed: what was in view stays in view, unless somebody moved the map by hand.
  async #resized() {
    this.camera.measure();
    if (this.sized === this.camera.size.join()) return;
    this.sized = this.camera.size.join();
    await this.camera.oversize();
    await this.camera.refit();
    this.dirty = true;
  }

  #take({ kind, moved, paid }) {
    if (kind === "snapshot") this.#rebuild();
    else for (const position of moved) this.#place(position, true);
    if (this.screen.length !== this.store.people.size) this.#rebuild();
    const now = performance.now();
    // A snapshot is not news: only payments that arrive while one watches open a ring.
    for (const payment of kind === "delta" ? paid : []) {
      if (payment.place) this.payments.push({ ...payment.place, flagged: payment.verdict === "flagged", since: now });
    }
    this.payments = this.payments.slice(-80);
    this.severity = this.store.severityBySubject();
    this.alerts = this.store.alertsNewestFirst().filter(located);
    this.counts = new Map();
    for (const { place } of this.store.people.values()) this.counts.set(place.cell, (this.counts.get(place.cell) ?? 0) + 1);
    // One that the list does not hold stays until another is chosen.
    const selected = this.selected && (this.store.alerts.get(this.selected.id) ?? this.selected);
    this.selected = located(selected) ? selected : null;
    if (this.view === "city" && !this.fitted && this.store.people.size) this.show("city");
    this.relabel = true;
    this.dirty = true;
  }

  #rebuild() {
    this.screen = [];
    this.index.clear();
    for (const position of this.store.people.values()) this.#place(position, false);
  }

  #place({ id, place }, glide) {
    const [lat, lon] = spread(id, place.lat, place.lon, INSIDE_CELL_M);
    const known = this.index.get(id);
    if (known === undefined) {
      this.index.set(id, this.screen.length);
      this.screen.push({ id, lat, lon, fromLat: lat, fromLon: lon, since: 0, x: 0, y: 0, severity: null });
      return;
    }
    const person = this.screen[known];
    person.fromLat = glide ? person.lat : lat;
    person.fromLon = glide ? person.lon : lon;
    person.lat = lat;
    person.lon = lon;
    person.since = glide && !this.still.matches ? performance.now() : 0;
  }

  #frame(now) {
    requestAnimationFrame((next) => this.#frame(next));
    if (!this.camera.projection || now - this.lastFrame < FRAME_MS) return;
    this.camera.measure();
    const signature = this.camera.signature;
    const moved = signature !== this.signature;
    this.payments = this.payments.filter(({ since }) => now - since < PAYMENT_MS);
    const moving = this.payments.length > 0 || this.screen.some(({ since }) => now - since < GLIDE_MS + FRAME_MS * 2);
    if (!moved && !moving && !this.dirty) return;
    this.lastFrame = now;
    this.signature = signature;
    if (moved) this.#resize();
    this.#draw(now, moved);
    this.dirty = false;
  }

  #resize() {
    const [width, height] = this.camera.size;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  #draw(now, moved) {
    const { context, camera, colours } = this;
    const [width, height] = camera.size;
    context.clearRect(0, 0, width, height);
    this.#project(now);
    const alerts = this.alerts ?? [];
    const here = this.screen.filter(({ on }) => on);
    const { alone, discs } = clustered(here);
    const ends = this.#ends();
    if (moved || this.relabel) this.#layLabels(alerts, this.layers.has("people") ? discs : [], ends);
    this.tiles.draw(context, camera, camera.mercator);
    if (this.layers.cells) drawReleased(context, camera, this.released, this.layers.cells, colours);
    else if (this.layers.has("people")) painter.drawCells(context, camera, this.store.cells, this.counts, colours);
    if (this.layers.has("heat")) drawHeat(context, here, colours);
    painter.drawRings(context, camera, this.view === "city" ? this.#centre() : null, colours);
    if (this.layers.has("people")) {
      painter.drawPeople(context, camera, alone, colours);
      drawClusters(context, discs, colours, ends);
    }
    painter.drawLabels(context, this.labels, colours);
    if (this.layers.has("payments")) painter.drawPayments(context, camera, this.payments, now, colours, this.still.matches);
    const others = alerts.filter(({ id }) => id !== this.selected?.id);
    if (this.layers.has("arcs")) {
      painter.drawArcs(context, camera, others.slice(0, ARCS), colours);
      painter.drawAlerts(context, camera, others.slice(0, 200), colours);
    }
    if (this.selected && this.layers.has("trail") && this.moments?.alert === this.selected.id) drawTrail(context, camera, this.moments.moments, colours);
    if (this.selected) painter.drawSelected(context, camera, this.selected, colours);
    this.#scaleBar();
    this.#chip();
    this.drawn += 1;
  }

  #project(now) {
    const [width, height] = this.camera.size;
    for (const person of this.screen) {
      const share = Math.min(1, Math.max(0, now - person.since) / GLIDE_MS);
      const eased = 1 - (1 - share) ** 3;
      const lat = person.fromLat + (person.lat - person.fromLat) * eased;
      const lon = person.fromLon + (person.lon - person.fromLon) * eased;
      const xy = this.camera.point(lat, lon);
      person.on = xy && xy[0] > -8 && xy[1] > -8 && xy[0] < width + 8 && xy[1] < height + 8;
      if (person.on) [person.x, person.y] = xy;
      person.severity = this.severity.get(person.id) ?? null;
    }
  }

  #centre() {
    if (!this.centreOf || this.centreSeq !== this.store.frames >> 5) {
      this.centreOf = densest([...this.store.people.values()]);
      this.centreSeq = this.store.frames >> 5;
    }
    return this.centreOf;
  }

  // Where the chosen alert begins and ends on the screen.
  #ends() {
    if (!this.selected) return [];
    return [this.selected.first, this.selected.second].map(({ place }) => this.camera.point(place.lat, place.lon)).filter(Boolean);
  }

  #layLabels(alerts, discs, chosen) {
    this.relabel = false;
    const ends = alerts.slice(0, ARCS).flatMap(({ first, second }) => [first.place, second.place]);
    const named = new Set();
    for (const place of ends) {
      const near = this.places.nearest(place.lat, place.lon);
      if (near) named.add(near);
    }
    for (const cell of [...this.store.people.values()].filter((_, index) => index % 7 === 0)) {
      const near = this.places.nearest(cell.place.lat, cell.place.lon);
      if (near) named.add(near);
    }
    const strong = [...named].sort((a, b) => b.thousands - a.thousands).map((place) => ({ ...place, strong: true }));
    const wide = this.camera.pixelsPerKm < 0.5;
    const rest = this.places.all.slice(0, wide ? 40 : 3_000).filter((place) => !named.has(place));
    const glyphs = ends
      .map((place) => this.camera.point(place.lat, place.lon))
      .filter(Boolean)
      .map(([x, y]) => [x - 7, y - 7, x + 7, y + 7]);
    const limit = wide ? 44 : 34;
    const around = ([x, y], reach) => [x - reach, y - reach, x + reach, y + reach];
    const taken = [...glyphs, ...discs.map((disc) => around(disc.at, discRadius(disc))), ...chosen.map((end) => around(end, 15))];
    this.labels = painter.placeLabels(this.context, this.camera, [...strong, ...rest], [...RESERVED, ...taken], limit);
  }

  #chip() {
    const chip = byId("chip");
    const alert = this.selected;
    chip.hidden = !alert || !this.camera.projection;
    if (chip.hidden) return;
    const { first, second } = alert;
    const points = greatCircle(first.place.lat, first.place.lon, second.place.lat, second.place.lon, 2);
    const xy = this.camera.point(...points[Math.floor(points.length / 2)]);
    say(chip, this.#measure(alert));
    const [width, height] = this.camera.size;
    const half = chip.offsetWidth / 2;
    const x = Math.min(width - half - 8, Math.max(half + 8, xy[0]));
    const y = Math.min(height - 44, Math.max(64, xy[1] - 16));
    chip.style.transform = `translate(${Math.round(x - half)}px, ${Math.round(y - chip.offsetHeight)}px)`;
  }

  #measure({ distance_m, speed_kmh, elapsed_s }) {
    const far = tellDistance(distance_m[1]);
    if (speed_kmh) return `${far} in ${duration(elapsed_s)}, at least ${speed(speed_kmh[0])}`;
    return elapsed_s ? `${far} apart within ${duration(elapsed_s)}` : `Simultaneous, ${far} apart`;
  }

  #scaleBar() {
    const [width, height] = this.camera.size;
    const middle = this.camera.place(width / 2, height / 2);
    const aside = this.camera.place(width / 2 + 80, height / 2);
    const cosine = Math.cos((middle?.[1] ?? 0) * (Math.PI / 180));
    const km = Math.abs((aside?.[0] ?? 0) - (middle?.[0] ?? 0)) * 111.2 * cosine;
    if (!(km > 0)) return;
    const round = [1, 2, 5].flatMap((d) => [0.1, 1, 10, 100, 1_000].map((e) => d * e)).sort((a, b) => a - b).filter((s) => s <= km).at(-1) ?? 0.1;
    byId("scale-bar").style.width = `${(80 * round) / km}px`;
    say(byId("scale-text"), `${round.toLocaleString("en-GB")} km`);
  }

  #legend() {
    const legend = byId("legend");
    const entry = (...children) => element("span", {}, ...children);
    legend.replaceChildren(
      entry(glyph("high"), "High"),
      entry(glyph("medium"), "Medium"),
      entry(glyph("low"), "Low"),
      entry(element("i", { class: "dot" }), "Person"),
      entry(element("i", { class: "square" }), "Payment"),
    );
  }

  // What lies under the pointer: an alert before a person.
  under(x, y) {
    let best = null;
    let reach = 13;
    for (const alert of this.alerts ?? []) {
      for (const { place } of [alert.second, alert.first]) {
        const xy = this.camera.point(place.lat, place.lon);
        const away = xy ? Math.hypot(xy[0] - x, xy[1] - y) : Infinity;
        if (away < reach) [best, reach] = [{ alert }, away];
      }
    }
    if (best) return best;
    reach = 8;
    for (const person of this.screen) {
      const away = person.on ? Math.hypot(person.x - x, person.y - y) : Infinity;
      if (away < reach) [best, reach] = [{ person: this.store.people.get(person.id), severity: person.severity }, away];
    }
    return best;
  }

  #listen() {
    const panel = byId("map-panel");
    let pressed = null;
    const local = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    // Capture: plotly's own handlers must not hide the press from us.
    panel.addEventListener("pointerdown", (event) => { pressed = local(event); }, true);
    panel.addEventListener("pointerup", (event) => {
      const [x, y] = local(event);
      const still = pressed && Math.hypot(pressed[0] - x, pressed[1] - y) < 4;
      const alert = still && event.target.closest(".js-plotly-plot") ? this.under(x, y)?.alert : null;
      if (alert) this.dispatchEvent(new CustomEvent("pick", { detail: alert.id }));
    }, true);
    panel.addEventListener("pointermove", (event) => this.#tip(event.target.closest(".js-plotly-plot") && !event.buttons ? local(event) : null));
    panel.addEventListener("pointerleave", () => this.#tip(null));
  }

  #tip(at) {
    const tip = byId("tip");
    const found = at && this.camera.projection ? this.under(...at) : null;
    tip.hidden = !found;
    if (!found) return;
    const text = found.alert
      ? `${found.alert.severity.toUpperCase()} ${headline(found.alert.sentence)}`
      : `Person ${short(found.person.id)}, ${found.severity ? `${found.severity} alert` : "clear"}, last seen ${localClock(found.person.minute_ms)} in this cell`;
    say(tip, text);
    const [width] = this.camera.size;
    tip.style.transform = `translate(${Math.min(at[0] + 14, width - tip.offsetWidth - 8)}px, ${at[1] + 14}px)`;
  }
}
