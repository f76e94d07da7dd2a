// The filter of list and map: a line that says what is left out, and a sheet that changes it.

import { STATUSES, statusWord } from "./case.js";
import { byId, element, glyph } from "./dom.js";
import { isEmpty } from "./filter.js";
import { short, title } from "./format.js";
import { localMinute, zone } from "./times.js";

const SEVERITIES = ["high", "medium", "low"];
const LAST = [["", "any time"], ["900", "last 15 minutes"], ["3600", "last hour"], ["21600", "last 6 hours"], ["86400", "last day"], ["between", "between …"]];

export class FilterBar extends EventTarget {
  // area(): "south,west,north,east" of what the map shows, or null; person(): token of the chosen alert's person, or null.
  constructor({ area, person }) {
    super();
    this.filter = {};
    this.area = area;
    this.person = person;
    this.node = byId("filters");
    this.line = element("div", { class: "filter-line" });
    this.sheet = element("form", { class: "filter-sheet", hidden: true, "aria-label": "Filter of list and map" });
    this.rules = new Map();
    this.#build();
    this.node.replaceChildren(this.line, this.sheet);
    this.sheet.addEventListener("change", () => this.#read());
    this.sheet.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#read();
      this.close();
    });
    this.sheet.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
    this.show({});
  }

  open() {
    this.sheet.hidden = false;
    this.#draw();
    this.sheet.querySelector("input, select").focus();
  }

  close() {
    this.sheet.hidden = true;
    this.#draw();
    byId("filter-toggle").focus();
  }

  // From the address bar, or from another part of the page.
  show(filter) {
    this.filter = filter;
    const form = this.sheet.elements;
    const severities = filter.severity?.split(",") ?? [];
    for (const name of SEVERITIES) form[`severity-${name}`].checked = severities.includes(name);
    this.#offerRules();
    form.rule.value = filter.rule ?? "";
    form.status.value = filter.status ?? "";
    form.last.value = filter.since || filter.until ? "between" : (filter.last ?? "");
    form.since.value = local(filter.since);
    form.until.value = local(filter.until);
    const [low, high] = filter.amount?.split("..") ?? ["", ""];
    [form.low.value, form.high.value] = [low, high];
    this.between.hidden = form.last.value !== "between";
    this.#draw();
  }

  // How many alerts of each rule there are: { rule: number }.
  hearRules(rules) {
    this.rules = new Map(Object.entries(rules));
    const chosen = this.sheet.elements.rule.value;
    this.#offerRules();
    this.sheet.elements.rule.value = chosen;
  }

  #offerRules() {
    const chosen = this.filter.rule && !this.filter.rule.includes(",") ? [this.filter.rule] : [];
    const names = [...new Set([...this.rules.keys(), ...chosen])];
    const several = this.filter.rule?.includes(",") ? [element("option", { value: this.filter.rule }, "several")] : [];
    const option = (name) => element("option", { value: name }, title(name) + (this.rules.has(name) ? ` (${this.rules.get(name)})` : ""));
    this.sheet.elements.rule.replaceChildren(element("option", { value: "" }, "any rule"), ...several, ...names.map(option));
  }

  #build() {
    const label = (text, ...inputs) => element("label", {}, element("span", { class: "quiet" }, text), ...inputs);
    const box = (name) => element("label", { class: "check" }, element("input", { type: "checkbox", name: `severity-${name}` }), glyph(name), name);
    const options = (pairs) => pairs.map(([value, text]) => element("option", { value }, text));
    this.between = element(
      "div",
      { class: "filter-between", hidden: true },
      label(`From (${zone()})`, element("input", { type: "datetime-local", name: "since" })),
      label("until", element("input", { type: "datetime-local", name: "until" })),
    );
    const press = (text, work) => {
      const button = element("button", { type: "button", class: "plain" }, text);
      button.addEventListener("click", work);
      return button;
    };
    this.sheet.append(
      element("fieldset", {}, element("legend", { class: "quiet" }, "Severity"), ...SEVERITIES.map(box)),
      label("Rule", element("select", { name: "rule" })),
      label("Case", element("select", { name: "status" }, ...options([["", "any status"], ...STATUSES.map((status) => [status, statusWord(status)])]))),
      label("Time", element("select", { name: "last" }, ...options(LAST))),
      this.between,
      element("div", { class: "filter-amount" }, label("Amount from", element("input", { type: "number", name: "low", min: 0, step: "any" })), label("to", element("input", { type: "number", name: "high", min: 0, step: "any" }))),
      element(
        "div",
        { class: "filter-presses" },
        press("Only what the map shows", () => this.area() && this.change({ box: this.area(), circle: null, cell: null })),
        press("Only this person", () => this.person() && this.change({ subject: this.person() })),
        element("button", { type: "submit", class: "plain" }, "Done"),
      ),
    );
  }

  #read() {
    const form = this.sheet.elements;
    const between = form.last.value === "between";
    this.between.hidden = !between;
    const [low, high] = [form.low.value, form.high.value];
    this.change({
      severity: SEVERITIES.filter((name) => form[`severity-${name}`].checked).join(","),
      rule: form.rule.value,
      status: form.status.value,
      last: between ? "" : form.last.value,
      since: between ? utc(form.since.value) : "",
      until: between ? utc(form.until.value) : "",
      amount: low || high ? `${low}..${high}` : "",
    });
  }

  change(changes) {
    const filter = Object.fromEntries(Object.entries({ ...this.filter, ...changes }).filter(([, text]) => text));
    this.filter = filter;
    this.#draw();
    this.dispatchEvent(new CustomEvent("filter", { detail: filter }));
  }

  #draw() {
    const toggle = element(
      "button",
      { id: "filter-toggle", type: "button", class: "plain", "aria-expanded": String(!this.sheet.hidden), title: "Filter of list and map (/)", "aria-keyshortcuts": "/" },
      "Filter",
    );
    toggle.addEventListener("click", () => (this.sheet.hidden ? this.open() : this.close()));
    const chips = Object.entries(this.filter).map(([name, text]) => {
      const chip = element("button", { type: "button", class: "filter-chip", "data-name": name, "aria-label": `Remove ${told(name, text)}` }, told(name, text), " ×");
      chip.addEventListener("click", () => {
        this.change({ [name]: null });
        this.show(this.filter);
      });
      return chip;
    });
    const all = element("button", { type: "button", class: "plain" }, "Clear");
    all.addEventListener("click", () => this.clear());
    const focused = document.activeElement?.id === "filter-toggle";
    this.line.replaceChildren(toggle, ...(isEmpty(this.filter) ? [element("span", { class: "quiet" }, "everything is shown")] : [...chips, all]));
    if (focused) toggle.focus();
  }

  clear() {
    this.show({});
    this.change({});
  }
}

function told(name, text) {
  switch (name) {
    case "since":
      return `from ${localMinute(Number(text))}`;
    case "until":
      return `until ${localMinute(Number(text))}`;
    case "last":
      return LAST.find(([value]) => value === text)?.[1] ?? `last ${text} s`;
    case "subject":
      return `person ${short(text)}`;
    case "box":
      return "a part of the map";
    case "circle":
      return "a circle on the map";
    case "cell":
      return "a cell";
    case "amount":
      return `amount ${text.replace("..", " to ")}`;
    default:
      return text.split(",").map(statusWord).join(", ");
  }
}

// Milliseconds as the browser's own field of time writes them, and back.
function local(ms) {
  if (!ms) return "";
  const date = new Date(Number(ms));
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function utc(text) {
  return text ? String(new Date(text).getTime()) : "";
}
