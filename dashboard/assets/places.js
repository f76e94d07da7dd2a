// Names for cells: the biggest cities of the world (GeoNames, CC BY 4.0), for orientation only.

import { distance } from "./geo.js";

const NEAR_M = 60_000;

export class Places {
  constructor() {
    this.all = [];
    this.known = new Map();
  }

  async load(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`the place names were not found (${answer.status})`);
    this.all = (await answer.json()).map(([name, lat, lon, thousands]) => ({ name, lat, lon, thousands }));
    this.known.clear();
  }

  // The most telling city: near, and big for its distance.
  nearest(lat, lon) {
    const key = `${lat},${lon}`;
    if (!this.known.has(key)) {
      if (this.known.size > 20_000) this.known.clear();
      this.known.set(key, this.#find(lat, lon));
    }
    return this.known.get(key);
  }

  #find(lat, lon) {
    let best = null;
    let weight = Infinity;
    for (const place of this.all) {
      if (Math.abs(place.lat - lat) > 0.6) continue;
      const away = distance(lat, lon, place.lat, place.lon);
      const score = (away + 4_000) / Math.sqrt(place.thousands);
      if (away < NEAR_M && score < weight) {
        best = place;
        weight = score;
      }
    }
    return best;
  }

  name(place) {
    const near = this.nearest(place.lat, place.lon);
    if (near) return near.name;
    const ns = place.lat >= 0 ? "N" : "S";
    const ew = place.lon >= 0 ? "E" : "W";
    return `${Math.abs(place.lat).toFixed(1)}° ${ns} ${Math.abs(place.lon).toFixed(1)}° ${ew}`;
  }
}
