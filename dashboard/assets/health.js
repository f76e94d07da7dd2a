// Puts the page of health together.

import { counted, duration, exact } from "./format.js";
import { drawBalance, drawErrors, drawServices, drawSizes } from "./health_lists.js";
import { drawFlow, drawLag, drawLatency } from "./health_figures.js";
import { drawModels } from "./health_models.js";
import { Page } from "./page.js";
import { PageLine } from "./page_line.js";
import { localSecond } from "./times.js";

const PANELS = [
  ["services", (answer) => answer.services, drawServices],
  ["flow", (answer) => answer.figures, drawFlow],
  ["lag", (answer) => ({ lags: answer.figures.lags, waiting: answer.figures.waiting }), drawLag],
  ["latency", (answer) => answer.figures.latencies, drawLatency],
  ["balance", (answer) => answer.balance, drawBalance],
  ["errors", (answer) => answer.figures.problems, drawErrors],
  ["sizes", (answer) => answer.figures.sizes, drawSizes],
  ["models", (answer) => answer.figures.models, drawModels],
];

function asides({ services, figures, balance, now_ms }) {
  const silent = services.filter(({ state }) => state !== "answers").length;
  const seconds = Math.max(1, Math.round((figures.waiting.at(-1)[0] - figures.since_ms) / 1_000));
  const stretch = figures.waiting.length > 1 ? `last ${duration(seconds)} of looking` : "the stretch begins now";
  return {
    services: silent ? `${counted(silent, "does", "do")} not answer` : `all ${services.length} answer`,
    flow: stretch,
    lag: `${exact(figures.waiting.at(-1)[1])} records wait`,
    latency: stretch,
    errors: stretch,
    balance: balance ? `counted ${duration((now_ms - balance.counted_ms) / 1_000)} ago` : "counting",
  };
}

function clock({ asked_ms }) {
  return [localSecond(asked_ms), "last asked", "When the services were asked last, by the dashboard's clock. They are asked while somebody looks."];
}

// A service that does not answer is news of its own, which the general words for an old picture would hide.
function advice({ state, answer }) {
  if (!["live", "stale", "store-down"].includes(state) || !answer.services.length) return null;
  const down = answer.services.filter((service) => service.state !== "answers" && service.state !== "unasked");
  if (!down.length) return null;
  const names = down.map(({ title }) => title).join(", ");
  const page = down[0].runbook ? ` ${down[0].runbook} says more.` : "";
  return [`${names} ${down.length === 1 ? "does" : "do"} not answer.`, `${sentence(down[0].advice)}${page}`];
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const line = new PageLine("health/state", { content: (answer) => (answer.services.some(({ state }) => state === "answers") ? "filled" : "empty") });
const page = new Page(line, PANELS, { asides, clock, advice });
window.veilocity = {
  state: () => ({
    loaded: Boolean(line.answer?.loaded),
    services: Object.fromEntries((line.answer?.services ?? []).map(({ name, state }) => [name, state])),
    draws: page.draws,
    tables: page.tables,
  }),
};
line.ask();
