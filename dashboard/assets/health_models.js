// The learned rules in force: what they score, how often that was right, and what has drifted.

import { element } from "./dom.js";
import { exact } from "./format.js";
import { stateWord } from "./marks.js";
import { empty, table } from "./privacy_parts.js";
import { share } from "./units.js";

const SOME = 0.1;
const MUCH = 0.25;

function precision({ precision: value, low, high, confirmed, wrong }) {
  if (value === null) return element("span", { class: "quiet", title: "Nobody has labelled a payment that it would flag." }, "no label yet");
  const counts = `${exact(confirmed)} of ${exact(confirmed + wrong)}`;
  const about = "Payments at or above its threshold that people called fraud, of those they labelled in 90 days, over all versions; with Wilson's interval of 95 %.";
  return element("span", { title: about }, element("b", {}, share(value)), ` ${counts}, ${share(low)} to ${share(high)}`);
}

function drift({ drift_feature: feature, drift: index }) {
  if (index === null) return element("span", { class: "quiet", title: "Too few payments were scored since the service started." }, "too few yet");
  const [kind, word] = index >= MUCH ? ["wrong", "much"] : index >= SOME ? ["doubt", "some"] : ["good", "none"];
  const about = "Population stability index of the newest payments against training: below 0.1 is no drift, above 0.25 much. Of all figures, the one that moved farthest.";
  return element("span", { title: about }, stateWord(kind, word), ` ${feature} ${index.toFixed(2)}`);
}

export function drawModels(body, models) {
  if (!models.length) {
    body.replaceChildren(
      empty("No learned rule is in force.", "Train one with `veilocity models train`, put it in force with `veilocity models promote`, and set VEILOCITY_RULES_MODELS_DIR."),
    );
    return;
  }
  const rows = models.map((one) => [
    one.rule,
    element("span", { class: "where", title: "Version in force." }, one.version),
    exact(one.scored),
    exact(one.flagged),
    precision(one),
    drift(one),
  ]);
  const heads = ["Rule", "Version", "Scored", "At threshold", "Precision", "Worst drift"];
  const shown = table("Learned rules", heads, rows, { class: "table models" });
  for (const row of shown.querySelectorAll("tr")) for (const at of [1, 4, 5]) row.children[at].classList.add("text");
  body.replaceChildren(shown);
}
