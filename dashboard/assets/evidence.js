// The arithmetic of one alert: what was measured, what it would have taken, and which excuses were examined.

import { byId, element, glyph } from "./dom.js";
import { EvidenceMore } from "./evidence_more.js";
import { distance, duration, short, speed, title, told, where, why } from "./format.js";
import { when } from "./times.js";
import { Triage } from "./triage.js";

export class Evidence extends EventTarget {
  // pick(id): another alert of the same person was chosen.
  constructor(places, pick) {
    super();
    this.places = places;
    this.node = byId("evidence");
    this.id = null;
    this.revision = 0;
    this.triage = new Triage();
    this.more = new EvidenceMore(places, pick);
    const told = ({ detail }) => this.dispatchEvent(new CustomEvent("case", { detail }));
    this.more.addEventListener("case", (event) => {
      this.triage.hear(event.detail.case);
      told(event);
    });
    this.triage.addEventListener("changed", (event) => {
      told(event);
      this.more.ask();
    });
    this.triage.addEventListener("done", () => this.node.focus());
    this.node.replaceChildren(this.#empty());
  }

  // The same alert again changes only what a new revision says: a reason that is being typed stays.
  show(alert) {
    const [id, revision] = [alert?.id ?? null, alert?.revision ?? 0];
    if (id === this.id && revision === this.revision) return;
    const other = id !== this.id;
    [this.id, this.revision] = [id, revision];
    this.node.dataset.alertId = id ?? "";
    if (other) {
      this.triage.open(id);
      this.more.open(id);
    }
    if (!alert) this.node.replaceChildren(this.#empty());
    else if (other) {
      const [head, body] = this.#full(alert);
      this.node.replaceChildren(head, this.triage.node, body, this.more.node);
      this.node.scrollTop = 0;
    } else {
      const [head, body] = this.#full(alert);
      this.node.querySelector(".evidence-head").replaceWith(head);
      this.node.querySelector(".evidence-body").replaceWith(body);
    }
  }

  // A link whose alert cannot be shown; another choice takes the words away.
  miss(error) {
    if (this.id) return;
    const head = element("strong", {}, "The alert of the link is not here.");
    const sentence = ` ${error.charAt(0).toUpperCase()}${error.slice(1).replace(/\.$/, "")}. Should it come, it opens by itself.`;
    this.node.replaceChildren(element("p", { class: "evidence-empty", role: "status" }, head, sentence));
  }

  #empty() {
    const key = (name) => element("kbd", {}, name);
    return element("p", { class: "evidence-empty" }, "Choose an alert to see its evidence: ", key("j"), key("k"), " next and previous, ", key("Enter"), " evidence, ", key("?"), " all keys.");
  }

  #full(alert) {
    const state = element("span", { class: "state" }, alert.state === "open" ? "open" : `${alert.state}, revision ${alert.revision}`);
    const sentence = told(alert);
    const fine = alert.fine_with_s === null ? "" : `Fine with ${duration(alert.fine_with_s)} or more. `;
    const head = element(
      "header",
      { class: "evidence-head" },
      glyph(alert.severity, alert.state),
      element("b", { class: `severity ${alert.severity}` }, alert.severity),
      element("h2", {}, why(alert)),
      state,
      element("p", { class: "evidence-sentence" }, sentence && `${sentence}. `, element("span", { class: "quiet" }, `${fine}${sure(alert)}.`)),
    );
    const figures = alert.distance_m ? [this.#figures(alert)] : [];
    return [head, element("div", { class: "evidence-body" }, this.#facts(alert), ...figures, this.#examined(alert))];
  }

  // The two sensors side by side, and what belongs to neither.
  #facts(alert) {
    const kinds = { fix: "phone", "card-present": "card", atm: "cash machine", "e-commerce": "online payment", recurring: "recurring payment" };
    const ends = [alert.first, alert.second];
    const row = (name, cell) => element("tr", {}, element("th", { scope: "row" }, name), ...ends.map((end) => element("td", {}, cell(end))));
    const sensors = element(
      "table",
      { class: "sensors" },
      element("caption", { class: "for-readers" }, "The two observations"),
      element("thead", {}, element("tr", {}, element("td", {}), element("th", { scope: "col" }, "First"), element("th", { scope: "col" }, "Second"))),
      element(
        "tbody",
        {},
        row("Sensor", ({ kind }) => kinds[kind] ?? kind),
        row("Near", (end) => where(end, this.places)),
        row("Time", ({ minute_ms }) => when(minute_ms)),
        row("Accuracy", ({ place, accuracy_m }) => (place ? `±${distance(accuracy_m)}` : "no place")),
      ),
    );
    const { count, first_ms } = alert.episode;
    const parameters = [
      ["Rule", `${alert.rule}, version ${alert.rule_version}`],
      ["Limit", alert.speed_limit_kmh === null ? "" : speed(alert.speed_limit_kmh)],
      ["Least distance", alert.minimum_distance_m === null ? "" : distance(alert.minimum_distance_m)],
      ["Person", short(alert.subject), "A keyed token: the same person has the same one, nobody can turn it back without the key."],
      ["Seen", element("span", {}, count === 1 ? "once, " : `${count} times since `, when(first_ms))],
    ].filter(([, value]) => value);
    const line = ([name, value, hover]) => element("div", { title: hover }, element("dt", {}, name), element("dd", {}, value));
    return element("div", { class: "facts" }, sensors, element("dl", {}, ...parameters.map(line)));
  }

  // Only what the rule knows: a limit where it has one, a speed where time passed.
  #figures(alert) {
    const row = (name, figures, note, kind) =>
      element("tr", { class: kind, title: note || null }, element("th", { scope: "row" }, name), ...figures.map((text) => element("td", {}, text)), element("td", { class: "quiet" }, note));
    const limit = alert.speed_limit_kmh;
    const fine = alert.fine_with_s === null ? "" : `fine with ${duration(alert.fine_with_s)} or more`;
    const rows = [
      row("Distance", alert.distance_m.map(distance), "minus and plus both accuracies"),
      row("Margin", [alert.first.accuracy_m, alert.second.accuracy_m, alert.first.accuracy_m + alert.second.accuracy_m].map((m) => `±${distance(m)}`), "first, second, both together"),
      row("Elapsed", ["", duration(alert.elapsed_s), ""], fine),
      row("Speed", alert.speed_kmh ? alert.speed_kmh.map(speed) : ["none", "none", "none"], over(alert), "decisive"),
    ];
    if (limit !== null) rows.push(row("Limit", [speed(limit), "", ""], alert.minimum_distance_m === null ? "" : `from ${distance(alert.minimum_distance_m)} apart`));
    const heads = ["at least", "likely", "at most", ""].map((text) => element("th", { scope: "col" }, text));
    return element(
      "div",
      { class: "figures" },
      element("table", {}, element("thead", {}, element("tr", {}, element("td", {}), ...heads)), element("tbody", {}, ...rows)),
      ...(limit === null ? [] : [this.#gauge(alert)]),
      worked(alert),
    );
  }

  // The speed interval against the limit, on one axis from standing still to the highest bound.
  #gauge(alert) {
    const gauge = element("div", { class: "gauge", role: "img", "aria-label": alert.speed_kmh ? `at least ${speed(alert.speed_kmh[0])}, limit ${speed(alert.speed_limit_kmh)}` : "no speed: simultaneous" });
    if (!alert.speed_kmh) return gauge;
    const [low, likely, high] = alert.speed_kmh;
    const most = Math.max(high, alert.speed_limit_kmh) * 1.04;
    const at = (value) => `${(100 * value) / most}%`;
    const part = (name, left, right, text) => {
      const node = element("i", { class: `${name} ${alert.severity}` });
      node.style.left = at(left);
      if (right !== null) node.style.width = at(right - left);
      if (text) node.append(element("span", {}, text));
      return node;
    };
    gauge.append(part("allowed", 0, alert.speed_limit_kmh), part("needed", low, high), part("likely", likely, null), part("limit", alert.speed_limit_kmh, null, "limit"));
    return gauge;
  }

  #examined(alert) {
    const item = ({ name, applied }) =>
      element("li", { class: applied ? "applied" : "" }, element("span", {}, title(name)), element("span", { class: "quiet" }, applied ? "yes" : "no"));
    return element(
      "div",
      { class: "examined" },
      element("h3", {}, element("span", {}, "Excuse examined"), element("span", {}, "applies?")),
      alert.checks.length ? element("ul", {}, ...alert.checks.map(item)) : element("p", { class: "quiet" }, "This rule knows none."),
    );
  }
}

// The decisive line in full, so that it can be done again by hand.
function worked({ distance_m, elapsed_s, speed_kmh, speed_limit_kmh, fine_with_s }) {
  if (!speed_kmh || speed_limit_kmh === null) return null;
  const sign = speed_kmh[0] > speed_limit_kmh ? ">" : "≤";
  const fine = fine_with_s === null ? "" : ` With ${duration(fine_with_s)} between the two it would have been fine.`;
  const sum = `${distance(distance_m[0])} in ${duration(elapsed_s)} and the clocks' slack = ${speed(speed_kmh[0])} ${sign} ${speed(speed_limit_kmh)}.`;
  return element("p", { class: "worked" }, sum, element("span", { class: "quiet" }, fine));
}

function over({ speed_kmh, speed_limit_kmh }) {
  if (!speed_kmh) return "both at the same time";
  return speed_limit_kmh === null ? "" : `${(speed_kmh[0] / speed_limit_kmh).toFixed(1)} × the limit at the very least`;
}

function sure({ score, probability }) {
  const possible = probability === null ? "" : `, possible at most ${Math.round(probability * 100)} %`;
  return `Score ${score.toFixed(2)}${possible}`;
}
