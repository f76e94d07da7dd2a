// The map as text: the same picture for those who cannot see it, or would rather read.

import { byId, element } from "./dom.js";
import { count, headline, where, why } from "./format.js";
import { localClock, when } from "./times.js";

export class MapTable {
  constructor(store, places) {
    this.store = store;
    this.places = places;
    this.node = byId("map-table");
    this.button = byId("table-toggle");
    this.dueAt = 0;
    store.addEventListener("change", () => this.#refresh());
  }

  get shown() {
    return !this.node.hidden;
  }

  toggle() {
    this.node.hidden = this.shown;
    this.button.setAttribute("aria-pressed", String(this.shown));
    this.dueAt = 0;
    this.#refresh();
    if (this.shown) this.node.focus();
  }

  // Rewritten at most once in two seconds: a table that changes four times a second cannot be read.
  #refresh() {
    if (!this.shown || performance.now() < this.dueAt) return;
    this.dueAt = performance.now() + 2_000;
    this.node.replaceChildren(this.#people(), this.#alerts());
  }

  #people() {
    const rows = new Map();
    const severity = this.store.severityBySubject();
    for (const { id, place, minute_ms } of this.store.people.values()) {
      const name = this.places.name(place);
      const row = rows.get(name) ?? { people: 0, high: 0, medium: 0, low: 0, last: 0 };
      row.people += 1;
      if (severity.has(id)) row[severity.get(id)] += 1;
      row.last = Math.max(row.last, minute_ms);
      rows.set(name, row);
    }
    const sorted = [...rows].sort((a, b) => b[1].people - a[1].people).slice(0, 100);
    return table(
      "People by nearest city",
      ["Near", "People", "High", "Medium", "Low", "Last seen"],
      sorted.map(([name, row]) => [name, count(row.people), count(row.high), count(row.medium), count(row.low), when(row.last, localClock(row.last))]),
    );
  }

  #alerts() {
    return table(
      "Alerts, newest first",
      ["Time", "Severity", "State", "Rule", "From", "To", "Evidence"],
      this.store
        .alertsNewestFirst()
        .slice(0, 100)
        .map((alert) => [
          when(alert.second.minute_ms),
          alert.severity,
          alert.state,
          why(alert),
          where(alert.first, this.places),
          where(alert.second, this.places),
          headline(alert.sentence),
        ]),
    );
  }
}

function table(caption, heads, rows) {
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))))),
  );
}
