// Puts the parts together once Dash has laid out the frame.

import { Camera } from "./camera.js";
import { ACTIONS } from "./case.js";
import { byId } from "./dom.js";
import { Evidence } from "./evidence.js";
import { listen } from "./keyboard.js";
import { AlertList, PaymentList } from "./list.js";
import { LiveMap } from "./map.js";
import { pageKeys } from "./navigation.js";
import { Places } from "./places.js";
import { Status } from "./status.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { MapTable } from "./table.js";

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

// A notification leads to `#alert=ID`.
function linkedAlert() {
  return new URLSearchParams(window.location.hash.slice(1)).get("alert");
}

class Desk {
  constructor(store, stream, places) {
    this.store = store;
    this.stream = stream;
    this.map = null;
    this.selected = null;
    this.status = new Status(store, stream);
    this.alerts = new AlertList(store, places);
    this.payments = new PaymentList(store, places);
    this.evidence = new Evidence(places, (id) => this.select(id));
    this.table = new MapTable(store, places);
    this.alerts.addEventListener("pick", (event) => this.select(event.detail));
    store.addEventListener("change", () => this.#refresh());
    window.addEventListener("hashchange", () => this.#openLinked());
    this.linked = linkedAlert();
    stream.addEventListener("message", (event) => this.#hear(event.detail));
    window.setInterval(() => this.alerts.tellEmpty(this.status.ageS()), 500);
    this.#wire();
  }

  // The map comes last: plotly is by far the largest script, and the list need not wait for it.
  attach(map) {
    this.map = map;
    map.addEventListener("pick", (event) => this.select(event.detail));
    if (this.store.loaded) this.store.dispatchEvent(new CustomEvent("change", { detail: { kind: "delta", moved: [], revised: [], paid: [], gone: [] } }));
  }

  select(id) {
    const alert = this.store.alerts.get(id) ?? null;
    this.selected = alert?.id ?? null;
    this.alerts.mark(this.selected);
    this.evidence.show(alert);
    this.map?.select(alert);
    if (alert) this.alerts.reveal(alert.id);
  }

  show(view) {
    this.map?.show(view);
    window.dash_clientside?.set_props?.("view", { value: view });
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

  // Once: whoever chooses another alert afterwards is left alone.
  #openLinked(id = linkedAlert()) {
    this.linked = this.store.alerts.has(id) ? null : id;
    if (id && !this.linked) this.select(id);
  }

  #refresh() {
    if (this.linked) this.#openLinked(this.linked);
    if (!this.selected) return;
    const alert = this.store.alerts.get(this.selected);
    if (alert) this.evidence.show(alert);
    else this.select(null);
  }

  #wire() {
    byId("theme").addEventListener("click", () => window.dispatchEvent(new Event("veilocity-theme-toggle")));
    byId("table-toggle").addEventListener("click", () => this.table.toggle());
    byId("zoom-in").addEventListener("click", () => this.map?.camera.zoom(1.6));
    byId("zoom-out").addEventListener("click", () => this.map?.camera.zoom(1 / 1.6));
    byId("view").addEventListener("change", (event) => this.map?.show(event.target.value));
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

async function begin() {
  const places = new Places();
  await Promise.all([places.load(new URL("geo/places.json", import.meta.url)), appears(() => byId("desk"))]);
  followTheme();
  const store = new Store();
  const stream = new Stream("events");
  const desk = new Desk(store, stream, places);
  window.veilocity = { state: () => desk.state(), select: (id) => desk.select(id), show: (view) => desk.show(view) };
  stream.connect();
  const graph = await appears(() => document.querySelector("#geography .js-plotly-plot .geo")?.closest(".js-plotly-plot"));
  const camera = new Camera(graph, byId("map-panel"));
  while (!camera.projection) await new Promise(requestAnimationFrame); // plotly fetches the geography first
  await camera.oversize();
  desk.attach(new LiveMap(camera, store, places));
}

begin();
