// The audit: verdict, history, nine checks with what each saw, and the record at fault.

import { element, say } from "./dom.js";
import { counted, duration, exact, period, title } from "./format.js";
import { figure, shape, tip } from "./figures.js";
import { empty, table, told } from "./privacy_parts.js";
import { inUtc, localMinute, when } from "./times.js";

const MARKS = {
  passed: ["M8 1.2a6.8 6.8 0 1 0 .001 0Z", "M4.8 8.2 7.1 10.5 11.3 5.9"],
  failed: ["M2 2h12v12h-12Z", "M5.2 5.2 10.8 10.8M10.8 5.2 5.2 10.8"],
  old: ["M8 1.2a6.8 6.8 0 1 0 .001 0Z", "M8 4.2V8.2H11"],
  measured: ["M8 1.2a6.8 6.8 0 1 0 .001 0Z", "M5 8H11"],
  never: ["M8 2a6 6 0 1 0 .001 0Z", ""],
};

// Passed is a disc with a tick, failed a square with a cross, old a disc with hands, measured one with a dash: shape and colour and word.
export function mark(kind, size = 16) {
  const [outline, sign] = MARKS[kind];
  return shape(
    "svg",
    { class: `mark ${kind}`, viewBox: "0 0 16 16", width: size, height: size, "aria-hidden": "true" },
    shape("path", { class: "outline", d: outline }),
    sign && shape("path", { class: "sign", d: sign }),
  );
}

export function drawAudit(body, audit, { nowMs, tables }) {
  if (audit.verdict === "never") {
    const schedule = audit.every_s
      ? `The privacy stage audits the stores every ${period(audit.every_s)}, the first time some minutes after it starts.`
      : "No audit is on a schedule: `VEILOCITY_PRIVACY_AUDIT_S` is 0.";
    body.replaceChildren(
      head("never", "Never run", "Nobody has looked yet whether the stores keep what is promised."),
      empty("To look now", "Run `veilocity privacy audit`: it reads both stores as a thief would, without any key.", schedule),
    );
    return;
  }
  const failed = audit.verdict === "failed";
  const word = failed ? `Failed: ${counted(audit.fault_count, "fault")}` : "Passed";
  const kind = failed ? "failed" : audit.stale ? "old" : "passed";
  const what = `in ${audit.seconds.toFixed(1)} s, ${exact(audit.documents)} documents read`;
  body.replaceChildren(
    head(kind, audit.stale ? `${word}, but long ago` : word, element("span", { class: "since" }), ` ${what}`),
    ...advice(audit, failed),
    tables ? runsTable(audit.runs) : strip(audit.runs, body.clientWidth),
    element("ol", { class: "checks" }, ...audit.checks.map(check)),
    readings(audit.read),
  );
  tellAge(body, audit, nowMs);
}

// The age alone changes with every second.
export function tellAge(body, audit, nowMs) {
  if (!audit?.written_ms || nowMs === null) return;
  say(body.querySelector(".since"), `${duration(Math.max(0, (nowMs - audit.written_ms) / 1_000))} ago,`);
}

function head(kind, word, ...rest) {
  return element(
    "div",
    { class: "verdict-head", "data-verdict": kind },
    mark(kind, 32),
    element("div", {}, element("strong", {}, word), element("p", { class: "quiet" }, ...rest)),
  );
}

function advice({ stale, every_s }, failed) {
  const sentences = [
    stale && `The newest is older than twice the ${period(every_s)} between two: does the privacy stage run? \`veilocity doctor\` says.`,
    failed && "Stop the privacy stage, so that no more is written, and keep the stores. `docs/privacy-audit.md` says how to go on.",
  ];
  return sentences.filter(Boolean).map((sentence) => element("p", { class: "advice" }, ...told(sentence)));
}

function check({ name, title: words, outcome, sentence, fault_count, faults, note }) {
  const rest = fault_count - faults.length;
  return element(
    "li",
    { class: "check", "data-check": name, "data-outcome": outcome },
    mark(outcome),
    element("div", { class: "check-line" }, element("b", {}, words), element("span", { class: "quiet" }, outcome)),
    element("p", { class: outcome === "failed" ? "failing" : "quiet", title: note || null }, sentence),
    faults.length
      ? element(
          "ul",
          { class: "faults" },
          ...faults.map((fault) => element("li", {}, fault)),
          rest > 0 ? element("li", { class: "quiet" }, ...told(`and ${exact(rest)} more: \`veilocity privacy audit\` names them.`)) : null,
        )
      : null,
  );
}

function strip(runs, width) {
  const [pitch, height] = [Math.min(9, Math.max(5, (width - 116) / runs.length)), 18];
  const failed = runs.filter(({ passed }) => !passed);
  const label = `${counted(runs.length, "run")} since ${localMinute(runs[0].written_ms)}, ${failed.length} failed`;
  const marks = runs.map((run, index) => {
    const x = index * pitch;
    const result = run.passed ? "passed" : `${counted(run.faults, "fault")} in ${run.failed.join(", ")}`;
    return shape(
      "g",
      {},
      tip(`${localMinute(run.written_ms)} (${inUtc(run.written_ms)}): ${result}, ${run.seconds.toFixed(1)} s`),
      shape("rect", { class: "grip", x, y: 0, width: pitch, height }),
      run.passed
        ? shape("circle", { class: "run passed", cx: x + pitch / 2, cy: height / 2, r: Math.min(2.6, pitch / 2 - 0.6) })
        : shape("path", { class: "run failed", d: `M${x + 1} 4L${x + pitch - 1} 14M${x + pitch - 1} 4L${x + 1} 14` }),
    );
  });
  return element(
    "div",
    { class: "history" },
    figure(runs.length * pitch, height, label, ...marks),
    element("span", { class: "quiet" }, `${counted(runs.length, "run")}, ${failed.length ? `${failed.length} failed` : "none failed"}`),
  );
}

function runsTable(runs) {
  const rows = [...runs].reverse().map((run) => [
    when(run.written_ms),
    run.passed ? "passed" : "failed",
    exact(run.faults),
    `${run.seconds.toFixed(1)} s`,
    run.failed.join(", "),
  ]);
  const heads = ["Began", "Result", "Faults", "Took", "Checks that failed"];
  return table("Last audits, newest first", heads, rows, { class: "table short" });
}

function readings(read) {
  return element(
    "dl",
    { class: "readings" },
    ...read.map(({ store, documents, collections }) => {
      const each = collections.map(([name, count]) => `${name.replaceAll("_", " ")} ${exact(count)}`);
      return element(
        "div",
        {},
        element("dt", {}, NAMES[store] ?? title(store)),
        element("dd", {}, `${exact(documents)}: ${each.join(", ")}`),
      );
    }),
  );
}

const NAMES = { mongodb: "MongoDB", elasticsearch: "Elasticsearch" };
