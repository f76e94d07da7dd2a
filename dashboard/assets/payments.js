// Puts the page of payments together.

import { byId } from "./dom.js";
import { counted, duration } from "./format.js";
import { Page } from "./page.js";
import { Address } from "./payments_address.js";
import { AveragesChart, VolumeChart } from "./payments_charts.js";
import { Filters } from "./payments_filters.js";
import { PaymentsLine } from "./payments_line.js";
import { Ranks } from "./payments_ranks.js";
import { drawAverage, drawDistinct, drawTotal } from "./payments_totals.js";
import { localMinute } from "./times.js";

const address = new Address();
const filters = new Filters(byId("filters-body"), address);
const ranks = new Ranks(address);
const volume = new VolumeChart(address);
const averages = new AveragesChart(address);

const overTime = ({ panels, step_ms, event_ms }, more) =>
  panels && { payments: panels.payments, since_ms: panels.since_ms, until_ms: panels.until_ms, first_ms: panels.first_ms, volume: panels.volume, step_ms, event_ms, ...more };
const chosen = () => ({ category: address.get("category"), channel: address.get("channel") });

const PANELS = [
  ["total", ({ panels }) => panels && { payments: panels.payments, since_ms: panels.since_ms, until_ms: panels.until_ms }, drawTotal],
  ["average", ({ panels }) => panels?.money ?? null, drawAverage],
  ["people", ({ panels }) => panels?.people ?? null, drawDistinct],
  ["cards", ({ panels }) => panels?.cards ?? null, drawDistinct],
  ["merchants", ({ panels }) => panels?.merchants ?? null, drawDistinct],
  ["volume", (answer) => overTime(answer), (body, part, options) => volume.draw(body, part, options)],
  ["averages", (answer) => overTime(answer, { averages: answer.panels?.averages }), (body, part, options) => averages.draw(body, part, options)],
  [
    "categories",
    ({ panels }) => panels && { categories: panels.categories, money: panels.money, payments: panels.payments, ...chosen() },
    (body, part, options) => ranks.categories(body, part, options),
  ],
  ["channels", shares("channels"), (body, part, options) => ranks.shares(body, part?.shares ?? [], part?.payments, "channel", "Channels", options)],
  ["devices", shares("device_types"), (body, part, options) => ranks.shares(body, part?.shares ?? [], part?.payments, null, "Device types", options)],
];

function shares(name) {
  return ({ panels }) => panels && { shares: panels[name], payments: panels.payments, ...chosen() };
}

function asides({ panels }) {
  const time = panels ? `${localMinute(panels.since_ms)} to ${localMinute(panels.until_ms)}` : "";
  return { volume: time, averages: panels && panels.averages.length > 1 ? "each currency on its own scale" : "", devices: "the five most frequent" };
}

function content({ panels }) {
  if (!panels) return "empty";
  return panels.payments ? "filled" : "nothing";
}

function advice({ state, content: holds, answer, ageS }) {
  if (answer?.refused && !["disconnected", "forbidden"].includes(state)) return ["This address cannot be counted:", `${answer.refused}. Choose another time, or clear the filters.`];
  if (state === "store-down" && answer.silent === "Elasticsearch") {
    const old = answer.loaded && ageS !== null ? `What you see is ${duration(ageS)} old. ` : "";
    return ["Elasticsearch does not answer.", `${old}It counts for this page alone: the others go on. \`veilocity doctor\` says more; the page catches up by itself.`];
  }
  if (state !== "live") return null;
  if (holds === "empty") return ["Nothing has arrived yet.", "Send payments to the gateway, or run `veilocity simulate` to watch a made-up city."];
  if (holds === "nothing") return ["No payment fits.", "Choose a longer time (`1` to `4`), or clear the filters (`c`)."];
  return null;
}

const line = new PaymentsLine("payments/state", address, { content });
const page = new Page(line, PANELS, { asides, advice, keys: filters.keys() });
const mark = () => {
  const figures = line.waiting ? "waiting" : line.answer?.loaded ? "these" : "none";
  document.querySelector(".sheet").dataset.figures = figures;
};
line.addEventListener("answer", () => {
  if (line.answer?.loaded) filters.offer(line.answer);
  mark();
});
address.addEventListener("change", mark);
window.veilocity = {
  state: () => ({
    loaded: Boolean(line.answer?.loaded),
    figures: document.querySelector(".sheet").dataset.figures ?? "none",
    payments: line.answer?.panels?.payments ?? null,
    said: line.answer?.panels ? counted(line.answer.panels.payments, "payment") : "",
    query: address.query,
    tables: page.tables,
    draws: page.draws,
  }),
};
line.ask();
