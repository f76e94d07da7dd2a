// The address bar says what is looked at: filter in the query, chosen alert and view behind the hash. A link shows the same again.

import { parse, write } from "./filter.js";

export function read() {
  const hash = new URLSearchParams(window.location.hash.slice(1));
  return { filter: parse(window.location.search), alert: hash.get("alert"), view: hash.get("view"), layers: hash.get("layers") };
}

// Replaces the entry: a click on an alert is no page to go back to.
export function tell({ filter, alert, view, layers }) {
  const hash = new URLSearchParams();
  if (alert) hash.set("alert", alert);
  if (view && view !== "city") hash.set("view", view);
  if (layers) hash.set("layers", layers);
  const query = write(filter);
  const behind = hash.toString();
  const address = `${window.location.pathname}${query ? `?${query}` : ""}${behind ? `#${behind}` : ""}`;
  if (address !== window.location.pathname + window.location.search + window.location.hash) window.history.replaceState(null, "", address);
}
