// The line of the page of privacy: filled once there is a payment or an audit.

import { PageLine } from "./page_line.js";

export class Line extends PageLine {
  constructor(url) {
    super(url, { content: (answer) => (answer.account || answer.audit.verdict !== "never" ? "filled" : "empty") });
  }
}
