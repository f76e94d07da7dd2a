// What is looked at: the live picture through the filter, or the picture as it was when somebody paused, or a moment that is played again.

import { statusOf } from "./case.js";
import { holdsAlert, holdsPayment, holdsPerson, isEmpty, settled } from "./filter.js";
import { Shown } from "./shown.js";

const CASES = 5_000;

export class View extends Shown {
  constructor(store) {
    super();
    this.store = store;
    this.filter = {};
    this.older = new Map(); // alerts that the store was asked for
    this.cases = new Map();
    this.held = null; // the picture when somebody paused
    this.replayed = null; // { people, alerts, payments } of a moment
    this.waiting = new Set();
    this.#compute();
    store.addEventListener("change", (event) => this.#hear(event.detail));
  }

  get loaded() {
    return this.store.loaded;
  }

  get cells() {
    return this.store.cells;
  }

  get frames() {
    return this.store.frames;
  }

  get paused() {
    return this.held !== null;
  }

  get filtered() {
    return !isEmpty(this.filter);
  }

  limit(filter) {
    this.filter = filter;
    this.older.clear();
    this.#begin();
  }

  // Alerts with their cases, as the server pages them.
  takeRows(rows) {
    for (const { alert, case: found } of rows) {
      const known = this.older.get(alert.id);
      if (!known || known.revision <= alert.revision) this.older.set(alert.id, alert);
      this.#takeCase(alert.id, found);
    }
    this.#continue({ kind: "delta", revised: [], paid: [], moved: [] });
  }

  // A status that changed may move an alert out of the filter.
  takeCases(pairs) {
    const changed = pairs.filter(([id, found]) => this.#takeCase(id, found));
    if (changed.length) this.#continue({ kind: "delta", revised: [], paid: [], moved: [] });
  }

  #takeCase(id, found) {
    const known = this.cases.get(id);
    if (!found || (known && known.revision >= found.revision)) return false;
    this.cases.set(id, found);
    if (this.cases.size > CASES) this.cases.delete(this.cases.keys().next().value);
    return true;
  }

  pause() {
    const { people, alerts, payments } = this.store;
    this.held = { people: new Map(people), alerts: new Map(alerts), payments: new Map(payments) };
    this.dispatchEvent(new Event("waiting"));
  }

  resume() {
    this.held = null;
    this.waiting.clear();
    this.dispatchEvent(new Event("waiting"));
    this.#begin();
  }

  // A moment of a replay, and the payments that just happened in it; null goes back to what was looked at before.
  play(moment, paid = []) {
    const begins = !this.replayed || !moment;
    this.replayed = moment;
    if (begins) this.#begin();
    else this.#continue({ kind: "delta", revised: [], paid, moved: paid.map(({ subject }) => moment.people.get(subject)).filter(Boolean) });
  }

  #hear(detail) {
    if (this.held) {
      for (const { id } of detail.revised) if (!this.held.alerts.has(id)) this.waiting.add(id);
      this.dispatchEvent(new Event("waiting"));
      return;
    }
    if (this.replayed) return;
    if (detail.kind === "snapshot") this.#begin();
    else this.#continue(detail);
  }

  #begin() {
    this.#compute();
    this.#tell({ kind: "snapshot", moved: [], revised: [...this.alerts.values()], paid: [...this.payments.values()], gone: [] });
  }

  #continue({ kind, moved, revised, paid }) {
    const before = [...this.alerts.keys()];
    this.#compute();
    this.#tell({
      kind,
      moved: moved.filter(({ id }) => this.people.has(id)),
      revised: revised.filter(({ id }) => this.alerts.has(id)),
      paid: paid.filter(({ id }) => this.payments.has(id)),
      gone: before.filter((id) => !this.alerts.has(id)),
    });
  }

  #tell(detail) {
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }

  #compute() {
    const from = this.replayed ?? this.held ?? this.store;
    const filter = settled(this.filter, this.store.progress?.event_ms);
    const all = isEmpty(filter);
    const alerts = new Map(from.alerts);
    // Those that were asked for are older than a replay knows of, and newer than its moment.
    if (!this.replayed) {
      for (const [id, alert] of this.older) if ((alerts.get(id)?.revision ?? 0) < alert.revision) alerts.set(id, alert);
    }
    const asked = filter.amount || filter.currency;
    const wanted = ([id, alert]) => holdsAlert(filter, alert, statusOf(this.cases.get(id))) && (!asked || this.older.has(id));
    this.alerts = all ? alerts : new Map([...alerts].filter(wanted));
    this.people = all ? from.people : new Map([...from.people].filter(([, one]) => holdsPerson(filter, one)));
    this.payments = all ? from.payments : new Map([...from.payments].filter(([, one]) => holdsPayment(filter, one)));
  }
}
