// Puts the page of privacy together: asks, judges, and draws again what changed.

import { byId, element, say } from "./dom.js";
import { counted, duration, period } from "./format.js";
import { listen } from "./keyboard.js";
import { pageKeys } from "./navigation.js";
import { drawAudit, tellAge } from "./privacy_audit.js";
import { drawBudget } from "./privacy_budget.js";
import { Line } from "./privacy_line.js";
import { told } from "./privacy_parts.js";
import { drawAccount, drawSizes, drawWindows } from "./privacy_releases.js";
import { drawTrade } from "./privacy_trade.js";
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
const PANELS = [
  ["audit", (answer) => answer.audit, drawAudit],
  ["account", (answer) => answer.account, drawAccount],
  ["sizes", (answer) => answer.releases, drawSizes],
  ["trade", (answer) => answer.releases, drawTrade],
  ["budget", (answer) => answer.budget, drawBudget],
  ["windows", (answer) => answer.releases, drawWindows],
];

class Page {
  constructor(line) {
    this.line = line;
    this.tables = false;
    this.drawn = new Map();
    this.draws = 0;
    line.addEventListener("answer", () => this.refresh());
    window.setInterval(() => this.tell(), 500);
    new ResizeObserver(() => this.draw()).observe(document.querySelector(".sheet"));
    byId("tables").addEventListener("click", () => this.toggle());
    const theme = () => window.dispatchEvent(new Event("veilocity-theme-toggle"));
    byId("theme").addEventListener("click", theme);
    listen({ m: () => this.toggle(), t: theme, ...pageKeys() });
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

  // A panel is drawn again only where what it shows, its width or its form changed: nobody loses focus or a place in a table.
  draw() {
    const { answer } = this.line;
    if (!answer?.loaded) return;
    document.querySelector(".sheet").removeAttribute("aria-busy");
    for (const [name, part, paint] of PANELS) {
      const body = byId(`${name}-body`);
      // Before the styles are there nothing has its width; the observer calls again.
      if (body.clientWidth < LEAST_WIDTH) continue;
      const key = JSON.stringify([part(answer), body.clientWidth, this.tables]);
      if (this.drawn.get(name) === key) continue;
      this.drawn.set(name, key);
      this.draws += 1;
      // A copy: what is drawn may be taken apart.
      paint(body, structuredClone(part(answer)), { nowMs: this.line.nowMs, tables: this.tables });
    }
    this.#asides(answer);
  }

  tell() {
    const { state, content, ageS, answer, nowMs } = this.line;
    document.body.dataset.connection = state;
    document.body.dataset.content = content;
    byId("connection").dataset.state = state;
    say(byId("connection-word"), WORDS[state]);
    say(byId("connection-age"), ageS !== null && ageS >= 2 && state !== "connecting" ? `${duration(ageS)} ago` : "");
    if (answer?.loaded) {
      tellClock(eventClock(answer.event_ms));
      tellAge(byId("audit-body"), answer.audit, nowMs);
    }
    this.#notice(ageS);
  }

  state() {
    const { answer } = this.line;
    return {
      loaded: Boolean(answer?.loaded),
      written_ms: answer?.written_ms ?? 0,
      verdict: answer?.audit?.verdict ?? null,
      tables: this.tables,
      draws: this.draws,
    };
  }

  #asides({ audit, releases, budget }) {
    if (audit?.every_s) say(byId("audit-aside"), `every ${period(audit.every_s)}, as a thief would read the stores`);
    const windows = releases?.windows.length ?? 0;
    const cut = releases?.complete === false ? ", as far as was read" : "";
    say(byId("sizes-aside"), releases?.k ? `${releases.policy}, last ${counted(windows, "window")}${cut}` : "");
    say(byId("trade-aside"), releases?.k ? `k = ${releases.k} in force` : "");
    say(byId("windows-aside"), windows ? "newest first" : "");
    say(byId("account-aside"), "since the beginning");
    say(byId("budget-aside"), budget ? `${budget.policy}, differential privacy` : "differential privacy");
  }

  #notice(ageS) {
    const node = byId("notice");
    const [head, text] = this.#advice(ageS);
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

const line = new Line("privacy/state");
const page = new Page(line);
window.veilocity = { state: () => page.state() };
line.ask();
