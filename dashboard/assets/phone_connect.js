// How a phone finds the gateway: the steps, the address, the token when it is asked for, and the same as a code.

import { element } from "./dom.js";
import { empty, told } from "./privacy_parts.js";
import { post } from "./post.js";

export class ConnectPanel {
  constructor() {
    this.way = null;
    this.number = 0;
    this.secret = false;
    this.code = null;
    this.trouble = "";
    this.body = null;
  }

  async load() {
    try {
      const answer = await fetch("phone/connect", { cache: "no-store", signal: AbortSignal.timeout(8_000) });
      if (!answer.ok) return;
      this.way = await answer.json();
      if (this.phase && this.phase !== "off") await this.#ask();
    } catch {
      return; // the line says that nobody answers, and a reload asks again
    }
    this.#paint();
  }

  draw(body, phase) {
    this.body = body;
    const before = this.phase;
    this.phase = phase;
    if (phase !== "off" && this.way && !this.code && before !== phase) this.#ask();
    this.#paint();
  }

  async #ask() {
    if (!this.way?.addresses.length) return;
    try {
      this.code = await post("phone/code", { address: this.number, token: this.secret });
      this.trouble = "";
    } catch (cause) {
      this.trouble = cause.message;
    }
    this.#paint();
  }

  #paint() {
    const { body, way } = this;
    if (!body) return;
    if (this.phase === "off") {
      body.replaceChildren(empty("Nothing to connect.", "Phones push to the gateway whether this page is on or off; `docs/http-api.md` says how."));
      return;
    }
    if (!way) return;
    if (!way.addresses.length) {
      body.replaceChildren(empty("This machine is in no network.", "Connect it to the network of the phone, or set `VEILOCITY_INGEST_PUBLIC_URL` to the address at which phones reach the gateway."));
      return;
    }
    const focus = body.contains(document.activeElement) ? document.activeElement.id : "";
    body.replaceChildren(...[this.#warning(), element("div", { class: "connect" }, this.#picture(), element("div", {}, this.#fields(), this.#steps()))].filter(Boolean));
    if (focus) document.getElementById(focus)?.focus();
  }

  #warning() {
    const { reachable, needs_token, host_setting } = this.way;
    if (!reachable) {
      return element(
        "p",
        { class: "advice loud" },
        ...told(`The gateway listens on \`${host_setting}\`, which no phone reaches. Start it with \`VEILOCITY_INGEST_HOST=0.0.0.0\` and a token in \`VEILOCITY_INGEST_TOKEN\`.`),
      );
    }
    return needs_token ? null : element("p", { class: "advice loud" }, ...told("The gateway asks for no token: everybody in this network may push."));
  }

  #picture() {
    const box = element("div", { class: "code" });
    if (this.code) {
      const svg = new DOMParser().parseFromString(this.code.svg, "image/svg+xml").documentElement;
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", `QR code with the settings for Sensor Logger: ${this.code.url}`);
      box.append(document.importNode(svg, true));
    }
    const words = this.code?.token ? "Holds address and token." : this.way.needs_token ? "Holds the address; the token is typed." : "Holds the address.";
    return element("figure", {}, box, element("figcaption", { class: "quiet" }, words));
  }

  #fields() {
    const { addresses, needs_token } = this.way;
    const choice = element("select", { id: "address", "aria-label": "Push URL" }, ...addresses.map(({ url, about }, index) => element("option", { value: String(index), selected: index === this.number }, `${url} (${about})`)));
    choice.addEventListener("change", () => {
      this.number = Number(choice.value);
      this.#ask();
    });
    const { url } = addresses[this.number] ?? addresses[0];
    const rows = [element("dt", {}, "Push URL"), element("dd", {}, element("code", { class: "long" }, url), copy(url, "Push URL"))];
    if (addresses.length > 1) rows.push(element("dt", {}, "Network"), element("dd", {}, choice));
    if (needs_token) {
      const shown = this.code?.token;
      const button = element("button", { id: "token", class: "plain", "aria-pressed": String(Boolean(shown)) }, shown ? "Hide the token" : "Show the token");
      button.addEventListener("click", () => {
        this.secret = !this.secret;
        this.#ask();
      });
      rows.push(element("dt", {}, "Auth Token"), element("dd", {}, shown ? element("code", { class: "long" }, this.code.token) : element("span", { class: "quiet" }, "hidden"), button));
    }
    return element("dl", { class: "fields" }, ...rows);
  }

  #steps() {
    const token = this.way.needs_token ? " and the token as Auth Token" : "";
    const steps = [
      "Install `Sensor Logger` and bring the phone into the same network; guest networks often keep phones apart.",
      `Scan the code with the phone's camera and let the app take its settings over. Or type them: Settings, Data Streaming, HTTP Push, with the Push URL${token}.`,
      "Switch the sensor Location on, and allow the app to use the place while it records.",
      "Press `Tap to Test Pushing`: the answer must be 200.",
      "Start a recording. The panel beside says when the first reading arrived.",
    ];
    return element("ol", { class: "steps" }, ...steps.map((step) => element("li", {}, ...told(step))), this.trouble ? element("li", { class: "wrong" }, this.trouble) : "");
  }
}

function copy(text, what) {
  // Only where the browser allows it: over plain HTTP on another host it does not.
  if (!navigator.clipboard) return "";
  const button = element("button", { class: "plain", "aria-label": `Copy ${what}` }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text).then(() => {
      button.textContent = "Copied";
    }, () => {});
  });
  return button;
}
