// All keys of the page, on one sheet; `?` opens it and any way of closing a dialog closes it.

import { ACTIONS } from "./case.js";
import { element } from "./dom.js";

const KEYS = [
  ["j, k", "next and previous alert"],
  ["Enter", "to the evidence of the chosen alert"],
  ...ACTIONS.map(({ key, word }) => [key, `${word.toLowerCase()}, for the chosen alert`]),
  ["/", "filter of list and map"],
  ["space", "pause what arrives; in a replay play and pause"],
  ["r", "replay"],
  ["[, ]", "previous and next alert of the replay"],
  ["1, 2", "the world, the city"],
  ["+, -", "closer, farther"],
  ["m", "the map as a table"],
  ["t", "dark or light"],
  ["Esc", "back"],
];

let sheet = null;

export function toggleKeys() {
  if (!sheet) {
    const pages = [...document.querySelectorAll(".pages a[data-key]")].map((link) => [link.dataset.key, `page ${link.textContent}`]);
    const rows = [...KEYS, ...pages].map(([key, what]) => element("tr", {}, element("th", { scope: "row" }, element("kbd", {}, key)), element("td", {}, what)));
    const close = element("button", { type: "button", class: "plain" }, "Close");
    sheet = element("dialog", { id: "keys", class: "keys", "aria-label": "Keys" }, element("h2", {}, "Keys"), element("table", {}, element("tbody", {}, ...rows)), close);
    close.addEventListener("click", () => sheet.close());
    document.body.append(sheet);
  }
  if (sheet.open) sheet.close();
  else sheet.showModal();
}
