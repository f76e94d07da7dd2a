// The picture in the browser: what a snapshot showed, kept the same by the changes that followed.

import { Shown } from "./shown.js";

const CELLS = 10_000; // people are at most half as many

export class Store extends Shown {
  constructor() {
    super();
    this.clear();
  }

  clear() {
    this.people = new Map();
    this.alerts = new Map();
    this.payments = new Map();
    this.cells = new Map();
    this.progress = null;
    this.loaded = false;
    this.frames = 0;
  }

  get seq() {
    return this.progress?.seq ?? -1;
  }

  // kind: "snapshot" begins anew, "delta" continues. Newer versions win, so a repeated frame changes nothing.
  apply(kind, content) {
    if (kind === "snapshot") {
      const frames = this.frames;
      this.clear();
      this.frames = frames;
      this.loaded = true;
    }
    this.frames += 1;
    this.progress = content.progress;
    for (const [cell, outline] of Object.entries(content.cells)) this.cells.set(cell, outline);
    const moved = content.positions.filter((position) => this.#takePosition(position));
    const revised = content.alerts.filter((alert) => this.#takeAlert(alert));
    const paid = content.transactions.filter((payment) => this.#takePayment(payment));
    for (const id of content.gone_positions) this.people.delete(id);
    for (const id of content.gone_alerts) this.alerts.delete(id);
    for (const id of content.gone_transactions) this.payments.delete(id);
    if (this.cells.size > CELLS) this.#forgetCells();
    this.dispatchEvent(new CustomEvent("change", { detail: { kind, moved, revised, paid, gone: content.gone_alerts } }));
  }

  // Outlines of cells where nobody is any more; a delta names those that it needs.
  #forgetCells() {
    const named = new Set([...this.people.values()].map(({ place }) => place.cell));
    for (const cell of this.cells.keys()) if (!named.has(cell)) this.cells.delete(cell);
  }

  #takePosition(position) {
    const known = this.people.get(position.id);
    if (known && (known.minute_ms > position.minute_ms || (known.minute_ms === position.minute_ms && known.seq >= position.seq))) return false;
    this.people.set(position.id, position);
    return true;
  }

  #takeAlert(alert) {
    const known = this.alerts.get(alert.id);
    if (known && known.revision >= alert.revision) return false;
    this.alerts.set(alert.id, alert);
    return true;
  }

  #takePayment(payment) {
    const known = this.payments.get(payment.id);
    if (known && known.revision >= payment.revision) return false;
    this.payments.set(payment.id, payment);
    return true;
  }
}
