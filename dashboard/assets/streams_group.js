// One group of alike payments: what they share, which groups are nearly the same, and the payments themselves.

import { element } from "./dom.js";
import { counted, exact, percent } from "./format.js";
import { empty, facts, table } from "./privacy_parts.js";
import { when } from "./times.js";

const NAMES = { amount: "amount", category: "category", cell: "place", channel: "channel", device: "device", merchant: "merchant", quarter: "from" };

export function features(group, places) {
  return Object.fromEntries(
    group.features.map((feature) => {
      const [name, ...rest] = feature.split("=");
      const value = rest.join("=");
      if (name === "cell" && group.lat !== null) return [name, `near ${places.name({ lat: group.lat, lon: group.lon })}`];
      // The quarter is an hour in UTC and its minute: "2026-11-22T14:15".
      if (name === "quarter" && /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(value)) return [name, Date.parse(`${value}:00Z`)];
      return [name, value];
    }),
  );
}

export function summary(group, places) {
  const { category, merchant, cell } = features(group, places);
  return [merchant ?? category ?? "mixed", cell].filter(Boolean).join(", ");
}

export class GroupPanel {
  // choose(id): a group that is nearly alike was pressed.
  constructor(places, choose) {
    this.places = places;
    this.choose = choose;
    this.body = null;
    this.group = null;
    this.near = [];
    this.rows = 0;
    this.asked = 0;
  }

  draw(body, count) {
    this.body = body;
    this.count = count;
    this.#paint();
  }

  show(group, near) {
    const changed = group?.id !== this.group?.id;
    this.group = group;
    this.near = near;
    if (!this.body) return;
    if (changed) this.rows = 0;
    this.#paint();
    if (group && changed) this.#fetch(group.id);
  }

  #paint() {
    if (!this.group) {
      this.body.replaceChildren(
        this.count
          ? empty("Choose a group.", "Press one in the graph, or reach the graph with `Tab`, move with the arrow keys, and press `Enter`. `Esc` gives it up.")
          : empty("No group to show.", "Groups are found when a window closes; until then payments wait."),
      );
      return;
    }
    const { payments, people, similarity, window_start_ms } = this.group;
    const shared = features(this.group, this.places);
    const chips = Object.entries(shared).map(([name, value]) =>
      element("li", { class: "chip-of" }, element("small", { class: "quiet" }, NAMES[name] ?? name), typeof value === "number" ? when(value) : value),
    );
    const figures = facts([
      ["payments", exact(payments), "Payments whose features are nearly the same."],
      ["people", exact(people), "Different people who paid; one person's habit is no group."],
      ["similarity", similarity === 1 ? "100 %" : `${percent(similarity)} or more`, "Jaccard similarity of features that joined the group, verified exactly for each pair that LSH found."],
      ["window", when(window_start_ms), "Begin of the closed window that they were found in."],
    ]);
    const near = this.near.map(({ group, shared: count }) => {
      const button = element("button", { class: "plain near", title: `${count} of 7 features are the same` }, `${summary(group, this.places)} (${exact(group.payments)})`);
      button.addEventListener("click", () => this.choose(group.id));
      return button;
    });
    this.list = element("div", { class: "members" }, this.#bones());
    this.body.replaceChildren(
      figures,
      element("ul", { class: "chips", "aria-label": "What all of them share" }, ...chips),
      near.length ? element("div", { class: "nears" }, element("span", { class: "quiet" }, "Nearly alike: "), ...near) : "",
      this.list,
    );
    if (this.shown?.id === this.group.id) this.#list(this.shown);
  }

  #bones() {
    return element("div", { class: "bones", "aria-hidden": "true" }, element("b", {}), element("s", {}), element("s", {}));
  }

  async #fetch(id) {
    const number = ++this.asked;
    let found = null;
    try {
      const answer = await fetch(`streams/group?id=${encodeURIComponent(id)}`, { cache: "no-store", signal: AbortSignal.timeout(8_000) });
      found = answer.ok ? await answer.json() : { error: (await answer.json()).error };
    } catch {
      found = { error: "the dashboard does not answer: choose the group again" };
    }
    if (number !== this.asked || this.group?.id !== id) return;
    this.shown = { id, ...found };
    this.#list(this.shown);
  }

  #list({ error, rows, named }) {
    if (error) {
      this.list.replaceChildren(empty("Its payments are not there.", `${error.charAt(0).toUpperCase()}${error.slice(1)}.`));
      return;
    }
    this.rows = rows.length;
    if (!rows.length) {
      this.list.replaceChildren(empty("Its payments are no longer stored.", "They were deleted for their age, or with their people."));
      return;
    }
    const lines = rows.map((one) => [when(one.minute_ms), `${one.currency} ${exact(one.amount)}`, one.merchant, one.category, one.verdict.replace("-", " ")]);
    const more = this.group.payments - rows.length;
    const shown = table("Payments of the group, newest first", ["When", "Amount", "Merchant", "Category", "Verdict"], lines, { class: "table members-table" });
    for (const row of shown.querySelectorAll("tr")) [2, 3].forEach((column) => row.children[column].classList.add("text"));
    this.list.replaceChildren(
      shown,
      more > 0 ? element("p", { class: "note quiet" }, `${counted(more, "more payment")}; at most ${exact(Math.min(100, named))} are named.`) : "",
    );
  }
}
