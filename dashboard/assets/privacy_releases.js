// Where every payment is, how large released classes are, and what the last windows released.

import { element } from "./dom.js";
import { counted, exact, percent, share } from "./format.js";
import { figure, hatch, linear, never, shape, ticks, tip, words } from "./figures.js";
import { mark } from "./privacy_audit.js";
import { empty, facts, table, told } from "./privacy_parts.js";
import { localSpan, when } from "./times.js";

const TERMS = [
  ["released", "In released classes, each proven to hold at least k distinct people."],
  ["suppressed", "Of closed windows, and in no class of k people even when printed as coarsely as can be: never released."],
  ["late", "Came after their window was closed: stored masked, in no class."],
  ["pending", "In a window that is still open, or held back for a wider one."],
  ["erased", "Waited for a window when their person was forgotten: in no class."],
];

const HELD = "Wider than the narrowest: its payments were held back first";

export function drawAccount(body, account) {
  if (!account) {
    body.replaceChildren(empty("No payment was decided yet.", "Push from a phone, or run `veilocity simulate` to watch a made-up city."));
    return;
  }
  const sum = TERMS.flatMap(([name, title], index) => [sign(index ? "+" : "="), term(name, account[name], title)]);
  const right = account.difference === 0;
  const wrong = `${exact(Math.abs(account.difference))} ${account.difference > 0 ? "missing" : "too many"}: run \`veilocity doctor\``;
  body.replaceChildren(
    element(
      "div",
      { class: "sum", "data-right": String(right) },
      term("payments", account.payments, "Payments decided since the beginning; each is masked and in both stores."),
      ...sum,
      element("span", { class: "sum-verdict" }, mark(right ? "passed" : "failed"), element("span", {}, ...told(right ? "adds up" : wrong))),
    ),
    stack(body.clientWidth, account),
  );
}

function term(name, count, title) {
  const swatch = name === "payments" ? null : element("i", { class: `swatch ${name}`, "aria-hidden": "true" });
  return element("div", { class: "term", title, "data-term": name }, element("b", {}, exact(count)), element("span", {}, swatch, name));
}

function sign(text) {
  return element("span", { class: "operator" }, text);
}

function stack(width, account) {
  const height = 8;
  const total = Math.max(1, TERMS.reduce((sum, [name]) => sum + account[name], 0));
  let x = 0;
  const parts = TERMS.filter(([name]) => account[name] > 0).map(([name]) => {
    // Whatever there is can be seen, however little.
    const part = Math.max(2, (account[name] / total) * width);
    const size = { x, y: 0.5, width: Math.max(1, part - 1), height: height - 1 };
    x += part;
    return shape("rect", { class: `part ${name}`, ...size }, tip(`${name}: ${percent(account[name] / total)}`));
  });
  const label = TERMS.map(([name]) => `${name} ${percent(account[name] / total)}`).join(", ");
  return figure(width, height, label, shape("defs", {}, hatch("hatch-sum")), ...parts);
}

export function drawSizes(body, releases, { tables }) {
  if (!releases?.k) {
    body.replaceChildren(empty("Nothing was released yet.", "Classes leave when their window closes, and only if they hold k people."));
    return;
  }
  const { classes, payments, smallest, k, l, t, loss, inference, held_payments, windows, sizes } = releases;
  const figures = facts([
    ["classes", exact(classes), `Of policy ${releases.policy} in the ${windows.length} windows below, ${exact(payments)} payments.`],
    ["smallest", `${exact(smallest)} people`, `Distinct people of the smallest class; each must hold k = ${k}.`, smallest < k && "wrong"],
    ["loss", share(loss), "Mean generalisation loss over payments: 0 exact, 1 everything hidden."],
    [
      "held back first",
      percent(held_payments / payments),
      "Payments that were released from a wider window, because a class of the narrow one would have lost too much.",
    ],
    ["verdicts (l)", `at least ${l}`, "Fewest distinct verdicts in a class: where it is 1, the class itself tells the verdict."],
    ["distance (t)", `up to ${share(t)}`, "Largest total variation between the verdicts of a class and those of its window."],
    [
      "a class tells",
      `up to ${share(inference)}`,
      "Most that finding somebody's class adds to the chance of one verdict. k does not bound it; l and t do.",
    ],
  ]);
  const rows = () => sizes.map((bar) => [range(bar), exact(bar.classes), exact(bar.payments)]);
  const drawn = tables
    ? table("Released classes by people", ["People", "Classes", "Payments"], rows())
    : element("div", { class: "plot" }, histogram(body.clientWidth, 192, releases));
  body.replaceChildren(figures, drawn);
}

function range({ low, high }) {
  return low === high ? String(low) : `${low} to ${high}`;
}

function histogram(width, height, { sizes, k, smallest, classes }) {
  const [left, right, top, bottom] = [34, width - 8, 22, height - 32];
  const high = Math.max(...sizes.map((bar) => bar.classes));
  const rises = ticks(high, 3);
  const y = linear([0, rises.at(-1)], [bottom, top]);
  const below = sizes[0].high < k ? sizes.shift() : null;
  const hidden = Math.min(60, Math.max(28, (right - left) * 0.1));
  const pitch = Math.min(46, (right - left - hidden) / sizes.length);
  const from = left + hidden;
  const every = Math.ceil(30 / pitch);
  const column = (bar, x, columnWidth, kind = "") =>
    shape(
      "rect",
      { class: `bar-of-classes ${kind}`, x, y: y(bar.classes), width: columnWidth, height: bottom - y(bar.classes) },
      tip(`${range(bar)} people: ${counted(bar.classes, "class", "classes")}, ${counted(bar.payments, "payment")}`),
    );
  const bars = sizes.flatMap((bar, index) => {
    const x = from + index * pitch;
    return [column(bar, x + 1, Math.max(1, pitch - 2)), index % every === 0 && tick(x + pitch / 2, bottom + 14, String(bar.low))];
  });
  const label = `${classes} classes by distinct people; the smallest holds ${smallest}, k is ${k}`;
  return figure(
    width,
    height,
    label,
    shape("defs", {}, hatch("hatch-sizes")),
    ...rises.map((rise) => shape("line", { class: "grid", x1: left, x2: right, y1: y(rise), y2: y(rise) })),
    ...rises.map((rise) => words(left - 6, y(rise) + 4, exact(rise), { class: "tick", "text-anchor": "end" })),
    never({ x: left, y: top, width: hidden - 1, height: bottom - top }, "hatch-sizes", `Fewer than ${k} people: not released`),
    below && column(below, left + 4, hidden - 10, "wrong"),
    tick(left + hidden / 2, bottom + 14, `< ${k}`),
    ...bars,
    shape("line", { class: "chosen", x1: from - 0.5, x2: from - 0.5, y1: top - 14, y2: bottom }),
    words(from + 5, top - 5, `k = ${k}`, { class: "chosen-word" }),
    words(right, height - 4, "distinct people in the class", { class: "axis", "text-anchor": "end" }),
    words(0, 9, "classes", { class: "axis" }),
  );
}

function tick(x, y, text) {
  return words(x, y, text, { class: "tick", "text-anchor": "middle" });
}

export function drawWindows(body, releases) {
  if (!releases?.windows.length) {
    const when = "A window closes when all that it waits for has come; what it holds back leaves with a wider one, a day at most.";
    body.replaceChildren(empty("No window has released anything yet.", when));
    return;
  }
  const rows = releases.windows.map((one) => [
    when(one.start_ms, localSpan(one.start_ms, one.end_ms)),
    element("span", { class: "width" }, hours(one), one.held ? element("span", { class: "tag", title: HELD }, "held") : null),
    exact(one.classes),
    exact(one.payments),
    element("span", one.smallest < one.k ? { class: "failing" } : {}, exact(one.smallest)),
    exact(one.k),
    exact(one.l),
    share(one.t),
    share(one.loss),
  ]);
  const heads = ["Window", "Width", "Classes", "Payments", "Smallest", "k", "l, least", "t, most", "Loss"];
  body.replaceChildren(table("What the last windows released, newest first", heads, rows, { class: "table windows" }));
}

function hours({ start_ms, end_ms }) {
  const minutes = (end_ms - start_ms) / 60_000;
  return minutes % 60 ? `${minutes} min` : `${minutes / 60} h`;
}
