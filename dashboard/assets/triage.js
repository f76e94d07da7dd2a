// Judging an alert: what may be done next, with a reason where one is needed, and what another did meanwhile.

import { account, send } from "./account.js";
import { ACTIONS, needsReason, statusOf, statusWord, steps, wordOf } from "./case.js";
import { element } from "./dom.js";

export class Triage extends EventTarget {
  constructor() {
    super();
    this.node = element("section", { class: "triage", "aria-label": "Judgement" });
    this.line = element("div", { class: "triage-line" });
    this.place = element("div", { class: "triage-reason" });
    this.told = element("p", { class: "triage-told", role: "status" });
    this.node.append(this.line, this.place, this.told);
    this.alert = null;
    this.case = null;
    this.known = false;
    this.may = null;
    this.busy = false;
  }

  // Asked again where the server was away.
  #askRole() {
    if (this.may !== null) return;
    account().then((who) => {
      this.may = who.may.includes("triage");
      this.#draw();
    }, () => {});
  }

  // Another alert: what was typed belongs to the one before.
  open(alert) {
    this.alert = alert;
    this.known = false;
    this.case = null;
    this.place.replaceChildren();
    this.#tell("");
    this.#askRole();
    this.#draw();
  }

  // What the store says of the case; undefined while it was not asked.
  hear(found) {
    const before = this.case?.revision ?? 0;
    if (this.known && (found?.revision ?? 0) < before) return;
    this.case = found ?? null;
    if (this.known && this.case?.revision === before) return;
    this.known = true;
    this.#draw();
  }

  // A button or a key: asks for the reason where one is needed, else does it.
  begin(to) {
    if (!this.alert || !this.known || this.busy) return;
    if (!this.may) return this.#tell("You may look and not judge: ask an administrator for the role triage.");
    const from = statusOf(this.case);
    if (!steps(from, to)) return this.#tell(`The case is ${statusWord(from)}: it cannot become ${statusWord(to)} from there.`);
    if (needsReason(from, to)) return this.#ask(to);
    return this.#decide(to, "");
  }

  #ask(to) {
    const from = statusOf(this.case);
    const word = wordOf(from, ACTIONS.find((action) => action.to === to));
    const typed = this.place.querySelector("input")?.value ?? "";
    const reason = element("input", { id: "reason", type: "text", required: true, maxlength: 500, autocomplete: "off" });
    reason.value = typed;
    const cancel = element("button", { type: "button", class: "plain" }, "Cancel");
    const form = element(
      "form",
      { "data-to": to },
      element("label", { for: "reason" }, `${word}: why?`),
      reason,
      element("button", { type: "submit", class: "main" }, word),
      cancel,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#decide(to, reason.value.trim());
    });
    cancel.addEventListener("click", () => this.#giveUp());
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#giveUp();
    });
    this.place.replaceChildren(form);
    reason.focus();
  }

  #giveUp() {
    this.place.replaceChildren();
    this.dispatchEvent(new Event("done"));
  }

  async #decide(to, reason) {
    const alert = this.alert;
    const way = steps(statusOf(this.case), to);
    if (!way) return this.#tell(`The case is ${statusWord(statusOf(this.case))} by now: choose again.`, "wrong");
    this.busy = true;
    this.#draw();
    this.#tell("");
    try {
      for (const status of way) {
        const answer = await send(`/api/cases/${encodeURIComponent(alert)}/decision`, {
          revision: this.case?.revision ?? 0,
          status,
          reason: status === to ? reason : "",
        });
        if (alert !== this.alert) return;
        if (answer.case) this.case = answer.case;
        if (answer.status !== 200) return this.#refused(answer);
      }
      this.place.replaceChildren();
      this.#tell(`Now ${statusWord(to)}.`);
      this.dispatchEvent(new CustomEvent("changed", { detail: { alert, case: this.case } }));
      this.dispatchEvent(new Event("done"));
    } catch {
      this.#tell("The dashboard did not answer: nothing is known to be written. Try again; a decision that was written is told then.", "wrong");
    } finally {
      this.busy = false;
      this.#draw();
    }
  }

  // What the other did is shown in place of what was meant; the reason that was typed stays.
  #refused({ status, error }) {
    const conflict = status === 409;
    this.#tell(conflict ? `Somebody was faster: ${error}.` : (error ?? "The dashboard refused that."), conflict ? "doubt" : "wrong");
    if (conflict) this.dispatchEvent(new CustomEvent("changed", { detail: { alert: this.alert, case: this.case } }));
  }

  #tell(text, kind = "") {
    this.told.textContent = text;
    this.told.dataset.kind = kind;
  }

  #draw() {
    const from = statusOf(this.case);
    const assignee = this.case?.assignee ? `, with ${this.case.assignee}` : "";
    const state = element("span", { class: "case-status", "data-status": this.known ? from : "unknown" }, this.known ? statusWord(from) + assignee : "asking …");
    const buttons = ACTIONS.map((action) => {
      const possible = this.known && steps(from, action.to) !== null;
      const word = wordOf(from, action);
      const button = element(
        "button",
        {
          type: "button",
          class: "plain",
          "data-to": action.to,
          disabled: !possible || !this.may || this.busy,
          title: this.may === false ? "Needs the role triage" : `${word} (${action.key})`,
          "aria-keyshortcuts": action.key,
        },
        word,
        element("kbd", { "aria-hidden": "true" }, action.key),
      );
      button.addEventListener("click", () => this.begin(action.to));
      return button;
    });
    const held = this.line.contains(document.activeElement) ? document.activeElement.dataset.to : null;
    this.line.replaceChildren(element("span", { class: "quiet" }, "Case"), state, ...buttons);
    if (this.may === false) this.line.append(element("span", { class: "quiet no-permission" }, "You may look and not judge."));
    if (held) this.line.querySelector(`[data-to="${held}"]:not(:disabled)`)?.focus();
  }
}
