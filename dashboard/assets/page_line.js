// Asks the server what a page shows, every few seconds while somebody looks, and judges how far the answer can be trusted.

const ASK_MS = 2_000;
const PATIENCE_MS = 8_000;
const FORBIDDEN = new Set([401, 403]);

export class PageLine extends EventTarget {
  // content: given an answer, says whether the page is `filled`, `empty` or in a state of its own.
  constructor(url, { everyMs = ASK_MS, headers = () => ({}), content = () => "filled" } = {}) {
    super();
    this.url = url;
    this.everyMs = everyMs;
    this.headers = headers;
    this.judge = content;
    this.answer = null;
    this.heardAt = 0;
    this.failures = 0;
    this.forbidden = false;
    this.timer = 0;
    this.asking = false;
    document.addEventListener("visibilitychange", () => document.hidden || this.ask());
    window.addEventListener("online", () => this.ask());
  }

  // What is asked; a page that asks for what came since says so.
  question() {
    return this.url;
  }

  take(answer) {
    return answer;
  }

  async ask() {
    window.clearTimeout(this.timer);
    if (this.asking) return;
    this.asking = true;
    try {
      const options = { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store", headers: this.headers() };
      const answer = await fetch(this.question(), options);
      this.forbidden = FORBIDDEN.has(answer.status);
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      this.answer = this.take(await answer.json());
      this.heardAt = performance.now();
      this.failures = 0;
    } catch {
      this.failures += 1; // told by the state, and asked again
    }
    this.asking = false;
    this.dispatchEvent(new Event("answer"));
    // Jitter, so that many pages do not ask in the same moment; none while nobody looks.
    if (!document.hidden) this.timer = window.setTimeout(() => this.ask(), this.everyMs * (0.85 + Math.random() * 0.3));
  }

  // What the server's clock says now, so that a wrong clock here cannot make old news look fresh.
  get nowMs() {
    return this.answer ? this.answer.now_ms + performance.now() - this.heardAt : null;
  }

  // Age of the newest of what is shown in seconds; null before the first.
  get ageS() {
    const written = this.answer?.written_ms;
    return written ? Math.max(0, (this.nowMs - written) / 1_000) : null;
  }

  get state() {
    if (this.forbidden) return "forbidden";
    if (this.failures > 0) return "disconnected";
    if (!this.answer || this.answer.store === "unknown") return "connecting";
    if (this.answer.store === "down") return "store-down";
    return this.ageS !== null && this.ageS > this.answer.stale_s ? "stale" : "live";
  }

  get content() {
    return this.answer?.loaded ? this.judge(this.answer) : "loading";
  }
}
