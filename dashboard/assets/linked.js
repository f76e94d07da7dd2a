// A link leads to an alert: one that the page has, one that only the store has by now, or one that is still to come.

import { get } from "./get.js";

const AGAIN_MS = 10_000;

// A notification leads to `#alert=ID`.
export function linkedAlert() {
  return new URLSearchParams(window.location.hash.slice(1)).get("alert");
}

export class Linked {
  // has(id): whether the page has the alert; hear(evidence): what the store says of it; open(id); miss(sentence): it cannot be shown.
  constructor({ has, hear, open, miss }) {
    Object.assign(this, { has, hear, open, miss });
    this.id = linkedAlert();
    this.askAt = 0;
    window.addEventListener("hashchange", () => this.#follow());
  }

  // Whoever chooses another alert is left alone from then on.
  drop() {
    this.id = null;
  }

  // Called whenever the picture changed: what was missing may have come.
  look() {
    if (!this.id) return;
    if (!this.has(this.id)) return this.#ask(this.id);
    const id = this.id;
    this.id = null;
    this.open(id);
  }

  #follow() {
    this.id = linkedAlert();
    this.askAt = 0;
    this.look();
  }

  async #ask(id) {
    const now = performance.now();
    if (now < this.askAt) return;
    this.askAt = now + AGAIN_MS;
    const { body, status, error } = await get(`/evidence?alert=${encodeURIComponent(id)}`);
    if (this.id !== id) return;
    // What the store does not have yet comes by the stream: it is not asked again.
    if (status >= 400 && status < 500) this.askAt = Infinity;
    if (!body) return this.miss(error);
    this.hear(body);
    this.look();
  }
}
