// Times as the reader's clock has them; the same in UTC on hover.

import { element } from "./dom.js";

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function localMinute(ms) {
  return `${day.format(ms)}, ${clock.format(ms)}`;
}

export function localSecond(ms) {
  return seconds.format(ms);
}

export function localClock(ms) {
  return clock.format(ms);
}

export function inUtc(ms, exact = false) {
  return `${new Date(ms).toISOString().slice(0, exact ? 19 : 16).replace("T", " ")} UTC`;
}

// The name of the reader's time zone, for the one place that says which it is.
export function zone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone.replaceAll("_", " ");
}

export function when(ms, text = localMinute(ms), exact = false) {
  return element("time", { datetime: new Date(ms).toISOString(), title: inUtc(ms, exact) }, text);
}
