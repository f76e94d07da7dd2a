// The most frequent values as bars; a name that can be filtered by is a button.

import { element } from "./dom.js";
import { counted, exact, percent } from "./format.js";
import { shape } from "./figures.js";
import { named } from "./payments_names.js";
import { amount } from "./payments_totals.js";
import { table } from "./privacy_parts.js";

export class Ranks {
  constructor(address) {
    this.address = address;
    this.currency = null;
    this.last = null;
  }

  categories(body, panels, options) {
    this.last = [body, panels, options];
    const { money = [], categories = [], payments = 0 } = panels ?? {};
    if (!payments) return nothing(body);
    const chosen = money.find(({ currency }) => currency === this.currency) ?? money[0];
    if (options.tables) {
      const rows = [
        ...categories.map(({ name, payments: paid }) => [named(name), "payments", exact(paid)]),
        ...money.flatMap((one) => one.categories.map(([name, sum]) => [named(name), "amount", amount(sum, one.currency)])),
      ];
      return keep(body, () => body.replaceChildren(table("Top five categories by count and by amount", ["Category", "By", "Value"], rows)));
    }
    const buttons = money.map(({ currency }) => {
      const button = element("button", { class: "plain unit", "aria-pressed": String(currency === chosen.currency), "data-name": currency }, currency);
      button.addEventListener("click", () => {
        this.currency = currency;
        this.categories(...this.last);
      });
      return button;
    });
    const byCount = categories.map(({ name, payments: paid }) => [name, paid, exact(paid), `${counted(paid, "payment")}, ${percent(paid / payments)}`]);
    const byAmount = chosen.categories.map(([name, sum]) => [name, sum, amount(sum, chosen.currency), `${percent(sum / (chosen.total || 1))} of what was paid in ${chosen.currency}`]);
    const columns = [
      element("div", {}, element("h3", { class: "quiet" }, "By count"), this.#bars(byCount, "category", "Categories by count")),
      element("div", {}, element("h3", { class: "quiet" }, "By amount ", ...buttons), this.#bars(byAmount, "category", `Categories by amount in ${chosen.currency}`)),
    ];
    return keep(body, () => body.replaceChildren(element("div", { class: "two" }, ...columns)));
  }

  // name of a filter, or null where nothing can be filtered by it.
  shares(body, shares, payments, filter, caption, { tables }) {
    if (!payments) return nothing(body);
    if (tables) {
      const rows = shares.map(({ name, payments: paid }) => [named(name), exact(paid), percent(paid / payments)]);
      return keep(body, () => body.replaceChildren(table(caption, ["Name", "Payments", "Share"], rows)));
    }
    const rows = shares.map(({ name, payments: paid }) => [name, paid, exact(paid), percent(paid / payments)]);
    return keep(body, () => body.replaceChildren(this.#bars(rows, filter, caption)));
  }

  #bars(rows, filter, caption) {
    const most = Math.max(...rows.map(([, value]) => value)) || 1;
    return element(
      "ul",
      { class: "ranks", "aria-label": caption },
      ...rows.map(([name, value, text, about]) =>
        element("li", { title: `${named(name)}: ${text} (${about})` }, this.#name(name, filter, caption), bar(value / most), element("b", {}, text)),
      ),
    );
  }

  #name(name, filter, caption) {
    if (!filter) return element("span", { class: "name" }, named(name));
    const pressed = this.address.get(filter) === name;
    const button = element("button", { class: "name", "aria-pressed": String(pressed), "data-name": `${caption} ${name}` }, named(name));
    button.title = pressed ? "Show all again" : `Only ${named(name)}`;
    button.addEventListener("click", () => this.address.toggle(filter, name));
    return button;
  }
}

function bar(part) {
  return shape(
    "svg",
    { class: "rank", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("rect", { class: "rank-bar", x: 0, y: 0, width: Math.max(0.6, part * 100), height: 10 }),
  );
}

function nothing(body) {
  body.replaceChildren(element("p", { class: "quiet small" }, "No payment."));
}

// News must not take the focus away.
function keep(body, draw) {
  const held = body.contains(document.activeElement) ? document.activeElement.dataset.name : undefined;
  draw();
  if (held !== undefined) [...body.querySelectorAll("[data-name]")].find((node) => node.dataset.name === held)?.focus({ preventScroll: true });
}
