// What several panels are made of: facts, tables, empty places with what to do.

import { element } from "./dom.js";

// Figures with their meaning: [label, value, explanation, mark].
export function facts(rows) {
  return element(
    "dl",
    { class: "facts" },
    ...rows.map(([label, value, title, mark]) =>
      element("div", { title, "data-mark": mark }, element("dt", {}, label), element("dd", {}, value)),
    ),
  );
}

export function table(caption, heads, rows, attributes = {}) {
  return element(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": caption, ...attributes },
    element(
      "table",
      {},
      element("caption", { class: "for-readers" }, caption),
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element(
        "tbody",
        {},
        ...rows.map(([first, ...rest]) =>
          element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((cell) => element("td", {}, cell))),
        ),
      ),
    ),
  );
}

// Why a place is empty and what to do. What stands between back quotes is a command or a name.
export function empty(head, ...sentences) {
  const paragraphs = sentences.map((sentence) => element("p", {}, ...told(sentence)));
  return element("div", { class: "empty" }, element("strong", {}, head), ...paragraphs);
}

export function told(sentence) {
  return sentence.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

// Lines of a legend: [class of the mark, words, explanation].
export function legend(entries) {
  return element(
    "ul",
    { class: "keys" },
    ...entries.map(([mark, text, title]) => element("li", { title }, element("i", { class: `key ${mark}`, "aria-hidden": "true" }), text)),
  );
}
