// The readings of a phone in words and units; what it did not state stays a dash.

const NONE = "\u2013";
const POINTS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
const oneDigit = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const KMH = 3.6;

export function degrees(value) {
  return value === null || value === undefined ? NONE : `${value.toFixed(6)}\u00b0`;
}

export function metres(value) {
  return value === null || value === undefined ? NONE : `${oneDigit.format(value)} m`;
}

export function kmh(mps) {
  return mps === null || mps === undefined ? NONE : `${oneDigit.format(mps * KMH)} km/h`;
}

export function bearing(value) {
  if (value === null || value === undefined) return NONE;
  return `${Math.round(value)}\u00b0 ${POINTS[Math.round(value / 45) % 8]}`;
}

export function mean(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}
