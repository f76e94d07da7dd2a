// Dark or light before the first paint: what the reader chose, else what the system prefers.
"use strict";
(() => {
  const KEY = "veilocity-theme";
  const system = window.matchMedia("(prefers-color-scheme: light)");

  function chosen() {
    try {
      return window.localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden; the system's choice holds then
    }
  }

  function apply() {
    const theme = chosen() ?? (system.matches ? "light" : "dark");
    document.documentElement.dataset.theme = theme;
    window.dispatchEvent(new CustomEvent("veilocity-theme", { detail: theme }));
  }

  window.addEventListener("veilocity-theme-toggle", () => {
    try {
      window.localStorage.setItem(KEY, document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    } catch {
      return;
    }
    apply();
  });
  system.addEventListener("change", apply);
  apply();
})();
