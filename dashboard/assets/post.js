// One place from which this dashboard is asked to do something: JSON, which no form of another site can send.

import { account } from "./account.js";

export async function post(url, body = {}, { headers = {}, keepalive = false } = {}) {
  const { csrf } = await account();
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", [csrf.header]: csrf.token, ...headers },
    body: JSON.stringify(body),
    cache: "no-store",
    keepalive,
    signal: keepalive ? undefined : AbortSignal.timeout(8_000),
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error ?? `the dashboard answers ${answer.status}: load the page again`);
  return told;
}
