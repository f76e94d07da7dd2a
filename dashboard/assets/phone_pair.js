// Which phone: one that begins to push while the page waits, or one whose id is typed.

import { element } from "./dom.js";
import { counted, duration, exact } from "./format.js";
import { stateWord } from "./marks.js";
import { empty, facts } from "./privacy_parts.js";
import { post } from "./post.js";
import { localSecond, when } from "./times.js";

export class PairPanel {
  constructor(line) {
    this.line = line;
    this.typed = "";
    this.wrong = "";
    this.forgotten = false;
    this.say = () => {};
    this.told = "";
  }

  draw(body, { phase, candidates, phone }, nowMs) {
    this.body = body;
    if (phase === "off") {
      body.replaceChildren(
        empty(
          "This page is off.",
          "It shows exact places, which are masked everywhere else. Where that is wanted, for a phone of your own or of somebody who agreed, set `VEILOCITY_DASHBOARD_PHONE=on` and start the dashboard again.",
        ),
      );
      return;
    }
    if (phase === "paired") this.#paired(body, phone);
    else this.#waiting(body, candidates, nowMs);
  }

  #paired(body, phone) {
    const rows = [
      ["phone", `\u2026${phone.tail}`, "Last characters of its device id."],
      ["readings", exact(phone.taken), "That came since the page was paired; none of before is shown."],
    ];
    if (phone.first_ms) rows.push(["first reading", when(phone.first_ms, localSecond(phone.first_ms), true), "When the first reading came here."]);
    if (phone.source) rows.push(["sent by", phone.source, "Protocol."]);
    const button = element("button", { class: "plain" }, "Another phone");
    button.addEventListener("click", () => this.#leave());
    const first = phone.first_ms ? `The first reading arrived at ${localSecond(phone.first_ms)}.` : "";
    if (first && this.told !== first) {
      this.told = first;
      this.say(first);
    }
    const state = phone.taken
      ? stateWord("good", first)
      : stateWord("none", "Paired. Waiting for the first reading: start a recording with HTTP Push on.");
    body.replaceChildren(element("p", { class: "pair-state" }, state), facts(rows), element("div", { class: "pair-actions" }, button));
  }

  #waiting(body, candidates, nowMs) {
    const offered = candidates.map((one) => {
      const button = element("button", { class: "main", "data-candidate": one.handle }, `\u2026${one.tail}`);
      button.addEventListener("click", () => this.#pair({ candidate: one.handle }));
      const ago = Math.max(0, Math.round((nowMs - one.began_ms) / 1_000));
      return element("li", {}, button, element("span", { class: "quiet" }, `began ${duration(ago)} ago`));
    });
    const list = offered.length
      ? [element("p", {}, `${counted(offered.length, "phone")} began to push. Choose yours by the end of its device id:`), element("ul", { class: "candidates" }, ...offered)]
      : [element("p", { class: "waiting" }, element("i", { class: "pulse", "aria-hidden": "true" }), "Waiting for a phone that begins a recording.")];
    // What somebody types survives each new answer.
    const focused = body.contains(document.activeElement) && document.activeElement.id === "device";
    const input = element("input", { id: "device", name: "device", autocomplete: "off", spellcheck: "false", maxlength: "256", placeholder: "device id" });
    input.value = this.typed;
    input.addEventListener("input", () => {
      this.typed = input.value;
    });
    const form = element(
      "form",
      { class: "typed" },
      element("label", { for: "device", class: "quiet" }, "Or type the id of a phone that pushes already:"),
      element("div", {}, input, element("button", { class: "plain", type: "submit" }, "Pair")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#pair({ device: this.typed });
    });
    body.replaceChildren(
      this.forgotten ? element("p", { class: "quiet" }, "The page was away for two minutes, so what it held was forgotten.") : "",
      element("p", { class: "consent" }, "Stop and start the recording on your phone: it is listed here. Pair a phone of your own, or one whose owner agreed; exact places are shown, in this page alone, until it closes."),
      ...list,
      form,
      this.wrong ? element("p", { class: "wrong", role: "alert" }, this.wrong) : "",
    );
    if (focused) input.focus();
  }

  async #pair(body) {
    this.wrong = "";
    try {
      await post("phone/pair", body, { headers: this.line.viewer });
      this.typed = "";
      this.forgotten = false;
      await this.line.ask();
    } catch (cause) {
      this.wrong = `${cause.message.charAt(0).toUpperCase()}${cause.message.slice(1)}.`;
      this.draw(this.body, { phase: "waiting", candidates: this.line.answer.candidates }, this.line.nowMs);
    }
  }

  async #leave() {
    this.line.leave();
    this.forgotten = false;
    this.told = "";
    await this.line.enter();
  }
}
