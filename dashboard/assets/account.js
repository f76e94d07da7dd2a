// Who looks at the page: the menu in its bar, what a change must carry, and the way to the login once the session is over.

import { byId, element } from "./dom.js";

const ASK_AGAIN_MS = 5_000;
const SEEN_MS = 60_000;
const WORDS = { view: "see masked alerts", triage: "judge alerts", unmask: "open sealed evidence", admin: "say who may log in" };

let asked = null;
let askedAt = -Infinity;
let seenAt = -Infinity;

function leave() {
  const here = window.location.pathname + window.location.search + window.location.hash;
  window.location.assign(`/login?next=${encodeURIComponent(here)}`);
}

async function ask() {
  askedAt = performance.now();
  const answer = await fetch("/api/account", { cache: "no-store" });
  if (answer.status === 401) leave();
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

// Name, role, what that role may do, and whether anybody logs in at all; asked once.
export function account() {
  asked ??= ask().catch((error) => {
    asked = null; // a server that is away is asked again
    throw error;
  });
  return asked;
}

// Sends a change with the session's token; answers status and body, whatever the status is.
export async function send(path, body = {}) {
  const { csrf } = await account();
  const headers = { "Content-Type": "application/json", [csrf.header]: csrf.token };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status === 401) leave();
  return { status: answer.status, ...(answer.status === 204 ? {} : await answer.json()) };
}

function menu(who) {
  const token = element("input", { type: "hidden", name: "csrf", value: who.csrf.token });
  const duties = who.may.map((role) => element("li", {}, WORDS[role] ?? role));
  const summary = element("summary", { title: "Your account" }, element("span", {}, who.name), element("small", {}, who.role));
  const details = element(
    "details",
    { class: "account-menu" },
    summary,
    element(
      "div",
      { class: "account-sheet" },
      element("p", {}, "You may"),
      element("ul", {}, ...duties),
      who.may.includes("admin") ? element("a", { href: "/accounts" }, "Accounts") : null,
      element("a", { href: "/password" }, "Change password"),
      element("form", { method: "post", action: "/logout" }, token, element("button", { type: "submit" }, "Log out")),
    ),
  );
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.stopPropagation();
    details.open = false;
    summary.focus();
  });
  document.addEventListener("click", (event) => {
    if (!details.contains(event.target)) details.open = false;
  });
  return details;
}

// A person is there: without this a map that is only looked at would count as left alone.
function seen() {
  if (performance.now() - seenAt < SEEN_MS) return;
  seenAt = performance.now();
  send("/api/account/seen").catch(() => {}); // the connection's state tells what is wrong
}

// A line that is lost may be a session that is over.
function follow() {
  const look = () => {
    if (document.body.dataset.connection === "disconnected" && performance.now() - askedAt > ASK_AGAIN_MS) ask().catch(() => {});
  };
  new MutationObserver(look).observe(document.body, { attributes: true, attributeFilter: ["data-connection"] });
  window.addEventListener("pageshow", (event) => event.persisted && ask().catch(() => {}));
}

function place() {
  return new Promise((resolve) => {
    const found = byId("who");
    if (found) return resolve(found);
    const observer = new MutationObserver(() => {
      const node = byId("who");
      if (!node) return;
      observer.disconnect();
      resolve(node);
    });
    return observer.observe(document.body, { childList: true, subtree: true });
  });
}

async function begin() {
  const who = await account();
  if (!who.login) return;
  follow();
  for (const kind of ["pointerdown", "keydown"]) window.addEventListener(kind, seen, { passive: true });
  (await place()).replaceChildren(menu(who));
}

begin().catch(() => window.setTimeout(() => begin().catch(() => {}), ASK_AGAIN_MS));
