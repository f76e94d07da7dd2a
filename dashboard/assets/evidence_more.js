// What the store alone knows of an alert: its person's time line, related alerts, and who did what to the case.

import { statusWord } from "./case.js";
import { element, glyph } from "./dom.js";
import { timeline } from "./evidence_timeline.js";
import { route, why } from "./format.js";
import { answering, get } from "./get.js";
import { when } from "./times.js";

const AGAIN_MS = 10_000;

export class EvidenceMore extends EventTarget {
  // pick(id): another alert of the person was chosen.
  constructor(places, pick) {
    super();
    this.places = places;
    this.pick = pick;
    this.node = element("div", { class: "evidence-more" });
    this.alert = null;
    this.drawn = "";
    window.setInterval(() => this.alert && answering() && this.ask(), AGAIN_MS);
  }

  open(alert) {
    this.alert = alert;
    this.drawn = "";
    if (!alert) return this.node.replaceChildren();
    this.node.replaceChildren(element("p", { class: "quiet", "aria-busy": "true" }, "Asking the store for this person's time line …"));
    return this.ask();
  }

  async ask() {
    const alert = this.alert;
    const id = encodeURIComponent(alert);
    const [evidence, history] = await Promise.all([get(`/evidence?alert=${id}`), get(`/api/cases/${id}/history`)]);
    if (alert !== this.alert) return;
    if (!evidence.body) return this.#failed(evidence);
    const text = JSON.stringify([evidence.body, history.body]);
    this.dispatchEvent(new CustomEvent("case", { detail: { alert, case: evidence.body.case, evidence: evidence.body } }));
    if (text === this.drawn) return;
    this.drawn = text;
    this.#draw(evidence.body, history);
  }

  // What was drawn before stays: the state of the line is told in the bar.
  #failed({ status, error }) {
    if (this.drawn) return;
    const head = status === 403 ? "You may not see this." : status === 0 ? "No connection to the dashboard." : "The time line cannot be shown.";
    const again = element("button", { type: "button", class: "plain" }, "Try again");
    again.addEventListener("click", () => this.open(this.alert));
    this.node.replaceChildren(element("p", { class: "evidence-failed" }, element("strong", {}, head), ` ${error} `, again));
  }

  #draw(evidence, history) {
    const open = this.node.querySelector("details")?.open ?? false;
    this.node.replaceChildren(timeline(evidence, this.places, this.pick), this.#related(evidence), trail(history));
    const details = this.node.querySelector("details");
    if (details) details.open = open;
  }

  #related({ related }) {
    const item = (alert) => {
      const button = element(
        "button",
        { type: "button", class: "related" },
        glyph(alert.severity, alert.state),
        element("b", { class: `severity ${alert.severity}` }, alert.severity),
        element("span", {}, `${why(alert)}, ${route(alert, this.places)}`),
        when(alert.second.minute_ms),
      );
      button.addEventListener("click", () => this.pick(alert.id));
      return element("li", {}, button);
    };
    const list = related.length
      ? element("ul", {}, ...related.slice(0, 12).map(item))
      : element("p", { class: "quiet" }, "No other alert of this person within a day of it.");
    const more = related.length > 12 ? element("p", { class: "quiet" }, `and ${related.length - 12} more on the time line`) : null;
    return element("section", { class: "related-alerts", "aria-label": "Related alerts" }, element("h3", {}, "Related alerts"), list, more);
  }
}

// Who did what, newest last; requests for sealed evidence are part of it.
function trail({ body, error }) {
  const head = element("h3", {}, "Who did what");
  const box = (...children) => element("section", { class: "trail", "aria-label": "History of the case" }, head, ...children);
  if (!body) return box(element("p", { class: "quiet" }, error));
  const entries = [
    ...body.events.map((event) => ({ ms: event.written_ms, who: event.author, what: deed(event), why: [event.reason, event.note].filter(Boolean).join(". ") })),
    ...body.unmaskings.map((one) => ({ ms: one.written_ms, who: one.author, what: `asked for the sealed evidence: ${statusWord(one.outcome)}`, why: one.reason ?? "" })),
  ].sort((a, b) => a.ms - b.ms);
  if (!entries.length) return box(element("p", { class: "quiet" }, "Nobody has touched this alert. Press ", element("kbd", {}, "a"), " to acknowledge it."));
  const item = ({ ms, who, what, why: reason }) =>
    element("li", {}, when(ms), element("b", {}, who), element("span", {}, what), reason ? element("q", {}, reason) : null);
  return box(element("ol", {}, ...entries.map(item)));
}

function deed({ before, after, assignee }) {
  if (before !== after) return `${statusWord(before)} → ${statusWord(after)}`;
  return assignee ? `assigned to ${assignee}` : "noted";
}
