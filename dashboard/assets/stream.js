// The line to the server: opens, notices silence, comes back where it left off.

const RETRY_MS = 1_500;
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
    this.dispatchEvent(new Event("line"));
  }

  #heard(kind, event) {
    this.heardAt = performance.now();
    if (event.lastEventId) this.lastId = event.lastEventId;
    this.dispatchEvent(new CustomEvent("message", { detail: { kind, body: JSON.parse(event.data) } }));
  }

  #lost() {
    this.source.close();
    this.open = false;
    this.failures += 1;
    // Jitter, so that many pages do not come back in the same moment.
    const wait = RETRY_MS * (0.75 + Math.random() / 2);
    this.retryAt = performance.now() + wait;
    this.timer = window.setTimeout(() => this.connect(), wait);
    this.dispatchEvent(new Event("line"));
  }

  #watch() {
    if (this.open && performance.now() - this.heardAt > SILENCE_MS) this.#lost();
  }
}
