// Services, equations, errors and sizes: lists that are the same as text and as figure.

import { element } from "./dom.js";
import { exact, title as worded } from "./format.js";
import { stateWord } from "./marks.js";
import { empty, facts, table, told } from "./privacy_parts.js";
import { bytes, share } from "./units.js";

const STATES = {
  answers: ["good", "answers"],
  unready: ["doubt", "not ready"],
  silent: ["wrong", "silent"],
  unasked: ["none", "not asked"],
};
const SUMS = { holds: ["good", "holds"], "in flight": ["doubt", "on its way"], violated: ["wrong", "does not hold"] };

export function drawServices(body, services) {
  const rows = services.map(({ name, title, state, where, advice, runbook }) => {
    const [kind, word] = STATES[state] ?? ["none", state];
    const lines = [element("div", { class: "service-line" }, element("b", {}, title), stateWord(kind, word))];
    if (where) lines.push(element("div", { class: "quiet where" }, where));
    if (advice) lines.push(element("p", { class: "advice" }, ...told(`${advice.charAt(0).toUpperCase()}${advice.slice(1)}.`)));
    if (runbook) lines.push(element("p", { class: "quiet where" }, runbook));
    return element("li", { class: "service", "data-service": name, "data-state": state }, ...lines);
  });
  body.replaceChildren(element("ul", { class: "services" }, ...rows));
}

export function drawBalance(body, balance) {
  if (!balance) {
    body.replaceChildren(
      empty("Not counted yet.", "Both stores are counted in the background while this page is open, once a minute. `veilocity doctor` counts at once."),
    );
    return;
  }
  const rows = balance.sums.map(({ name, left, right, state, sentence }) => {
    const [kind, word] = SUMS[state] ?? ["none", state];
    return element(
      "li",
      { class: "sum-line", "data-state": state },
      element("span", { class: "equation", title: sentence || name }, name),
      element("span", { class: "sides", title: "Left and right side." }, left === right ? exact(left) : `${exact(left)} and ${exact(right)}`),
      stateWord(kind, word, sentence),
    );
  });
  const broken = balance.sums.some(({ state }) => state === "violated");
  const note = element(
    "p",
    { class: "note quiet" },
    ...told(broken ? "Something was lost or doubled: keep the state folder and the logs; `veilocity doctor` adds up the way before the stores, too." : "`veilocity doctor` also adds up the way from the gateway to here."),
  );
  body.replaceChildren(element("ul", { class: "sums" }, ...rows), note);
}

export function drawErrors(body, problems) {
  if (!problems.length) {
    body.replaceChildren(empty("Nothing was refused, lost or tried again.", "Since the services started. What is refused later is listed here with its reason."));
    return;
  }
  const rows = problems.map(({ service, what, reason, lately, ever }) => [
    worded(reason),
    element("span", { title: `Counted by ${service}.` }, what),
    element("span", { class: lately ? "lately" : "quiet" }, exact(lately)),
    exact(ever),
  ]);
  const shown = table("Errors by reason", ["Reason", "What", "Lately", "Ever"], rows, { class: "table errors" });
  for (const row of shown.querySelectorAll("tr")) row.children[1].classList.add("text");
  body.replaceChildren(shown);
}

export function drawSizes(body, sizes) {
  if (!sizes.length) {
    body.replaceChildren(empty("Nobody tells.", "Sizes come from the services' metrics: start them, or set their ports."));
    return;
  }
  const say = { bytes, share, count: exact };
  body.replaceChildren(facts(sizes.map(({ name, about, value, unit }) => [name, say[unit](value), about, unit === "share" && value < 0.1 ? "wrong" : ""])));
}
