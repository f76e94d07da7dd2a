// Times as the reader's clock has them; the same in UTC on hover.

import { byId, element, say } from "./dom.js";

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

// From a minute to another: the day is told once.
export function localSpan(from, until) {
  return `${localMinute(from)} to ${localClock(until)}`;
}

// The clock in the bar: value, words below it, and what is told on hover.
export function eventClock(ms) {
  const meaning = "Latest minute at which anything happened, by the clock of the events, not of this computer.";
  if (!ms) return ["no events yet", "event time", meaning];
  return [localMinute(ms), "event time", `${inUtc(ms)}. ${meaning} Times are those of ${zone()}.`];
}

export function tellClock([value, words, title]) {
  say(byId("clock"), value);
  say(byId("clock-words"), words);
  byId("clock-box").title = title;
}

export function when(ms, text = localMinute(ms), exact = false) {
  return element("time", { datetime: new Date(ms).toISOString(), title: inUtc(ms, exact) }, text);
}
