// The latest readings, newest first, as the phone stated them.

import { element } from "./dom.js";
import { empty, table } from "./privacy_parts.js";
import { bearing, degrees, kmh, metres } from "./phone_values.js";
import { localSecond, when } from "./times.js";

const ROWS = 40;

export function drawLatest(body, readings) {
  if (!readings.length) {
    body.replaceChildren(empty("No reading yet.", "The first one is told here and beside the phone's name."));
    return;
  }
  const rows = readings
    .slice(-ROWS)
    .reverse()
    .map((one) => [
      element("span", {}, when(one.at_ms, localSecond(one.at_ms), true), one.flags ? element("b", { class: "doubtful", title: "What is doubtful about the reading, as the gateway saw it." }, ` ${one.flags}`) : ""),
      degrees(one.lat),
      degrees(one.lon),
      metres(one.accuracy_m),
      kmh(one.speed_mps),
      metres(one.altitude_m),
      bearing(one.bearing_deg),
    ]);
  body.replaceChildren(table("Latest readings, newest first", ["At", "Latitude", "Longitude", "Accuracy", "Speed", "Altitude", "Bearing"], rows, { class: "table latest" }));
}
