"use strict";
(() => {
  // plotly sets style attributes as text, which the page's policy forbids; the same by way of the style object is allowed.
  const setAttribute = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style") this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };

  const plots = JSON.parse(document.getElementById("plots").textContent);
  const drawn = new Set();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const seeThrough = (hex) => `rgba(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(",")},0.18)`;

  const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  function traces(plot) {
    const found = [];
    if (plot.band) {
      const edge = { x: plot.band.x, type: "scatter", mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
      found.push({ ...edge, y: plot.band.low, showlegend: false });
      found.push({ ...edge, y: plot.band.high, name: plot.band.name, fill: "tonexty", fillcolor: seeThrough(colour("estimate")) });
    }
    for (const curve of plot.curves) {
      const paint = colour(curve.role);
      const one = { x: curve.x, y: curve.y, name: curve.name };
      if (curve.mark === "b") Object.assign(one, { type: "bar", marker: { color: paint } });
      else if (curve.mark === "p") Object.assign(one, { type: "scatter", mode: "markers", marker: { color: paint, size: plot.bare ? 9 : 5 } });
      else {
        const line = { color: paint, width: plot.bare ? 1 : 2, dash: curve.mark === "d" ? "dot" : "solid", shape: curve.mark === "s" ? "hv" : "linear" };
        Object.assign(one, { type: "scatter", mode: "lines", line });
        if (plot.bare) one.hoverinfo = "skip";
      }
      if (curve.labels) Object.assign(one, { text: curve.labels, hovertemplate: "%{text}<extra></extra>" });
      found.push(one);
    }
    return found;
  }

  function layout(plot) {
    const axis = { gridcolor: colour("line"), linecolor: colour("line"), zeroline: false, automargin: true, title: { standoff: 8, font: { size: 12 } } };
    const logarithmic = { type: "log", exponentformat: "power", dtick: 1 };
    const found = {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: colour("quiet") },
      margin: { l: 56, r: 8, t: 28, b: 40 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
      hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("line"), font: { color: colour("text") } },
      barmode: "overlay",
      bargap: 0.35,
      xaxis: { ...axis, title: { ...axis.title, text: short(plot.x, 60) } },
      yaxis: { ...axis, title: { ...axis.title, text: short(plot.y, 34) } },
    };
    const places = [...new Set(plot.curves.flatMap((curve) => curve.x))];
    if (plot.lx) {
      Object.assign(found.xaxis, logarithmic);
      if (places.every((place) => place >= 1)) found.xaxis.tickformat = "~s";
      // A few sizes are their own marks; decades alone would leave most of them unnamed.
      if (places.length <= 10) Object.assign(found.xaxis, { tickmode: "array", tickvals: places, ticktext: places.map((place) => place.toLocaleString("en")) });
    }
    if (plot.ly) Object.assign(found.yaxis, logarithmic, plot.curves.every((curve) => curve.y.every((value) => value === null || value >= 1)) ? { tickformat: "~s" } : {});
    if (plot.curves.some((curve) => curve.mark === "b")) {
      Object.assign(found.xaxis, { type: "category", tickmode: "array", tickvals: places, ticktext: places.map((place) => short(place, 24)) });
    }
    if (plot.bare) {
      for (const one of [found.xaxis, found.yaxis]) Object.assign(one, { visible: false });
      found.yaxis.scaleanchor = "x";
      found.hovermode = "closest";
    }
    return found;
  }

  function draw(place) {
    const plot = plots[Number(place.dataset.plot)];
    drawn.add(place);
    window.Plotly.react(place, traces(plot), layout(plot), { displayModeBar: false, responsive: true }).then(() => {
      place.dataset.drawn = "yes";
    });
  }

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "600px" });
  const places = [...document.querySelectorAll(".plot")];
  places.forEach((place) => near.observe(place));
  window.matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("beforeprint", () => places.filter((place) => !drawn.has(place)).forEach(draw));

  const links = new Map([...document.querySelectorAll("nav li a")].map((link) => [link.hash.slice(1), link]));
  const here = new IntersectionObserver((entries) => {
    for (const entry of entries) links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
  }, { rootMargin: "-20% 0px -75% 0px" });
  document.querySelectorAll("section").forEach((section) => here.observe(section));
})();
