// Puts the page of the phone together: enters, pairs, draws what came since, and is forgotten when it closes.

import { byId, element } from "./dom.js";
import { counted, exact } from "./format.js";
import { Page } from "./page.js";
import { PageLine } from "./page_line.js";
import { ConnectPanel } from "./phone_connect.js";
import { drawGauges } from "./phone_gauges.js";
import { PhoneLines } from "./phone_lines.js";
import { PhoneMap } from "./phone_map.js";
import { PairPanel } from "./phone_pair.js";
import { drawLatest } from "./phone_latest.js";
import { Places } from "./places.js";
import { post } from "./post.js";
import { inUtc, localSecond, zone } from "./times.js";

const EVERY_MS = 1_000;
const HOUR_MS = 3_600_000;

class PhoneLine extends PageLine {
  constructor() {
    super("phone/state", { everyMs: EVERY_MS, headers: () => this.viewer, content: ({ phase }) => phase });
    this.name = "";
    this.entering = null;
    this.path = "";
    this.readings = [];
    this.newest = 0;
  }

  get viewer() {
    return this.name ? { "Veilocity-Viewer": this.name } : {};
  }

  question() {
    return `${this.url}?after=${this.newest}`;
  }

  take(answer) {
    if (answer.path !== this.path) {
      const before = this.newest;
      [this.path, this.readings, this.newest] = [answer.path, [], 0];
      // Asked after a number of the phone before: what is missing comes with the next answer.
      if (before) return { ...answer, readings: [] };
    }
    const { columns } = answer;
    for (const row of answer.readings) this.readings.push(Object.fromEntries(columns.map((name, index) => [name, row[index]])));
    if (answer.readings.length) {
      this.newest = Math.max(this.newest, ...answer.readings.map(([number]) => number));
      this.readings.sort((a, b) => a.at_ms - b.at_ms || a.number - b.number);
      const horizon = this.readings.at(-1).at_ms - HOUR_MS;
      this.readings = this.readings.slice(-answer.most).filter(({ at_ms }) => at_ms >= horizon);
    }
    return answer;
  }

  // The first thing a page does; and again after it was forgotten.
  async enter() {
    this.entering ??= post("phone/enter").then(
      ({ viewer }) => {
        this.name = viewer;
        this.trouble = "";
      },
      (cause) => {
        this.trouble = cause.message;
      },
    ).finally(() => {
      this.entering = null;
    });
    await this.entering;
    await this.ask();
  }

  leave() {
    if (this.name) post("phone/leave", {}, { headers: this.viewer, keepalive: true }).catch(() => {});
    this.name = "";
  }

  get state() {
    const judged = super.state;
    if (judged === "live" && this.answer?.phase === "off") return "off";
    if (judged === "store-down" && this.answer?.phase === "off") return "off";
    return judged;
  }
}

const line = new PhoneLine();
const places = new Places();
const time = new EventTarget(); // the moment that is pointed at, told to map and lines alike
const map = new PhoneMap(places, time);
const lines = new PhoneLines(time);
const connect = new ConnectPanel();
const pair = new PairPanel(line);

const path = ({ phase }) => ({ phase, number: line.newest, count: line.readings.length });
const PANELS = [
  ["pair", ({ phase, candidates, phone, now_ms }) => ({ phase, candidates, phone, minute: Math.floor(now_ms / 5_000) }), (body, part) => pair.draw(body, part, line.nowMs)],
  ["connect", ({ phase }) => phase, (body, phase) => connect.draw(body, phase)],
  ["map", path, (body, _, { tables }) => map.draw(body, line.readings, { tables })],
  ["gauges", path, (body, _, { tables }) => drawGauges(body, line.readings, { tables })],
  ["lines", path, (body, _, { tables }) => lines.draw(body, line.readings, { tables })],
  ["latest", path, (body) => drawLatest(body, line.readings)],
];

function asides({ phone }) {
  return {
    pair: "exact places, for who holds the phone",
    map: phone?.taken ? `${counted(line.readings.length, "reading")} of the last hour, exact` : "",
    lines: phone?.taken ? "as the phone tells them" : "",
    latest: phone?.taken ? `${exact(phone.taken)} since the page was paired` : "",
  };
}

function clock() {
  const last = line.readings.at(-1);
  if (!last) return ["\u2013", "last reading", "When the phone was at the last place shown."];
  return [localSecond(last.at_ms), "last reading", `${inUtc(last.at_ms, true)}. When the phone was at the last place shown, by its own clock. Times are those of ${zone()}.`];
}

function advice({ state, answer, trouble }) {
  if (state === "forbidden" || state === "disconnected") return null;
  if (trouble) return ["This page could not enter.", `${trouble.charAt(0).toUpperCase()}${trouble.slice(1)}.`];
  if (!answer) return ["", ""];
  if (answer.phase === "off") return ["", ""];
  if (state === "store-down") return ["Kafka does not answer.", "Readings come from it; the page goes on by itself as soon as it does."];
  if (state === "stale") return ["The phone is silent.", "Is the app still recording, and in the same network? Its path stays until the page closes."];
  return ["", ""];
}

const page = new Page(line, PANELS, { asides, clock, advice, words: { off: "off", "store-down": "Kafka down" } });

line.addEventListener("answer", () => {
  const { answer } = line;
  if (!answer) return;
  const shown = answer.phase === "paired" && line.readings.length ? "following" : answer.phase;
  if (document.body.dataset.phase !== shown) {
    document.body.dataset.phase = shown;
    page.draw();
  }
  const hidden = answer.phase === "gone" && line.name;
  if (answer.phase === "gone" && !line.entering && !line.trouble) {
    if (hidden) pair.forgotten = true;
    line.enter();
  }
});
window.addEventListener("pagehide", () => line.leave());
window.addEventListener("pageshow", (event) => event.persisted && line.enter());
document.body.append(element("div", { id: "announcer", class: "for-readers", role: "log", "aria-live": "polite" }));
pair.say = (text) => {
  byId("announcer").textContent = text;
};
window.veilocity = {
  state: () => ({
    loaded: Boolean(line.answer?.loaded),
    phase: line.answer?.phase ?? "",
    entered: Boolean(line.name),
    readings: line.readings.length,
    candidates: line.answer?.candidates?.length ?? 0,
    tables: page.tables,
    draws: page.draws,
  }),
};
connect.load();
line.ask();
places.load("assets/geo/places.json").then(() => page.forget("map"), () => {});
