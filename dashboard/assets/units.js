// Sizes, shares and short times with the unit that fits.

const number = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

export function bytes(value) {
  let size = value;
  for (const unit of ["B", "kB", "MB"]) {
    if (size < 1_000) return `${number.format(size)} ${unit}`;
    size /= 1_000;
  }
  return `${number.format(size)} GB`;
}

export function share(value) {
  return value > 0 && value < 0.001 ? `${(value * 100).toPrecision(1)} %` : `${number.format(value * 100)} %`;
}

// 0.0123 -> "12 ms", 1.5 -> "1.5 s", 90 -> "1.5 min".
export function span(seconds) {
  if (seconds < 0.001) return "under 1 ms";
  if (seconds < 1) return `${number.format(seconds * 1_000 < 10 ? seconds * 1_000 : Math.round(seconds * 1_000))} ms`;
  if (seconds < 60) return `${number.format(seconds)} s`;
  return seconds < 3_600 ? `${number.format(seconds / 60)} min` : `${number.format(seconds / 3_600)} h`;
}

export function rate(value) {
  return `${number.format(value)}/s`;
}
