// Asking the dashboard for something: what failed is a sentence, never an exception.

// Whether it makes sense to ask again by oneself: somebody looks, and the last word of the line was good.
export function answering() {
  return !document.hidden && ["live", "stale"].includes(document.body.dataset.connection);
}

// Body, or status and a sentence; never throws.
export async function get(path) {
  try {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(8_000) });
    const body = await answer.json().catch(() => null);
    if (answer.ok && body) return { status: answer.status, body };
    return { status: answer.status, body: null, error: body?.error ?? `The dashboard answers ${answer.status}.` };
  } catch {
    return { status: 0, body: null, error: "Is it running? The page tries again by itself." };
  }
}
