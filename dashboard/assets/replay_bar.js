// The strip that plays a stretch of time again: play, pause, speed, a slider, and jumps from alert to alert.

import { byId, element, say } from "./dom.js";
import { settled } from "./filter.js";
import { count } from "./format.js";
import { get } from "./get.js";
import { Replay } from "./replay.js";
import { inUtc, localMinute } from "./times.js";

const HOUR_MS = 3_600_000;
const MOST = 20_000;
const TICK_MS = 250;
const SPEEDS = [[60, "1 min/s"], [300, "5 min/s"], [1_800, "30 min/s"], [7_200, "2 h/s"]];

export class ReplayBar {
  constructor(view, stateChanged) {
    this.view = view;
    this.changed = stateChanged;
    this.node = byId("replay");
    this.replay = null;
    this.playing = false;
    this.at = 0;
    this.turn = 0;
    window.setInterval(() => this.#tick(), TICK_MS);
  }

  get open() {
    return !this.node.hidden;
  }

  toggle() {
    if (this.open) this.close();
    else this.#begin();
  }

  close() {
    this.turn += 1;
    this.node.hidden = true;
    this.playing = false;
    this.replay = null;
    this.view.play(null);
    this.changed();
  }

  press() {
    if (!this.replay) return;
    if (this.at >= this.replay.until) this.#show(this.replay.since);
    this.playing = !this.playing;
    this.#draw();
  }

  jump(by) {
    const ms = this.replay?.jump(this.at, by) ?? null;
    if (ms !== null) this.#show(ms);
  }

  // The filter's time, else the hour before the newest event.
  async #begin() {
    const turn = ++this.turn;
    this.node.hidden = false;
    this.changed();
    const eventMs = this.view.store.progress?.event_ms ?? 0;
    const { since, until } = settled(this.view.filter, eventMs);
    const end = Number(until ?? eventMs + 60_000);
    const begin = Number(since ?? Math.max(0, end - HOUR_MS));
    this.#word("Reading what happened …");
    const found = [];
    let cursor = "";
    while (cursor !== null && found.length < MOST) {
      const answer = await get(`/replay?since=${begin}&until=${end}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      if (turn !== this.turn) return;
      if (!answer.body) return this.#word(`The replay cannot be read. ${answer.error}`);
      found.push(...answer.body.items);
      cursor = answer.body.next;
      this.#word(`Reading what happened: ${count(found.length)} so far …`);
    }
    if (!found.length) return this.#word("Nothing happened in this time: choose another with the filter (/).");
    this.complete = cursor === null;
    this.replay = new Replay(found);
    this.#build();
    this.#show(this.replay.since);
  }

  #word(text) {
    const close = button("Close", "Back to what happens now", () => this.close());
    this.node.replaceChildren(element("span", { role: "status" }, text), close);
  }

  #build() {
    const { since, until } = this.replay;
    this.play = button("Play", "Play or pause (space)", () => this.press());
    this.speed = element("select", { "aria-label": "Speed of the replay" }, ...SPEEDS.map(([value, text]) => element("option", { value }, text)));
    this.speed.value = String(SPEEDS[1][0]);
    this.slider = element("input", { type: "range", min: since, max: Math.max(until, since + 60_000), step: 60_000, "aria-label": "Time of the replay" });
    this.slider.addEventListener("input", () => this.#show(Number(this.slider.value)));
    this.clock = element("time", {});
    this.node.replaceChildren(
      this.play,
      button("◂ alert", "The alert before ([)", () => this.jump(-1)),
      button("alert ▸", "The next alert (])", () => this.jump(1)),
      this.slider,
      this.clock,
      this.speed,
      button("Close", "Back to what happens now", () => this.close()),
      element("span", { class: "quiet" }, this.complete ? "Places are those of payments and alerts." : `Only the first ${count(MOST)} are played.`),
    );
  }

  #tick() {
    if (!this.playing || !this.replay) return;
    this.#show(Math.min(this.replay.until, this.at + Number(this.speed.value) * TICK_MS));
    if (this.at >= this.replay.until) this.playing = false;
    this.#draw();
  }

  #show(ms) {
    this.at = ms;
    const { picture, paid } = this.replay.at(ms);
    this.view.play(picture, paid);
    this.#draw();
  }

  #draw() {
    say(this.play, this.playing ? "Pause" : "Play");
    this.slider.value = String(this.at);
    this.slider.setAttribute("aria-valuetext", localMinute(this.at));
    say(this.clock, localMinute(this.at));
    this.clock.title = inUtc(this.at);
  }
}

function button(text, hint, work) {
  const node = element("button", { type: "button", class: "plain", title: hint }, text);
  node.addEventListener("click", work);
  return node;
}
