// Puts the page of streams together.

import { byId } from "./dom.js";
import { counted, exact } from "./format.js";
import { Page } from "./page.js";
import { PageLine } from "./page_line.js";
import { Places } from "./places.js";
import { drawCourse } from "./streams_course.js";
import { drawCounts, drawEstimates, drawFilter, drawSample } from "./streams_estimates.js";
import { Graph } from "./streams_graph.js";
import { GroupPanel } from "./streams_group.js";

const places = new Places();
const groupPanel = new GroupPanel(places, (id) => graph.select(id));
const graph = new Graph(places, (group, near) => groupPanel.show(group, near));

const PANELS = [
  ["estimates", ({ sample, distinct, counts }) => ({ sample: sample?.estimates ?? [], distinct, seen: counts?.payments ?? 0 }), drawEstimates],
  ["filter", (answer) => answer.filter, drawFilter],
  ["counts", (answer) => answer.counts, drawCounts],
  ["graph", (answer) => answer.groups, (body, groups, options) => graph.draw(body, groups, options)],
  ["group", (answer) => answer.groups?.groups.length ?? 0, (body, count) => groupPanel.draw(body, count)],
  ["sample", (answer) => answer.sample, drawSample],
  ["course", (answer) => answer.course, drawCourse],
];

function asides({ counts, groups, sample, course, exact_most }) {
  const payments = counts ? exact(counts.payments) : "no";
  const small = counts && counts.payments <= exact_most;
  const drawn = groups?.groups.length ?? 0;
  const words = `${counted(drawn, "group")} of ${counted(groups?.payments ?? 0, "payment")}`;
  return {
    estimates: counts ? `${payments} payments so far${small ? ", counted exactly beside" : ""}` : "estimate, 95 % bounds, and what is true",
    filter: "a Bloom filter of people and places",
    graph: groups ? `${words}, MinHash and LSH${groups.complete ? "" : "; the largest are drawn"}` : "",
    sample: sample ? `${exact(sample.size)} of ${exact(sample.seen)}, each with the same chance` : "",
    course: course ? course.source : "",
  };
}

const line = new PageLine("streams/state", { content: (answer) => (answer.counts?.payments ? "filled" : "empty") });
const page = new Page(line, PANELS, { asides, keys: graph.keys() });
window.veilocity = {
  state: () => ({
    loaded: Boolean(line.answer?.loaded),
    written_ms: line.answer?.written_ms ?? 0,
    groups: line.answer?.groups?.groups.length ?? 0,
    selected: graph.selected,
    members: groupPanel.rows,
    tables: page.tables,
    draws: page.draws,
  }),
};
line.ask();
// Names are a help and no need: without them cells are told by their places.
places.load("assets/geo/places.json").then(() => {
  if (byId("graph-body")) page.forget("graph");
}, () => {});
