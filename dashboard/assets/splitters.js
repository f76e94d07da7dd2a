// The borders between map, list and evidence: drawn with the pointer or the arrow keys, remembered by this browser.

import { byId, element } from "./dom.js";

const KEY = "veilocity-parts";
const STEP_PX = 24;
const PARTS = {
  side: { name: "--side-width", axis: "x", label: "Width of the list", least: 280, most: () => window.innerWidth * 0.6 },
  evidence: { name: "--evidence-height", axis: "y", label: "Height of the evidence", least: 96, most: () => window.innerHeight - 220 },
};

export function addSplitters() {
  const desk = byId("desk");
  const kept = read();
  for (const [part, rules] of Object.entries(PARTS)) {
    const bar = element("div", {
      class: `splitter ${part === "evidence" ? "below" : "beside"}`,
      role: "separator",
      tabindex: "0",
      "aria-label": rules.label,
      "aria-orientation": rules.axis === "x" ? "vertical" : "horizontal",
      "aria-valuemin": rules.least,
    });
    const put = (pixels) => {
      const size = Math.round(Math.max(rules.least, Math.min(rules.most(), pixels)));
      desk.style.setProperty(rules.name, `${size}px`);
      tell(size);
      return size;
    };
    const tell = (size) => {
      bar.setAttribute("aria-valuenow", size);
      bar.setAttribute("aria-valuemax", Math.round(rules.most()));
    };
    const keep = (size) => {
      kept[part] = size;
      write(kept);
    };
    const measured = () => (rules.axis === "x" ? desk.querySelector(".side").offsetWidth : byId("evidence").offsetHeight);
    drag(bar, (event) => (rules.axis === "x" ? window.innerWidth - event.clientX : window.innerHeight - event.clientY), put, keep);
    bar.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: 1, ArrowUp: 1, ArrowRight: -1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      keep(put(measured() + by * STEP_PX));
    });
    bar.addEventListener("dblclick", () => {
      desk.style.removeProperty(rules.name);
      keep(null);
      tell(measured());
    });
    desk.querySelector(".work").append(bar); // inside the landmark
    if (kept[part]) put(kept[part]);
    else tell(measured());
  }
}

function drag(bar, size, put, keep) {
  bar.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    bar.focus();
    bar.setPointerCapture(event.pointerId);
    let last = null;
    const move = (moved) => {
      last = put(size(moved));
    };
    bar.addEventListener("pointermove", move);
    bar.addEventListener("lostpointercapture", () => {
      bar.removeEventListener("pointermove", move);
      if (last !== null) keep(last);
    }, { once: true });
  });
}

// Storage may be forbidden: the sizes then hold until the page closes.
function read() {
  try {
    return JSON.parse(window.localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function write(kept) {
  try {
    window.localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // nothing to do
  }
}
