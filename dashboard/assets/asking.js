// What the list asks the store beside the stream: alerts of the filter, older ones, and what became of their cases.

import { forAlerts, isEmpty, settled, write } from "./filter.js";
import { answering, get } from "./get.js";

const PAGE = 100;
const PAGES = 5;
const CASES = 200;
const CASES_MS = 10_000;

export class Asking extends EventTarget {
  constructor(view) {
    super();
    this.view = view;
    this.next = null;
    this.error = "";
    this.busy = false;
    this.turn = 0;
    window.setInterval(() => answering() && this.cases(), CASES_MS);
  }

  // Another filter: its first page, and how many alerts each rule has.
  async begin() {
    this.turn += 1;
    this.next = null;
    this.error = "";
    this.busy = false;
    const filter = this.#filter();
    // Without a filter the stream has the newest; older ones are asked for when somebody wants them.
    if (isEmpty(this.view.filter)) {
      this.next = "";
      this.#tell();
    } else await this.more("");
    const facets = await get(`/facets?${write({ ...filter, rule: null })}`);
    // While they cannot be counted, those that are shown can at least be chosen.
    const rules = facets.body?.rules ?? tally([...this.view.store.alerts.values()].map(({ rule }) => rule));
    this.dispatchEvent(new CustomEvent("rules", { detail: rules }));
    this.cases();
  }

  // The page after the last one; cursor "" is the first.
  async more(cursor = this.next) {
    if (this.busy || cursor === null) return;
    const turn = this.turn;
    this.busy = true;
    this.#tell();
    const before = this.view.alerts.size;
    // The first pages may hold what the stream brought already.
    for (let page = 0; page < PAGES && cursor !== null && this.view.alerts.size === before; page += 1) {
      const answer = await get(`/alerts?${question({ ...this.#filter(), limit: PAGE, cursor })}`);
      if (turn !== this.turn) return;
      this.error = answer.body ? "" : answer.error;
      if (!answer.body) break;
      this.next = cursor = answer.body.next;
      this.view.takeRows(answer.body.items);
    }
    this.busy = false;
    this.#tell();
  }

  // What others did to the newest alerts: the stream does not tell it.
  async cases() {
    const { body } = await get(`/alerts?limit=${CASES}`);
    if (body) this.view.takeCases(body.items.map((row) => [row.alert.id, row.case]));
  }

  #filter() {
    return forAlerts(settled(this.view.filter, this.view.store.progress?.event_ms));
  }

  #tell() {
    this.dispatchEvent(new Event("state"));
  }
}

function tally(names) {
  const found = {};
  for (const name of names) found[name] = (found[name] ?? 0) + 1;
  return found;
}

function question({ limit, cursor, ...filter }) {
  const text = new URLSearchParams(write(filter));
  text.set("limit", limit);
  if (cursor) text.set("cursor", cursor);
  return text.toString();
}
