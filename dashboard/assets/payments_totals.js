// Five figures of the whole view, each with how sure it is.

import { element } from "./dom.js";
import { exact } from "./format.js";

const EXACT_MOST = 3_000;
const rate = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 2 });
const digits = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });

// Three digits: amounts were rounded to two by the privacy stage, so more would say what nobody knows.
export function amount(value, currency) {
  return `${currency} ${digits.format(value)}`;
}

export function drawTotal(body, panels) {
  const minutes = panels ? (panels.until_ms - panels.since_ms) / 60_000 : 0;
  big(body, panels && exact(panels.payments), panels && `${rate.format(panels.payments / minutes)} a minute`);
}

export function drawAverage(body, money) {
  const [first, ...others] = money ?? [];
  const rest = others.map(({ average, currency }) => amount(average, currency)).join(", ");
  big(body, first && amount(first.average, first.currency), first && (rest ? `${rest}; within 5 %` : "within 5 %"));
}

export function drawDistinct(body, count) {
  const known = count !== null && count !== undefined;
  big(body, known && exact(count), known && (count <= EXACT_MOST ? "counted exactly" : "estimated, within a few per cent"));
}

function big(body, value, words) {
  body.replaceChildren(element("p", { class: "big" }, value || "\u2013"), element("p", { class: "quiet small", title: words || null }, words || "\u00a0"));
}
