// The ground from a tile server, where a setting names one; the local outlines stay below it and are all there is without.

const TILE_PX = 256;
const DEEPEST = 17;
const KEPT = 300;
const MOST = 64;

export class Tiles {
  // drawn(): something arrived and the map is to be drawn again.
  constructor(url, drawn) {
    this.url = url ?? "";
    this.drawn = drawn;
    this.kept = new Map();
  }

  // Tiles are squares of the Mercator projection: in another one nothing is drawn.
  draw(context, camera, mercator) {
    if (!this.url || !mercator) return;
    const [width, height] = camera.size;
    const [west, north] = camera.place(0, 0);
    const [east, south] = camera.place(width, height);
    const worldPx = (width * 360) / Math.max(1e-9, east - west);
    const zoom = Math.max(0, Math.min(DEEPEST, Math.round(Math.log2(worldPx / TILE_PX))));
    const [left, top] = tileOf(west, north, zoom);
    const [right, bottom] = tileOf(east, south, zoom);
    if ((right - left + 1) * (bottom - top + 1) > MOST) return;
    context.globalAlpha = 0.85;
    for (let x = left; x <= right; x += 1) {
      for (let y = Math.max(0, top); y <= Math.min(2 ** zoom - 1, bottom); y += 1) this.#place(context, camera, zoom, x, y);
    }
    context.globalAlpha = 1;
  }

  #place(context, camera, zoom, x, y) {
    const picture = this.#picture(zoom, ((x % 2 ** zoom) + 2 ** zoom) % 2 ** zoom, y);
    if (!picture.complete || !picture.naturalWidth) return;
    const from = camera.point(...cornerOf(x, y, zoom));
    const to = camera.point(...cornerOf(x + 1, y + 1, zoom));
    if (from && to) context.drawImage(picture, from[0], from[1], to[0] - from[0], to[1] - from[1]);
  }

  #picture(zoom, x, y) {
    const url = this.url.replace("{z}", zoom).replace("{x}", x).replace("{y}", y);
    let picture = this.kept.get(url);
    if (!picture) {
      picture = new Image();
      picture.addEventListener("load", this.drawn);
      picture.src = url;
    }
    this.kept.delete(url);
    this.kept.set(url, picture);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    return picture;
  }
}

export function tileOf(lon, lat, zoom) {
  const sine = Math.sin((Math.max(-85.05, Math.min(85.05, lat)) * Math.PI) / 180);
  const count = 2 ** zoom;
  return [Math.floor(((lon + 180) / 360) * count), Math.floor((0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * count)];
}

// Latitude and longitude of a tile's upper left corner.
export function cornerOf(x, y, zoom) {
  const count = 2 ** zoom;
  return [(Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / count))) * 180) / Math.PI, (x / count) * 360 - 180];
}
