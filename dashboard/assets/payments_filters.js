// The bar of time and filters: it shows what the address says and changes nothing else.

import { element } from "./dom.js";
import { named } from "./payments_names.js";

const SPANS = [["1h", "1 h"], ["6h", "6 h"], ["24h", "24 h"], ["7d", "7 d"]];
const USUAL = "24h";
const LISTS = [["category", "Category", "categories"], ["channel", "Channel", "channels"], ["verdict", "Verdict", "verdicts"], ["currency", "Currency", "currencies"]];
const OTHERS = { severity: "severity", box: "place", circle: "place", cell: "place" };

export class Filters {
  constructor(body, address) {
    this.address = address;
    this.shown = null;
    this.custom = false;
    this.#build(body);
    address.addEventListener("change", () => this.sync());
    this.sync();
  }

  keys() {
    const spans = SPANS.map(([name], index) => [String(index + 1), () => this.#span(name)]);
    return { ...Object.fromEntries(spans), f: () => this.lists[0].node.focus(), c: () => this.address.clear() };
  }

  // What an answer offers to choose from, and the time it is of.
  offer({ choices, panels }) {
    for (const { node, name, offered } of this.lists) fill(node, choices[offered], this.address.get(name), name === "currency" ? String : named);
    this.shown = panels;
    this.#times();
  }

  sync() {
    const { address } = this;
    const last = address.get("last");
    const fixed = Boolean(address.get("since") || address.get("until"));
    for (const [name, button] of this.spans) press(button, !fixed && name === (last || USUAL));
    press(this.range, fixed || this.custom);
    this.times.hidden = !(fixed || this.custom);
    for (const { node, name } of this.lists) fill(node, [...node.options].map(({ value }) => value).filter(Boolean), address.get(name), name === "currency" ? String : named);
    const [low, high] = address.get("amount").split("..");
    write(this.low, low ?? "");
    write(this.high, high ?? "");
    this.chips.replaceChildren(...this.#chips());
    this.away.disabled = ![...address.params.keys()].some((name) => !["last", "since", "until"].includes(name));
    this.#times();
  }

  #build(body) {
    this.spans = SPANS.map(([name, text], index) => [name, this.#button(text, () => this.#span(name), `The last ${text} up to the latest event (${index + 1})`)]);
    this.range = this.#button("From \u2013 to", () => this.#custom(), "A stretch of time that stands still");
    [this.since, this.until] = ["From", "To"].map((label) => element("input", { type: "datetime-local", step: 600, "aria-label": label }));
    for (const node of [this.since, this.until]) node.addEventListener("change", () => this.#range());
    this.times = element("span", { class: "times", hidden: true }, this.since, element("span", { class: "quiet" }, "to"), this.until);
    this.lists = LISTS.map(([name, label, offered]) => {
      const node = element("select", { "aria-label": label }, element("option", { value: "" }, `Any ${label.toLowerCase()}`));
      node.addEventListener("change", () => this.address.set({ [name]: node.value }));
      return { node, name, offered };
    });
    [this.low, this.high] = [["Lowest amount", "from"], ["Highest amount", "to"]].map(([label, hint]) =>
      element("input", { type: "number", min: 0, step: "any", "aria-label": label, placeholder: hint, class: "amount" }),
    );
    for (const node of [this.low, this.high]) node.addEventListener("change", () => this.#amount());
    this.chips = element("span", { class: "chosen-others" });
    this.away = this.#button("Clear", () => this.address.clear(), "Every payment of this time (c)");
    const spans = element("span", { class: "spans", role: "group", "aria-label": "Time" }, ...this.spans.map(([, button]) => button), this.range);
    const amount = element("span", { class: "amounts" }, element("span", { class: "quiet" }, "Amount"), this.low, this.high);
    body.replaceChildren(spans, this.times, ...this.lists.map(({ node }) => node), amount, this.chips, this.away);
  }

  #button(text, act, title) {
    const button = element("button", { type: "button", class: "plain", title }, text);
    button.addEventListener("click", act);
    return button;
  }

  #span(name) {
    this.custom = false;
    this.address.set({ last: name === USUAL ? "" : name, since: "", until: "" });
    this.sync();
  }

  #custom() {
    this.custom = !this.custom;
    if (!this.custom) this.address.set({ since: "", until: "" });
    this.sync();
    if (this.custom) this.since.focus();
  }

  #range() {
    const [since, until] = [this.since, this.until].map(({ value }) => new Date(value).getTime());
    if (Number.isFinite(since) && Number.isFinite(until)) this.address.set({ last: "", since: String(since), until: String(until) });
  }

  #amount() {
    const [low, high] = [this.low.value, this.high.value];
    this.address.set({ amount: low || high ? `${low}..${high}` : "" });
  }

  #times() {
    if ([this.since, this.until].includes(document.activeElement)) return;
    const since = Number(this.address.get("since")) || this.shown?.since_ms;
    const until = Number(this.address.get("until")) || this.shown?.until_ms;
    if (since) write(this.since, local(since));
    if (until) write(this.until, local(until));
  }

  // What the bar has no control for and a link may say all the same.
  #chips() {
    return Object.entries(OTHERS).flatMap(([name, word]) => {
      const value = this.address.get(name);
      if (!value) return [];
      return [this.#button(`${word} ${value} \u00d7`, () => this.address.set({ [name]: "" }), `Leave out ${word}`)];
    });
  }
}

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

function write(input, value) {
  if (input.value !== value) input.value = value;
}

// The options of a list; a list that somebody holds open is not changed under the hand.
function fill(select, values, chosen, say) {
  const wanted = ["", ...new Set(chosen ? [...values, chosen] : values)];
  const now = [...select.options].map(({ value }) => value);
  if (JSON.stringify(now) !== JSON.stringify(wanted)) {
    const any = select.options[0];
    select.replaceChildren(any, ...wanted.slice(1).map((value) => element("option", { value }, say(value))));
  }
  if (select.value !== chosen) select.value = chosen;
}

// As the control writes it: the reader's clock without a zone.
function local(ms) {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
