// Codes as words: where the first letter alone would make a wrong one, the word stands here.

import { title } from "./format.js";

const NAMES = { atm: "ATM", "e-commerce": "E-commerce", "(none)": "Not known" };

export function named(code) {
  return NAMES[code] ?? title(code);
}
