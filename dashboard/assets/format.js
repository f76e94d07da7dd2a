// How figures are told; times are told by times.js.

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });

export const SEVERITIES = ["low", "medium", "high"];

export function count(value) {
  return value < 100_000 ? whole.format(value) : compact.format(value);
}

// Every digit: where figures are added up in front of the reader.
export function exact(value) {
  return whole.format(value);
}

// "1 window", "3 windows".
export function counted(count, word, many = `${word}s`) {
  return `${exact(count)} ${count === 1 ? word : many}`;
}

export function share(value) {
  return value.toFixed(value !== 0 && Math.abs(value) < 0.01 ? 3 : 2);
}

export function percent(value) {
  return value > 0 && value < 0.01 ? "under 1 %" : `${whole.format(value * 100)} %`;
}

export function distance(metres) {
  if (metres < 1_000) return `${whole.format(metres)} m`;
  return metres < 100_000 ? `${oneDigit.format(metres / 1_000)} km` : `${whole.format(metres / 1_000)} km`;
}

// Rounded down, as in the sentence: never more than was computed.
export function speed(kmh) {
  return `${whole.format(Math.floor(kmh))} km/h`;
}

export function duration(seconds) {
  if (seconds < 60) return `${whole.format(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${minutes} min`;
}

// How often something is done: "hour", "10 min".
export function period(seconds) {
  return seconds === 3_600 ? "hour" : duration(seconds).replace(" h 00 min", " h");
}

export function money(amount, currency) {
  return `${currency} ${whole.format(amount)}`;
}

// "impossible-travel" -> "Impossible travel"
export function title(code) {
  const words = code.replaceAll(/[-_.]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const WITHOUT_PLACE = { "e-commerce": "Online", recurring: "Recurring" };

// An alert's two ends, in words; the same end twice is told once.
export function route(alert, places) {
  const [from, to] = [alert.first, alert.second].map((end) => where(end, places));
  return from === to ? from : `${from} → ${to}`;
}

export function where({ kind, place }, places) {
  return place ? places.name(place) : (WITHOUT_PLACE[kind] ?? "No place");
}

// What can be drawn: a line needs both its ends.
export function located(alert) {
  return Boolean(alert?.first.place && alert.second.place);
}

// Which rule, and why; where the rule has one reason only, its name says both.
export function why(alert) {
  const [rule, cause] = [title(alert.rule), title(alert.cause)];
  return rule === cause ? rule : `${rule}: ${cause.charAt(0).toLowerCase()}${cause.slice(1)}`;
}

// The sentence without the counterfactual; nothing where it only repeats rule and cause.
export function told(alert) {
  const sentence = headline(alert.sentence).replace(/\.$/, "");
  return sentence === why(alert) ? "" : sentence;
}

export function short(token) {
  return token.length > 10 ? token.slice(0, 8) : token;
}

// The sentence up to the counterfactual, which the evidence panel tells on a line of its own.
export function headline(sentence) {
  return sentence.split(/\.\s+Fine with/)[0];
}
