// What the pages without a map share: panels that are drawn again where they changed, the pill, the banner, the keys.

import { byId, element, say } from "./dom.js";
import { duration } from "./format.js";
import { listen } from "./keyboard.js";
import { pageKeys } from "./navigation.js";
import { told } from "./privacy_parts.js";
import { eventClock, tellClock } from "./times.js";

const WORDS = {
  connecting: "connecting",
  live: "live",
  stale: "stale",
  disconnected: "disconnected",
  "store-down": "store down",
  forbidden: "no permission",
};
const LEAST_WIDTH = 160;

export class Page {
  // panels: [name, part of the answer, paint(body, part, {nowMs, tables, page})]; keys: further single keys.
  constructor(line, panels, { keys = {}, asides = () => ({}), clock = ({ event_ms }) => eventClock(event_ms), advice = () => null, words = {} } = {}) {
    this.line = line;
    this.panels = panels;
    this.asides = asides;
    this.clock = clock;
    this.advice = advice;
    this.words = { ...WORDS, ...words };
    this.tables = false;
    this.drawn = new Map();
    this.draws = 0;
    line.addEventListener("answer", () => this.refresh());
    window.setInterval(() => this.tell(), 500);
    new ResizeObserver(() => this.draw()).observe(document.querySelector(".sheet"));
    byId("tables").addEventListener("click", () => this.toggle());
    const theme = () => window.dispatchEvent(new Event("veilocity-theme-toggle"));
    byId("theme").addEventListener("click", theme);
    listen({ m: () => this.toggle(), t: theme, ...keys, ...pageKeys() });
  }

  toggle() {
    this.tables = !this.tables;
    byId("tables").setAttribute("aria-pressed", String(this.tables));
    this.draw();
  }

  refresh() {
    this.draw();
    this.tell();
  }

  // Draw everything anew with the next answer: what a panel shows depends on more than the answer.
  forget(name) {
    this.drawn.delete(name);
    this.draw();
  }

  // A panel is drawn again only where what it shows, its width or its form changed: nobody loses focus or a place in a table.
  draw() {
    const { answer } = this.line;
    if (!answer?.loaded) return;
    document.querySelector(".sheet").removeAttribute("aria-busy");
    for (const [name, part, paint] of this.panels) {
      const body = byId(`${name}-body`);
      // Before the styles are there nothing has its width; the observer calls again.
      if (body.clientWidth < LEAST_WIDTH) continue;
      const key = JSON.stringify([part(answer), body.clientWidth, this.tables]);
      if (this.drawn.get(name) === key) continue;
      this.drawn.set(name, key);
      this.draws += 1;
      // A copy: what is drawn may be taken apart.
      paint(body, structuredClone(part(answer)), { nowMs: this.line.nowMs, tables: this.tables, page: this });
    }
    for (const [name, text] of Object.entries(this.asides(answer))) say(byId(`${name}-aside`), text);
  }

  tell() {
    const { state, content, ageS, answer } = this.line;
    document.body.dataset.connection = state;
    document.body.dataset.content = content;
    byId("connection").dataset.state = state;
    say(byId("connection-word"), this.words[state]);
    const old = ageS !== null && ageS >= 2 && !["connecting", "forbidden"].includes(state);
    say(byId("connection-age"), old ? `${duration(ageS)} ago` : "");
    if (answer?.loaded) {
      tellClock(this.clock(answer));
    }
    this.#notice(ageS);
  }

  #notice(ageS) {
    const node = byId("notice");
    const [head, text] = this.advice(this.line) ?? this.#advice(ageS);
    node.hidden = !head;
    if (node.dataset.text === head + text) return;
    node.dataset.text = head + text;
    node.replaceChildren(element("strong", {}, head), " ", ...told(text));
  }

  #advice(ageS) {
    const since = ageS === null ? "" : `What you see is ${duration(ageS)} old. `;
    const { state, answer } = this.line;
    switch (state) {
      case "forbidden":
        return ["You may not see this page.", "Ask an administrator for the role that it needs, or sign in as somebody who has it."];
      case "disconnected":
        return ["No connection to the dashboard.", `${since}Trying again every few seconds; if it stays so, is the dashboard running?`];
      case "store-down":
        return ["The store does not answer.", `${since}The page ${answer.loaded ? "catches up by itself" : "fills as soon as it does"}.`];
      case "stale":
        return [`Nothing new for ${duration(ageS)}.`, "Either nobody sends, or a stage stands still: `veilocity doctor` says which."];
      default:
        return ["", ""];
    }
  }
}
