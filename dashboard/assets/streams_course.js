// The course: 25 algorithms beside their exact answers, from the last run of `veilocity rubric`.

import { element } from "./dom.js";
import { interval } from "./streams_estimates.js";
import { empty, table } from "./privacy_parts.js";
import { when } from "./times.js";
import { bytes } from "./units.js";

const plain = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 4 });

export function drawCourse(body, course) {
  if (!course) {
    body.replaceChildren(
      empty(
        "The course was not held yet.",
        "`veilocity rubric --serve` runs every streaming algorithm beside the exact answer, in about a minute, and its figures stand here.",
      ),
    );
    return;
  }
  const chapters = course.chapters.filter(({ figures }) => figures.length);
  const held = chapters.flatMap(({ figures }) => figures).filter(({ holds }) => holds !== null);
  const inside = held.filter(({ holds }) => holds).length;
  const strips = body.clientWidth > 900;
  const heads = ["Algorithm", "What", "Estimate", "True", "Bounds", "Error", "Memory", "Exact"];
  if (strips) heads.splice(2, 0, "In its bounds");
  const rows = chapters.map(({ id, part, title, guarantee, figures: [first] }) => {
    const cells = [
      element("span", {}, element("a", { class: "inline", href: `rubric#${id}`, title: guarantee }, title), element("small", { class: "quiet kind" }, part)),
      first.what,
      number(first.estimate),
      number(first.truth),
      bounds(first),
      error(first.error),
      bytes(first.memory_bytes),
      element("span", { class: "quiet" }, bytes(first.exact_bytes)),
    ];
    if (strips) cells.splice(2, 0, strip(first));
    return cells;
  });
  const shown = table("Algorithms of the course at the end of its stream", heads, rows, { class: "table course" });
  for (const row of shown.querySelectorAll("tr")) row.children[1].classList.add("text");
  const about = element(
    "p",
    { class: "note" },
    element("a", { class: "inline", href: "rubric" }, "Open the report with all plots"),
    element("span", { class: "quiet" }, `. Bounds are of ${Math.round(course.confidence * 100)} %: ${inside} of ${held.length} truths lie inside. Run `, when(course.written_ms), "."),
  );
  body.replaceChildren(about, shown);
}

function strip({ what, estimate, truth, low, high, holds }) {
  if (holds === null || [estimate, truth, low, high].includes(null)) return element("span", { class: "quiet" }, holds === null ? "no bounds" : "");
  return interval(150, { what, estimate, low, high, exact: truth }, number);
}

function bounds({ low, high, holds }) {
  if (holds === null) return "\u2013";
  const text = `${number(low)} to ${number(high)}`;
  return holds ? element("span", { class: "quiet" }, text) : element("span", { class: "outside", title: "The truth lies outside: of twenty, one may." }, `${text} \u2717`);
}

function number(value) {
  if (value === null) return "\u221e";
  if (Math.abs(value) >= 1e7) return compact.format(value);
  return Number.isInteger(value) || Math.abs(value) >= 10_000 ? whole.format(value) : plain.format(value);
}

function error(value) {
  if (value === null) return "\u2013";
  return value < 10 ? `${Number((value * 100).toPrecision(2))} %` : `${plain.format(value)} \u00d7`;
}
