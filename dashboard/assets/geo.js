// Geometry on the mean sphere, for drawing only: what is claimed about distances was computed by the rules.

const EARTH_M = 6_371_008.8;
const RADIANS = Math.PI / 180;

export function distance(lat1, lon1, lat2, lon2) {
  const a = Math.sin(((lat2 - lat1) * RADIANS) / 2);
  const b = Math.sin(((lon2 - lon1) * RADIANS) / 2);
  return 2 * EARTH_M * Math.asin(Math.sqrt(Math.min(1, a * a + Math.cos(lat1 * RADIANS) * Math.cos(lat2 * RADIANS) * b * b)));
}

// [[lat, lon], ...] along the shortest way, both ends included.
export function greatCircle(lat1, lon1, lat2, lon2, steps = 96) {
  const angle = distance(lat1, lon1, lat2, lon2) / EARTH_M;
  const sine = Math.sin(angle);
  if (sine < 1e-9) return [[lat1, lon1], [lat2, lon2]];
  const [p1, l1, p2, l2] = [lat1, lon1, lat2, lon2].map((value) => value * RADIANS);
  const points = [];
  for (let step = 0; step <= steps; step += 1) {
    const a = Math.sin((1 - step / steps) * angle) / sine;
    const b = Math.sin((step / steps) * angle) / sine;
    const x = a * Math.cos(p1) * Math.cos(l1) + b * Math.cos(p2) * Math.cos(l2);
    const y = a * Math.cos(p1) * Math.sin(l1) + b * Math.cos(p2) * Math.sin(l2);
    const z = a * Math.sin(p1) + b * Math.sin(p2);
    points.push([Math.atan2(z, Math.hypot(x, y)) / RADIANS, Math.atan2(y, x) / RADIANS]);
  }
  return points;
}

export function circle(lat, lon, metres, steps = 60) {
  const angle = metres / EARTH_M;
  const points = [];
  for (let step = 0; step <= steps; step += 1) {
    const bearing = (2 * Math.PI * step) / steps;
    const sine = Math.sin(lat * RADIANS) * Math.cos(angle) + Math.cos(lat * RADIANS) * Math.sin(angle) * Math.cos(bearing);
    const east = Math.sin(bearing) * Math.sin(angle) * Math.cos(lat * RADIANS);
    points.push([Math.asin(sine) / RADIANS, lon + Math.atan2(east, Math.cos(angle) - Math.sin(lat * RADIANS) * sine) / RADIANS]);
  }
  return points;
}

// The same place inside a cell for the same person, every time (FNV-1a): a cell of twelve people shows twelve dots, none of them exact.
export function spread(id, lat, lon, metres) {
  let hash = 2_166_136_261;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 16_777_619);
  const u = ((hash >>> 0) % 65_536) / 65_536;
  const v = (hash >>> 16) / 65_536;
  const radius = metres * Math.sqrt(u);
  return [
    lat + (radius * Math.sin(2 * Math.PI * v)) / (EARTH_M * RADIANS),
    lon + (radius * Math.cos(2 * Math.PI * v)) / (EARTH_M * RADIANS * Math.max(0.05, Math.cos(lat * RADIANS))),
  ];
}

export function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

export { EARTH_M, RADIANS };
