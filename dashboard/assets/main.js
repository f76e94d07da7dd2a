// Puts the parts together once Dash has laid out the frame.

import { Camera } from "./camera.js";
import { ACTIONS } from "./case.js";
import * as address from "./address.js";
import { byId, element, say } from "./dom.js";
import { Evidence } from "./evidence.js";
import { FilterBar } from "./filter_bar.js";
import { answering, get } from "./get.js";
import { listen } from "./keyboard.js";
import { toggleKeys } from "./keys_help.js";
import { Asking } from "./asking.js";
import { AlertList, PaymentList } from "./list.js";
import { Layers } from "./layers.js";
import { Linked } from "./linked.js";
import { LiveMap } from "./map.js";
import { pageKeys } from "./navigation.js";
import { Places } from "./places.js";
import { ReplayBar } from "./replay_bar.js";
import { addSplitters } from "./splitters.js";
import { Status } from "./status.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { MapTable } from "./table.js";
import { View } from "./view.js";

function appears(find) {
  return new Promise((resolve) => {
    const found = find();
    if (found) {
      resolve(found);
      return;
    }
    const observer = new MutationObserver(() => {
      const node = find();
      if (!node) return;
      observer.disconnect();
      resolve(node);
    });
    observer.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  });
}

const CELLS_MS = 60_000;
const OUTLINES_MS = 5_000;

class Desk {
  constructor(store, stream, places) {
    this.store = store;
    this.view = new View(store);
    this.stream = stream;
    this.map = null;
    this.selected = null;
    this.status = new Status(store, stream);
    this.alerts = new AlertList(this.view, places);
    this.payments = new PaymentList(this.view, places);
    this.evidence = new Evidence(places, (id) => this.select(id));
    this.table = new MapTable(this.view, places);
    this.alerts.addEventListener("pick", (event) => this.select(event.detail));
    this.view.addEventListener("change", () => this.#refresh());
    this.evidence.addEventListener("case", ({ detail }) => this.#hearCase(detail));
    this.linked = new Linked({
      has: (id) => this.view.alerts.has(id) || this.related.has(id),
      hear: (evidence) => this.#hearCase({ alert: evidence.alert.id, case: evidence.case, evidence }),
      open: (id) => this.select(id),
      miss: (error) => this.evidence.miss(error),
    });
    this.#ask();
    stream.addEventListener("message", (event) => this.#hear(event.detail));
    window.setInterval(() => this.alerts.tellEmpty(this.status.ageS()), 500);
    this.#wire();
  }

  // The map comes last: plotly is by far the largest script, and the list need not wait for it.
  attach(map) {
    this.map = map;
    map.addEventListener("pick", (event) => this.select(event.detail));
    if (this.view.loaded) this.view.dispatchEvent(new CustomEvent("change", { detail: { kind: "delta", moved: [], revised: [], paid: [], gone: [] } }));
    const chosen = this.#chosen();
    if (chosen) map.select(chosen);
    this.#cells();
    if (this.began.view === "world") this.show("world");
  }

  select(id) {
    const alert = this.view.alerts.get(id) ?? this.related.get(id) ?? null;
    if (id && !alert) return;
    this.linked.drop();
    this.selected = alert?.id ?? null;
    this.alerts.mark(this.selected);
    this.evidence.show(alert);
    this.map?.select(alert);
    if (alert) this.alerts.reveal(alert.id);
    this.#address();
  }

  show(view) {
    this.map?.show(view);
    window.dash_clientside?.set_props?.("view", { value: view });
    this.#address();
  }

  // For tests and for whoever debugs: what the page believes.
  state() {
    const map = this.map;
    return {
      connection: this.status.state,
      seq: this.store.seq,
      lastEventId: this.stream.lastId,
      frames: this.store.frames,
      people: this.store.people.size,
      alerts: this.store.alerts.size,
      payments: this.store.payments.size,
      selected: this.selected,
      view: map?.view ?? null,
      filter: this.view.filter,
      paused: this.view.paused,
      waiting: this.view.waiting.size,
      shown: this.view.alerts.size,
      layers: this.layers.code,
      replaying: this.replay.open,
      replayAt: this.replay.at,
      mapReady: Boolean(map?.camera.projection),
      drawn: map?.drawn ?? 0,
      pixelsPerKm: map?.camera.pixelsPerKm ?? 0,
      arc: map?.selected ? [map.selected.first, map.selected.second].map(({ place }) => map.camera.point(place.lat, place.lon)) : null,
    };
  }

  #hear({ kind, body }) {
    if (kind === "status") this.status.hear(body);
    else this.store.apply(kind, body);
  }

  #refresh() {
    if (this.view.loaded) this.linked.look();
    if (!this.selected) return;
    const alert = this.view.alerts.get(this.selected) ?? this.related.get(this.selected);
    if (alert) this.evidence.show(alert);
    else this.select(null);
  }

  // Filter, older alerts, pause and replay: what is asked of the store beside the stream.
  #ask() {
    this.related = new Map();
    this.began = address.read();
    this.asking = new Asking(this.view);
    this.replay = new ReplayBar(this.view, () => byId("replay-toggle").setAttribute("aria-pressed", String(this.replay?.open ?? false)));
    this.layers = new Layers(this.began.layers);
    this.layers.addEventListener("change", () => {
      this.#address();
      this.#cells();
    });
    window.setInterval(() => answering() && this.#cells(), CELLS_MS);
    this.filters = new FilterBar({ area: () => this.map?.camera.box() ?? null, person: () => this.#chosen()?.subject ?? null });
    this.filters.addEventListener("filter", ({ detail }) => this.#limit(detail));
    this.asking.addEventListener("rules", ({ detail }) => this.filters.hearRules(detail));
    this.asking.addEventListener("state", () => this.#older());
    this.alerts.addEventListener("clear", () => this.filters.clear());
    this.view.addEventListener("waiting", () => this.#tellPause());
    this.filters.show(this.began.filter);
    if (Object.keys(this.began.filter).length) this.view.limit(this.began.filter);
    // The beginning of "the last hour" is known once the newest event is.
    this.store.addEventListener("change", () => this.asking.begin(), { once: true });
    window.addEventListener("popstate", () => this.#return());
    byId("pause").addEventListener("click", () => this.#pause());
    byId("replay-toggle").addEventListener("click", () => this.replay.toggle());
  }

  #chosen() {
    return this.view.alerts.get(this.selected) ?? this.related.get(this.selected) ?? null;
  }

  #limit(filter) {
    this.view.limit(filter);
    this.asking.begin();
    this.#address();
  }

  #return() {
    const { filter } = address.read();
    if (JSON.stringify(filter) === JSON.stringify(this.view.filter)) return;
    this.filters.show(filter);
    this.view.limit(filter);
    this.asking.begin();
  }

  #address() {
    address.tell({ filter: this.view.filter, alert: this.selected ?? this.linked.id, view: this.map?.view ?? this.began.view, layers: this.layers.code });
  }

  // Alerts of the same person that the list does not hold can be opened, too.
  #hearCase({ alert, case: found, evidence }) {
    if (found) this.view.takeCases([[alert, found]]);
    for (const one of evidence?.related ?? []) this.related.set(one.id, one);
    if (evidence) {
      this.related.set(alert, evidence.alert);
      this.map?.tell(alert, evidence.moments);
    }
    if (this.related.size > 2_000) this.related = new Map([...this.related].slice(-1_000));
  }

  // Released cells are asked for only while they are looked at.
  async #cells() {
    if (!this.layers.cells) return;
    const { body, error } = await get("/cells");
    if (!body) return this.layers.say(`Released cells cannot be read. ${error}`);
    this.map?.hearReleased(body.cells);
    this.layers.say(body.cells.length ? `${body.cells.length} cells with payments of classes of at least ${Math.min(...body.cells.map(({ k }) => k))} people, counted anew every minute.` : "Nothing was released with a place yet: windows are released once they are closed.");
  }

  #pause() {
    if (this.view.paused) this.view.resume();
    else this.view.pause();
  }

  #tellPause() {
    const button = byId("pause");
    const { paused, waiting } = this.view;
    button.setAttribute("aria-pressed", String(paused));
    say(button, paused ? `Paused, ${waiting.size} new` : "Pause");
    button.title = paused ? "Show what arrived (space)" : "Pause what arrives (space)";
  }

  #older() {
    const { next, busy, error } = this.asking;
    const node = byId("older");
    if (error) node.replaceChildren(element("span", { role: "status" }, error));
    else if (busy) node.replaceChildren(element("span", { class: "quiet", role: "status" }, "Asking the store …"));
    else if (next === null) node.replaceChildren(this.view.filtered ? element("span", { class: "quiet" }, "These are all.") : "");
    else node.replaceChildren();
    if (busy || (next === null && !error)) return;
    const more = element("button", { type: "button", class: "plain" }, error ? "Try again" : "Older alerts");
    more.addEventListener("click", () => (error ? this.asking.begin() : this.asking.more()));
    node.append(more);
  }

  #wire() {
    byId("theme").addEventListener("click", () => window.dispatchEvent(new Event("veilocity-theme-toggle")));
    byId("table-toggle").addEventListener("click", () => this.table.toggle());
    byId("zoom-in").addEventListener("click", () => this.map?.camera.zoom(1.6));
    byId("zoom-out").addEventListener("click", () => this.map?.camera.zoom(1 / 1.6));
    byId("view").addEventListener("change", (event) => {
      this.map?.show(event.target.value);
      this.#address();
    });
    const step = (by) => () => this.select(this.alerts.neighbour(by));
    listen({
      j: step(1),
      k: step(-1),
      first: () => this.select(this.alerts.order[0]),
      Enter: () => (this.selected ? byId("evidence").focus() : this.select(this.alerts.neighbour(0))),
      Escape: () => {
        if (byId("evidence").contains(document.activeElement)) byId("alerts").focus();
        this.select(null);
        this.show(this.map?.view ?? "city");
      },
      "/": () => this.filters.open(),
      " ": () => (this.replay.open ? this.replay.press() : this.#pause()),
      r: () => this.replay.toggle(),
      "[": () => this.replay.jump(-1),
      "]": () => this.replay.jump(1),
      "?": () => toggleKeys(),
      1: () => this.show("world"),
      2: () => this.show("city"),
      m: () => this.table.toggle(),
      ...Object.fromEntries(ACTIONS.map(({ key, to }) => [key, () => this.evidence.triage.begin(to)])),
      ...pageKeys(),
      t: () => window.dispatchEvent(new Event("veilocity-theme-toggle")),
      "+": () => this.map?.camera.zoom(1.6),
      "-": () => this.map?.camera.zoom(1 / 1.6),
    });
  }
}

function followTheme() {
  const tell = () => window.dash_clientside?.set_props?.("mantine", { forceColorScheme: document.documentElement.dataset.theme });
  window.addEventListener("veilocity-theme", tell);
  tell();
}

// Names of places are a help and no need: without them places are told in degrees.
function named(places) {
  return places.load(new URL("geo/places.json", import.meta.url)).catch(() => void window.setTimeout(() => named(places), OUTLINES_MS));
}

// Plotly fetches the geography first, and does not ask again by itself where the server was away.
async function outlines(graph, camera) {
  let askAt = performance.now() + OUTLINES_MS;
  while (!camera.projection) {
    await new Promise(requestAnimationFrame);
    if (performance.now() < askAt || !answering()) continue;
    askAt = performance.now() + OUTLINES_MS;
    window.Plotly.redraw(graph).catch(() => undefined); // asked again, see above
  }
}

async function begin() {
  const places = new Places();
  await Promise.all([named(places), appears(() => byId("desk"))]);
  followTheme();
  addSplitters();
  const store = new Store();
  const stream = new Stream("events");
  const desk = new Desk(store, stream, places);
  window.veilocity = { state: () => desk.state(), select: (id) => desk.select(id), show: (view) => desk.show(view) };
  stream.connect();
  const graph = await appears(() => document.querySelector("#geography .js-plotly-plot .geo")?.closest(".js-plotly-plot"));
  const camera = new Camera(graph, byId("map-panel"));
  await outlines(graph, camera);
  await camera.oversize();
  desk.attach(new LiveMap(camera, desk.view, places, desk.layers));
}

begin();
