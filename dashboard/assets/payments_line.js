// Asks for the view that the address names, at once when it changes, and knows which view the last answer is of.

import { PageLine } from "./page_line.js";

export class PaymentsLine extends PageLine {
  constructor(url, address, options) {
    super(url, options);
    this.address = address;
    this.sent = null;
    this.shown = null;
    address.addEventListener("change", () => this.ask());
  }

  question() {
    this.sent = this.address.query;
    return this.sent ? `${this.url}?${this.sent}` : this.url;
  }

  take(answer) {
    this.shown = this.sent;
    return answer;
  }

  // Somebody may choose while an answer is on its way: then the next question is asked at once.
  async ask() {
    await super.ask();
    if (!this.asking && this.sent !== this.address.query) await this.ask();
  }

  // Whether what is drawn is of another view than the address names.
  get waiting() {
    return this.shown !== this.address.query;
  }

  get content() {
    return this.answer?.refused ? "refused" : super.content;
  }
}
