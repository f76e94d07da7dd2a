// The line to the server: opens, notices silence, comes back where it left off.

const RETRY_MS = 1_500;
const REFUSED_MS = 10_000;
const SILENCE_MS = 16_000; // three heartbeats of five seconds, and some

export class Stream extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    this.lastId = "";
    this.open = false;
    this.failures = 0;
    this.heardAt = performance.now();
    this.retryAt = 0;
    this.refusal = null; // { status, reason, sentence }: the dashboard answers, and does not let this page in
    this.source = null;
    this.timer = 0;
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    window.setInterval(() => this.#watch(), 2_000);
  }

  connect() {
    window.clearTimeout(this.timer);
    this.source?.close();
    this.heardAt = performance.now();
    // A new EventSource carries no Last-Event-ID header, so the id goes into the address.
    const source = new EventSource(`${this.url}?last=${encodeURIComponent(this.lastId)}`);
    this.source = source;
    source.addEventListener("open", () => this.#opened());
    source.addEventListener("error", () => this.#lost());
    for (const kind of ["status", "snapshot", "delta"]) {
      source.addEventListener(kind, (event) => this.#heard(kind, event));
    }
  }

  // Somebody is looking again, or the network is back: do not wait for the timer.
  hurry() {
    if (!this.open && this.failures > 0) this.connect();
  }

  #opened() {
    this.open = true;
    this.failures = 0;
    this.refusal = null;
    this.dispatchEvent(new Event("line"));
  }

  #heard(kind, event) {
    this.heardAt = performance.now();
    if (event.lastEventId) this.lastId = event.lastEventId;
    this.dispatchEvent(new CustomEvent("message", { detail: { kind, body: JSON.parse(event.data) } }));
  }

  #lost() {
    const refused = !this.open && this.source.readyState === EventSource.CLOSED;
    this.source.close();
    this.open = false;
    this.failures += 1;
    if (!refused) this.refusal = null;
    // Jitter, so that many pages do not come back in the same moment.
    const wait = (refused ? REFUSED_MS : RETRY_MS) * (0.75 + Math.random() / 2);
    this.retryAt = performance.now() + wait;
    this.timer = window.setTimeout(() => this.connect(), wait);
    this.dispatchEvent(new Event("line"));
    if (refused) this.#askWhy();
  }

  // A browser keeps to itself why a stream was refused.
  async #askWhy() {
    try {
      const answer = await fetch(this.url, { cache: "no-store", signal: AbortSignal.timeout(4_000) });
      if (answer.ok) return void answer.body?.cancel();
      const [kind, text] = [answer.headers.get("Content-Type") ?? "", (await answer.text()).trim()];
      const told = kind.includes("json") ? JSON.parse(text) : { error: kind.startsWith("text/plain") ? text : "" };
      this.refusal = { status: answer.status, reason: told.reason, sentence: told.error || `It answers ${answer.status}.` };
    } catch {
      this.refusal = null; // it does not answer at all
    }
    this.dispatchEvent(new Event("line"));
  }

  #watch() {
    if (this.open && performance.now() - this.heardAt > SILENCE_MS) this.#lost();
  }
}
