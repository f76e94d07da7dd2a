// What may become of a case, as the server has it (storage/cases/model.py; a test holds the two together). Pure.

// From and to, and whether a reason is needed.
export const TRANSITIONS = {
  "new acknowledged": false,
  "acknowledged confirmed_fraud": true,
  "acknowledged false_positive": true,
  "acknowledged closed": true,
  "confirmed_fraud closed": false,
  "false_positive closed": false,
  "confirmed_fraud acknowledged": true,
  "false_positive acknowledged": true,
  "closed acknowledged": true,
};

export const STATUSES = ["new", "acknowledged", "confirmed_fraud", "false_positive", "closed"];

export const ACTIONS = [
  { to: "acknowledged", word: "Acknowledge", key: "a" },
  { to: "confirmed_fraud", word: "Confirm fraud", key: "c" },
  { to: "false_positive", word: "False positive", key: "f" },
  { to: "closed", word: "Close", key: "x" },
];

export function statusOf(found) {
  return found?.status ?? "new";
}

// "confirmed_fraud" -> "confirmed fraud"
export function statusWord(status) {
  return status.replaceAll("_", " ");
}

// The steps from one status to another; judging a new alert acknowledges it on the way. Null where there is none.
export function steps(from, to) {
  if (`${from} ${to}` in TRANSITIONS) return [to];
  if (from === "new" && `acknowledged ${to}` in TRANSITIONS) return ["acknowledged", to];
  return null;
}

export function needsReason(from, to) {
  const way = steps(from, to) ?? [];
  return way.some((step, index) => TRANSITIONS[`${index ? way[index - 1] : from} ${step}`]);
}

export function wordOf(from, { to, word }) {
  return to === "acknowledged" && !["new", "acknowledged"].includes(from) ? "Reopen" : word;
}
