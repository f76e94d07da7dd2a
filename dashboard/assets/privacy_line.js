// Asks the server what the page shows, every few seconds while somebody looks, and judges how far the answer can be trusted.

const ASK_MS = 2_000;
const PATIENCE_MS = 8_000;

export class Line extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    this.answer = null;
    this.heardAt = 0;
    this.failures = 0;
    this.timer = 0;
    this.asking = false;
    document.addEventListener("visibilitychange", () => document.hidden || this.ask());
    window.addEventListener("online", () => this.ask());
  }

  async ask() {
    window.clearTimeout(this.timer);
    if (this.asking) return;
    this.asking = true;
    try {
      const answer = await fetch(this.url, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      this.answer = await answer.json();
      this.heardAt = performance.now();
      this.failures = 0;
    } catch {
      this.failures += 1; // told by the state, and asked again
    }
    this.asking = false;
    this.dispatchEvent(new Event("answer"));
    // Jitter, so that many pages do not ask in the same moment; none while nobody looks.
    if (!document.hidden) this.timer = window.setTimeout(() => this.ask(), ASK_MS * (0.85 + Math.random() * 0.3));
  }

  // What the server's clock says now, so that a wrong clock here cannot make old news look fresh.
  get nowMs() {
    return this.answer ? this.answer.now_ms + performance.now() - this.heardAt : null;
  }

  // Age of the newest batch in seconds; null before the first.
  get ageS() {
    const written = this.answer?.written_ms;
    return written ? Math.max(0, (this.nowMs - written) / 1_000) : null;
  }

  get state() {
    if (this.failures > 0) return "disconnected";
    if (!this.answer || this.answer.store === "unknown") return "connecting";
    if (this.answer.store === "down") return "store-down";
    return this.ageS !== null && this.ageS > this.answer.stale_s ? "stale" : "live";
  }

  get content() {
    if (!this.answer?.loaded) return "loading";
    return this.answer.account || this.answer.audit.verdict !== "never" ? "filled" : "empty";
  }
}
