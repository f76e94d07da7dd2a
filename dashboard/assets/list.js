// The alerts beside the map and the payments below them: rows by id, changed where they change, in the order of the server.

import { statusOf, statusWord } from "./case.js";
import { byId, element, glyph, say } from "./dom.js";
import { count, duration, headline, money, route, short, title, told, why } from "./format.js";
import { inUtc, localClock, localMinute } from "./times.js";

const PAYMENTS = 12;
const ANNOUNCE_MS = 10_000;
const WITHOUT_PLACE = { "e-commerce": "online", recurring: "recurring" };

export class AlertList extends EventTarget {
  constructor(store, places) {
    super();
    this.store = store;
    this.places = places;
    this.node = byId("alerts");
    this.rows = new Map();
    this.order = [];
    this.selected = null;
    this.unread = new Set();
    this.announcedAt = -ANNOUNCE_MS;
    this.waiting = [];
    this.node.addEventListener("click", (event) => {
      const row = event.target.closest("[data-alert-id]");
      if (row) this.dispatchEvent(new CustomEvent("pick", { detail: row.dataset.alertId }));
    });
    store.addEventListener("change", (event) => this.#take(event.detail));
  }

  #take({ kind, revised, gone }) {
    if (kind === "delta" && !revised.length && !gone.length && this.rows.size === this.store.alerts.size) return this.#restate();
    if (kind === "snapshot") {
      this.rows.clear();
      this.node.replaceChildren();
    }
    const news = kind === "delta" ? revised.filter(({ id }) => !this.rows.has(id)) : []; // what was asked for is no news
    const alerts = this.store.alertsNewestFirst();
    this.order = alerts.map(({ id }) => id);
    for (const id of [...this.rows.keys()]) if (!this.store.alerts.has(id)) this.#remove(id);
    alerts.forEach((alert, index) => this.#put(alert, index, news.includes(alert)));
    for (const { id } of news) this.unread.add(id);
    if (news.length) this.#announce(news);
    this.mark(this.selected);
    this.#restate();
    this.#head(alerts);
  }

  // What became of the cases, without touching anything else.
  #restate() {
    for (const [id, row] of this.rows) {
      const status = statusOf(this.store.cases.get(id));
      if (row.dataset.status === status) continue;
      row.dataset.status = status;
      say(row.querySelector(".case"), status === "new" ? "" : statusWord(status));
    }
  }

  #remove(id) {
    this.rows.get(id).remove();
    this.rows.delete(id);
    this.unread.delete(id);
  }

  #put(alert, index, isNew) {
    let row = this.rows.get(alert.id);
    if (!row || row.dataset.revision !== String(alert.revision)) {
      const fresh = this.#row(alert);
      if (isNew) fresh.classList.add("arrived");
      row?.replaceWith(fresh);
      row = fresh;
      this.rows.set(alert.id, row);
    }
    if (this.node.children[index] !== row) this.node.insertBefore(row, this.node.children[index] ?? null);
  }

  #row(alert) {
    const state = alert.state === "open" ? null : element("span", { class: "state" }, alert.state);
    const times = alert.episode.count > 1 ? `×${alert.episode.count}` : "";
    return element(
      "li",
      {
        id: `alert-${alert.id}`,
        class: "row",
        role: "option",
        "aria-selected": "false",
        "data-alert-id": alert.id,
        "data-state": alert.state,
        "data-severity": alert.severity,
        "data-revision": alert.revision,
        title: `${title(alert.rule)}. ${alert.sentence}`,
      },
      glyph(alert.severity, alert.state),
      element(
        "div",
        { class: "row-line" },
        element("b", { class: `severity ${alert.severity}` }, alert.severity),
        element("span", { class: "route" }, route(alert, this.places)),
        state,
        element("time", { title: `${localMinute(alert.second.minute_ms)}, ${inUtc(alert.second.minute_ms)}` }, localClock(alert.second.minute_ms)),
      ),
      element("div", { class: "row-line quiet" }, element("span", { class: "rule" }, why(alert)), element("span", { class: "case" })),
      element(
        "div",
        { class: "row-line quiet" },
        element("span", { class: "sentence" }, told(alert)),
        element("span", { class: "times", title: "Times the same cause was seen" }, times),
      ),
    );
  }

  // Alerts that a screen reader hears: at most one message in ten seconds, however many came.
  #announce(news) {
    this.waiting.push(...news);
    const wait = this.announcedAt + ANNOUNCE_MS - performance.now();
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      const last = this.waiting.at(-1);
      const many = this.waiting.length > 1 ? `${this.waiting.length} new alerts, the latest: ` : "New alert: ";
      say(byId("announcer"), `${many}${last.severity}, ${headline(last.sentence)}.`);
      this.waiting = [];
      this.announcedAt = performance.now();
    }, Math.max(0, wait));
  }

  #head(alerts) {
    const open = alerts.filter(({ state }) => state !== "retracted").length;
    const retracted = alerts.length - open;
    say(byId("alert-states"), alerts.length ? `${count(open)} open${retracted ? `, ${count(retracted)} retracted` : ""}` : "");
    const badge = byId("alert-new");
    badge.hidden = this.unread.size === 0;
    say(badge, `${this.unread.size} new`);
    const empty = byId("alerts-empty");
    empty.hidden = !this.store.loaded || alerts.length > 0;
  }

  // ageS: seconds since the last batch, or null before the first.
  tellEmpty(ageS) {
    if (this.store.filtered) {
      const clear = element("button", { type: "button", class: "plain" }, "Clear the filter");
      clear.addEventListener("click", () => this.dispatchEvent(new Event("clear")));
      const node = byId("alerts-empty");
      if (node.hidden || node.dataset.text === "filter") return;
      node.dataset.text = "filter";
      node.replaceChildren(element("strong", {}, "No alert fits the filter"), element("p", {}, "Take something out of it, or look at a longer time."), clear);
      return;
    }
    const since = ageS === null ? "No event has arrived yet." : `The last event was processed ${duration(ageS)} ago.`;
    const node = byId("alerts-empty");
    if (node.hidden || node.dataset.text === since) return;
    node.dataset.text = since;
    node.replaceChildren(
      element("strong", {}, "No alerts yet"),
      element("p", {}, since),
      element("p", {}, "An alert appears when a rule finds something, such as one person in two places faster than anyone can travel. To see one, run ", element("code", {}, "veilocity simulate"), "."),
    );
  }

  mark(id) {
    this.selected = id;
    this.unread.delete(id);
    for (const [key, row] of this.rows) row.setAttribute("aria-selected", String(key === id));
    const row = this.rows.get(id);
    if (row) this.node.setAttribute("aria-activedescendant", row.id);
    else this.node.removeAttribute("aria-activedescendant");
  }

  reveal(id) {
    const row = this.rows.get(id);
    if (!row) return;
    // The list alone scrolls: on a narrow screen the map above must stay in view.
    const [top, bottom] = [row.offsetTop - this.node.offsetTop, row.offsetTop - this.node.offsetTop + row.offsetHeight];
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (bottom > this.node.scrollTop + this.node.clientHeight) this.node.scrollTop = bottom - this.node.clientHeight;
  }

  // The neighbour of the selected alert in the list; without a selection the newest.
  neighbour(step) {
    if (!this.order.length) return null;
    const at = this.order.indexOf(this.selected);
    if (at < 0) return this.order[0];
    return this.order[Math.min(this.order.length - 1, Math.max(0, at + step))];
  }
}

export class PaymentList {
  constructor(store, places) {
    this.store = store;
    this.places = places;
    this.node = byId("payments");
    this.rows = new Map();
    store.addEventListener("change", (event) => this.#take(event.detail));
  }

  #take({ kind, paid }) {
    if (kind === "delta" && !paid.length) return;
    if (!this.store.payments.size) {
      const words = this.store.filtered ? "No payment of the newest fits the filter." : "Payments appear here as they are decided.";
      this.node.replaceChildren(element("li", { class: "none quiet" }, words));
      return;
    }
    const payments = this.store.paymentsNewestFirst(PAYMENTS);
    const rows = new Map(payments.map((payment) => [payment.id, this.#known(payment) ?? this.#row(payment)]));
    this.rows = rows;
    this.node.replaceChildren(...rows.values());
  }

  // A row of an older answer is made anew.
  #known(payment) {
    const row = this.rows.get(payment.id);
    return row?.dataset.revision === String(payment.revision) ? row : null;
  }

  #row(payment) {
    const amended = payment.revision > 1;
    const where = payment.place ? this.places.name(payment.place) : (WITHOUT_PLACE[payment.channel] ?? payment.channel);
    return element(
      "li",
      {
        "data-payment-id": payment.id,
        "data-verdict": payment.verdict,
        "data-revision": payment.revision,
        title: `${title(payment.category)}, ${payment.channel}, card ${short(payment.card ?? "none")}${amended ? `. Answered anew, revision ${payment.revision}` : ""}`,
      },
      element("i", { class: payment.verdict === "flagged" ? "square flagged" : "square" }),
      element("span", { class: "amount" }, money(payment.amount, payment.currency)),
      element("span", { class: "what" }, `${payment.category.replaceAll("_", " ")}, ${where}`),
      element("span", { class: `verdict ${payment.verdict}` }, `${amended ? "now " : ""}${payment.verdict.replace("-", " ")}`),
      element("time", { title: inUtc(payment.minute_ms) }, localClock(payment.minute_ms)),
    );
  }
}
