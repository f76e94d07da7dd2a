// Counts with noise: what they cost a person, what was refused, and what they say.

import { element } from "./dom.js";
import { counted, exact, percent } from "./format.js";
import { figure, linear, shape, ticks, tip, words } from "./figures.js";
import { empty, facts, table } from "./privacy_parts.js";
import { inUtc, localClock, localSpan, when } from "./times.js";

export function drawBudget(body, budget, { tables }) {
  if (!budget) {
    body.replaceChildren(
      empty(
        "No counts with noise were published.",
        "They tell how many payments a window held without telling of anybody: noise hides each person. Add a section `aggregates` to " +
          "the policy file (`VEILOCITY_PRIVACY_POLICY_FILE`); `docs/privacy-aggregates.md` says what they cost and what epsilon means.",
      ),
    );
    return;
  }
  const { delta, person_delta, payments_per_person, windows, horizon_days } = budget;
  const figures = facts([
    [
      "epsilon a window",
      number(budget.epsilon),
      `Of all figures of one window together, with delta ${number(delta)}; ${payments_per_person} payments of a person count.`,
    ],
    [
      `in ${counted(windows.length, "window")}`,
      number(budget.spent),
      "Sum over the windows shown: what whoever paid in each of them has lost at most, by basic composition.",
    ],
    [
      `a person in ${counted(horizon_days, "day")}`,
      `at most ${number(budget.person_epsilon)}`,
      `No stretch of that length costs one person more, with delta ${number(person_delta)}; the budget refuses what would.`,
    ],
    ["refused", counted(budget.refused, "window"), refusal(budget), budget.refused ? "doubt" : ""],
    ["payments in all", total(budget), "Running total since the first window, with noise of its own and its interval; it may fall."],
  ]);
  const label = `Payments of each window, ${percent(budget.confidence)} intervals`;
  const drawn = tables ? asTable(budget) : element("div", { class: "plot" }, chart(body.clientWidth, 132, budget, label));
  body.replaceChildren(figures, drawn);
}

function refusal({ refused, epsilon_left }) {
  if (!refused) return "No window shown would have cost more than the budget had left.";
  const left = epsilon_left === null ? "" : ` The newest is one of them; the budget had ${number(epsilon_left)} left.`;
  return `Windows that would have cost more than was left: published without a figure, never made up for.${left}`;
}

function total({ total: sum }) {
  if (!sum) return "none yet";
  const wrong = sum.windows_left_out ? `, ${counted(sum.windows_left_out, "window")} left out` : "";
  const interval = element("small", { class: "quiet" }, `${exact(sum.low)} to ${exact(sum.high)}${wrong}`);
  return element("span", {}, `${exact(sum.value)} `, interval);
}

function asTable({ windows }) {
  const rows = windows.map(({ start_ms, end_ms, refused, epsilon, payments, flagged, fraud_rate }) => [
    when(start_ms, localSpan(start_ms, end_ms)),
    refused ? "refused" : number(epsilon),
    payments ? within(payments) : "",
    flagged ? within(flagged) : "",
    fraud_rate ? (fraud_rate.value === null ? "none" : percent(fraud_rate.value)) : "",
  ]);
  return table("Windows with noise, newest first", ["Window", "Epsilon", "Payments", "Flagged", "Flagged share"], rows);
}

function within({ value, low, high }) {
  return `${exact(value)} (${exact(low)} to ${exact(high)})`;
}

function chart(width, height, { windows }, label) {
  const shown = [...windows].reverse();
  const [left, right, top, bottom] = [44, width - 10, 18, height - 20];
  const rises = ticks(Math.max(1, ...shown.map(({ payments }) => payments?.high ?? 0)), 3);
  const y = linear([0, rises.at(-1)], [bottom, top]);
  const pitch = Math.min(40, (right - left) / shown.length);
  const every = Math.ceil(44 / pitch);
  const refused = width < 520 ? "\u2715 refused" : "\u2715 refused: the budget was spent";
  const marks = shown.map((one, index) => {
    const x = left + (index + 0.5) * pitch;
    const span = `${localSpan(one.start_ms, one.end_ms)} (from ${inUtc(one.start_ms)})`;
    if (!one.payments) {
      const cross = `M${x - 4} ${bottom - 11}l8 8M${x + 4} ${bottom - 11}l-8 8`;
      return shape("path", { class: "refused", d: cross }, tip(`${span}: refused, the budget was spent`));
    }
    const [high, low] = [y(one.payments.high), y(one.payments.low)];
    return shape(
      "g",
      { class: "noisy" },
      tip(`${span}: ${within(one.payments)} payments, epsilon ${number(one.epsilon)}`),
      shape("rect", { class: "grip", x: x - pitch / 2, y: top, width: pitch, height: bottom - top }),
      shape("path", { class: "interval", d: `M${x - 3} ${high}h6M${x} ${high}V${low}M${x - 3} ${low}h6` }),
      shape("circle", { class: "value", cx: x, cy: y(one.payments.value), r: 3 }),
    );
  });
  return figure(
    width,
    height,
    label,
    ...rises.map((rise) => shape("line", { class: rise ? "grid" : "grid base", x1: left, x2: right, y1: y(rise), y2: y(rise) })),
    ...rises.map((rise) => words(left - 6, y(rise) + 4, exact(rise), { class: "tick", "text-anchor": "end" })),
    ...shown.map(({ start_ms }, index) => index % every === 0 && tick(left + (index + 0.5) * pitch, bottom + 14, localClock(start_ms))),
    ...marks,
    words(width < 520 ? 0 : left, 10, label, { class: "axis" }),
    shown.some(({ refused }) => refused) && words(right, 10, refused, { class: "axis", "text-anchor": "end" }),
  );
}

function number(value) {
  return value !== 0 && value < 0.001 ? value.toExponential(0) : String(Number(value.toPrecision(3)));
}

function tick(x, y, text) {
  return words(x, y, text, { class: "tick", "text-anchor": "middle" });
}
