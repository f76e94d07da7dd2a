// How far what is shown can be trusted, always in words: connecting, live, stale, disconnected, store down.

import { byId, element, say } from "./dom.js";
import { count, duration } from "./format.js";
import { eventClock, tellClock } from "./times.js";

const WORDS = { connecting: "connecting", live: "live", stale: "stale", disconnected: "disconnected", "store-down": "store down", forbidden: "no permission" };
const FORBIDDEN = [401, 403];

export class Status {
  constructor(store, stream) {
    this.store = store;
    this.stream = stream;
    this.server = null;
    this.heardAt = 0;
    this.state = "connecting";
    stream.addEventListener("line", () => this.refresh());
    store.addEventListener("change", () => this.refresh());
    window.setInterval(() => this.refresh(), 500);
  }

  hear(status) {
    this.server = status;
    this.heardAt = performance.now();
    this.refresh();
  }

  // Age of the picture in seconds by the server's clock, so that a wrong clock here cannot make old news look fresh.
  ageS() {
    const written = this.store.progress?.written_ms;
    if (!written || !this.server) return null;
    return Math.max(0, (this.server.now_ms - written + performance.now() - this.heardAt) / 1_000);
  }

  judge() {
    if (FORBIDDEN.includes(this.stream.refusal?.status)) return "forbidden";
    if (this.stream.refusal?.reason === "store_unavailable") return "store-down";
    if (!this.stream.open) return this.stream.failures > 0 ? "disconnected" : "connecting";
    if (this.server?.store === "down") return "store-down";
    if (!this.server || !this.store.loaded) return "connecting";
    const age = this.ageS();
    return age !== null && age > this.server.stale_s ? "stale" : "live";
  }

  refresh() {
    this.state = this.judge();
    document.body.dataset.connection = this.state;
    document.body.dataset.content = this.#content();
    const pill = byId("connection");
    if (!pill) return;
    pill.dataset.state = this.state;
    say(byId("connection-word"), WORDS[this.state]);
    const age = this.ageS();
    say(byId("connection-age"), age !== null && age >= 2 && this.state !== "connecting" ? `${duration(age)} ago` : "");
    this.#counters();
    this.#notice(age);
  }

  #content() {
    if (!this.store.loaded) return "loading";
    return this.store.people.size || this.store.alerts.size || this.store.payments.size ? "filled" : "empty";
  }

  #counters() {
    const progress = this.store.progress;
    if (!this.store.loaded) return;
    const values = {
      people: this.store.people.size,
      payments: progress?.transactions ?? 0,
      alerts: progress?.alerts ?? 0,
      released: progress?.released ?? 0,
      suppressed: progress?.suppressed ?? 0,
      pending: progress?.pending ?? 0,
    };
    for (const [name, value] of Object.entries(values)) say(byId(`count-${name}`), count(value));
    tellClock(eventClock(progress?.event_ms));
  }

  #notice(age) {
    const node = byId("notice");
    const [head, text] = this.#advice(age);
    node.hidden = !head;
    if (node.dataset.text === head + text) return;
    node.dataset.text = head + text;
    // What stands between back quotes is a command.
    const parts = text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
    node.replaceChildren(element("strong", {}, head), element("span", {}, ...parts));
  }

  #advice(age) {
    const since = age === null ? "" : ` What you see is ${duration(age)} old.`;
    switch (this.state) {
      case "forbidden":
        return ["You may not see this page.", " Ask an administrator for the role that it needs, or sign in as somebody who has it."];
      case "disconnected":
        if (this.stream.refusal) return ["The dashboard lets this page wait.", ` ${this.stream.refusal.sentence}`];
        return ["No connection to the dashboard.", `${since} Trying again every few seconds; if it stays so, is the dashboard running?`];
      case "store-down":
        return ["The store does not answer.", this.store.loaded ? `${since} The page catches up by itself.` : " The page fills as soon as it does."];
      case "stale":
        return [`Nothing new for ${duration(age)}.`, " Either nobody sends, or a stage stands still: `veilocity doctor` says which."];
      case "live":
        return this.#content() === "empty"
          ? ["Nothing has arrived yet.", " Push from a phone, or run `veilocity simulate` to watch a made-up city."]
          : ["", ""];
      default:
        return ["", ""];
    }
  }
}
