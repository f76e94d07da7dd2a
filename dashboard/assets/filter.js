// What the page is limited to, as the server writes it (storage/filters.py), so that the address bar is the question. Pure.

// In the order of the server's text; `last` is the page's own: so many seconds before the newest event.
export const NAMES = ["since", "until", "severity", "rule", "status", "verdict", "channel", "category", "currency", "amount", "subject", "box", "circle", "cell"];
const OF_PAYMENTS = ["verdict", "channel", "category"];
const MANY = ["severity", "rule", "verdict", "channel", "category"];
const EARTH_M = 6_371_008.8;

// "?severity=high&last=3600" -> { severity: "high", last: "3600" }: texts, as in the link; what nobody knows is left out.
export function parse(search) {
  const pairs = [...new URLSearchParams(search)].filter(([name, text]) => (NAMES.includes(name) || name === "last") && text);
  return Object.fromEntries(pairs);
}

export function write(filter) {
  return new URLSearchParams([...NAMES, "last"].filter((name) => filter[name]).map((name) => [name, filter[name]])).toString();
}

export function isEmpty(filter) {
  return write(filter) === "";
}

// With its beginning as a time: eventMs is the newest event's.
export function settled(filter, eventMs) {
  const { last, ...rest } = filter;
  if (!last || !eventMs || rest.since) return rest;
  return { ...rest, since: String(Math.max(0, eventMs - Number(last) * 1_000)) };
}

// What alerts can be limited to: the server refuses the rest.
export function forAlerts(filter) {
  return Object.fromEntries(Object.entries(filter).filter(([name]) => !OF_PAYMENTS.includes(name)));
}

export function holdsAlert(filter, alert, status) {
  const ends = [alert.first, alert.second];
  return (
    isWithin(filter, Math.max(...ends.map(({ minute_ms }) => minute_ms))) &&
    isOne(filter, "severity", alert.severity) &&
    isOne(filter, "rule", alert.rule) &&
    (!filter.status || filter.status === status) &&
    (!filter.subject || filter.subject === alert.subject) &&
    (!hasArea(filter) || ends.some(({ place }) => isIn(filter, place)))
  );
}

export function holdsPayment(filter, payment) {
  const [low, high] = amounts(filter);
  return (
    isWithin(filter, payment.minute_ms) &&
    MANY.filter((name) => name !== "rule").every((name) => isOne(filter, name, payment[name])) &&
    (!filter.currency || filter.currency === payment.currency) &&
    payment.amount >= low &&
    payment.amount <= high &&
    (!filter.subject || filter.subject === payment.subject) &&
    (!hasArea(filter) || isIn(filter, payment.place))
  );
}

export function holdsPerson(filter, position) {
  return (!filter.subject || filter.subject === position.id) && (!hasArea(filter) || isIn(filter, position.place));
}

// "10..500" -> [10, 500]; what is left out does not matter.
export function amounts({ amount }) {
  if (!amount) return [-Infinity, Infinity];
  const [low, high] = amount.split("..");
  return [low ? Number(low) : -Infinity, high ? Number(high) : Infinity];
}

function isWithin({ since, until }, ms) {
  return (!since || ms >= Number(since)) && (!until || ms < Number(until));
}

function isOne(filter, name, value) {
  return !filter[name] || filter[name].split(",").includes(value);
}

function hasArea({ box, circle, cell }) {
  return Boolean(box || circle || cell);
}

function isIn({ box, circle, cell }, place) {
  if (!place) return false;
  if (box) {
    const [south, west, north, east] = box.split(",").map(Number);
    const across = west <= east ? place.lon >= west && place.lon <= east : place.lon >= west || place.lon <= east;
    return place.lat >= south && place.lat <= north && across;
  }
  if (circle) {
    const [lat, lon, metres] = circle.split(",").map(Number);
    return away(lat, lon, place.lat, place.lon) <= metres;
  }
  return place.cell === cell;
}

function away(lat1, lon1, lat2, lon2) {
  const [p1, p2, dl] = [lat1, lat2, lon2 - lon1].map((degrees) => (degrees * Math.PI) / 180);
  const half = Math.sin((p2 - p1) / 2) ** 2 + Math.cos(p1) * Math.cos(p2) * Math.sin(dl / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(half)));
}
