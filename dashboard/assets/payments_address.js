// What the page is of stands in the address and nowhere else: a link reproduces the view, and the browser's own way back works.

export class Address extends EventTarget {
  constructor() {
    super();
    this.params = new URLSearchParams(window.location.search);
    window.addEventListener("popstate", () => {
      this.params = new URLSearchParams(window.location.search);
      this.dispatchEvent(new Event("change"));
    });
  }

  get query() {
    return this.params.toString();
  }

  get(name) {
    return this.params.get(name) ?? "";
  }

  // An empty value leaves the name out.
  set(changes) {
    const before = this.query;
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null) this.params.delete(name);
      else this.params.set(name, value);
    }
    this.#go(before);
  }

  // Everything but the time.
  clear() {
    const before = this.query;
    for (const name of [...this.params.keys()]) if (!["last", "since", "until"].includes(name)) this.params.delete(name);
    this.#go(before);
  }

  toggle(name, value) {
    this.set({ [name]: this.get(name) === value ? "" : value });
  }

  #go(before) {
    if (this.query === before) return;
    window.history.pushState(null, "", `${window.location.pathname}${this.query ? `?${this.query}` : ""}`);
    this.dispatchEvent(new Event("change"));
  }
}
