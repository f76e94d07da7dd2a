// The arithmetic of one alert: what was measured, what it would have taken, and which excuses were examined.

import { byId, element, glyph } from "./dom.js";
import { distance, duration, minute, moment, short, speed, title, told, where, why } from "./format.js";

export class Evidence {
  constructor(places) {
    this.places = places;
    this.node = byId("evidence");
    this.shown = "";
    this.show(null);
  }

  show(alert) {
    const key = alert ? `${alert.id} ${alert.revision}` : "none";
    if (key === this.shown) return;
    this.shown = key;
    this.node.dataset.alertId = alert?.id ?? "";
    this.node.replaceChildren(...(alert ? this.#full(alert) : [this.#empty()]));
  }

  #empty() {
    const key = (name) => element("kbd", {}, name);
    return element(
      "p",
      { class: "evidence-empty" },
      "Choose an alert to see its evidence: ",
      key("j"),
      key("k"),
      " next and previous, ",
      key("Enter"),
      " evidence, ",
      key("Esc"),
      " back, ",
      key("1"),
      " world, ",
      key("2"),
      " city, ",
      key("m"),
      " table, ",
      key("t"),
      " dark or light.",
    );
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

  #facts(alert) {
    const end = (observation) => where(observation, this.places) + (observation.place ? `, ±${distance(observation.accuracy_m)}` : "");
    const kinds = { fix: "phone", "card-present": "card", atm: "cash machine", "e-commerce": "payment", recurring: "payment" };
    const facts = [
      ["From", end(alert.first), `${kinds[alert.first.kind]} ${minute(alert.first.minute_ms)}`, moment(alert.first.minute_ms)],
      ["To", end(alert.second), `${kinds[alert.second.kind]} ${minute(alert.second.minute_ms)}`, moment(alert.second.minute_ms)],
      ["Person", short(alert.subject), "masked", "A keyed token: the same person has the same one, nobody can turn it back without the key."],
      ["Seen", alert.episode.count === 1 ? "once" : `${alert.episode.count} times`, `since ${minute(alert.episode.first_ms)}`, moment(alert.episode.first_ms)],
    ];
    return element(
      "dl",
      { class: "facts" },
      ...facts.map(([name, value, note, hover]) =>
        element("div", { title: hover }, element("dt", {}, name), element("dd", {}, value, element("span", { class: "quiet" }, note))),
      ),
    );
  }

  // Only what the rule knows: a limit where it has one, a speed where time passed.
  #figures(alert) {
    const row = (name, figures, note, kind) =>
      element("tr", { class: kind, title: note }, element("th", { scope: "row" }, name), ...figures.map((text) => element("td", {}, text)), element("td", { class: "quiet" }, note));
    const limit = alert.speed_limit_kmh;
    const fine = alert.fine_with_s === null ? "" : `fine with ${duration(alert.fine_with_s)} or more`;
    const rows = [
      row("Distance", alert.distance_m.map(distance), "minus and plus both accuracies"),
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

function over({ speed_kmh, speed_limit_kmh }) {
  if (!speed_kmh) return "both at the same time";
  return speed_limit_kmh === null ? "" : `${(speed_kmh[0] / speed_limit_kmh).toFixed(1)} × the limit at the very least`;
}

function sure({ score, probability }) {
  const possible = probability === null ? "" : `, possible at most ${Math.round(probability * 100)} %`;
  return `Score ${score.toFixed(2)}${possible}`;
}
