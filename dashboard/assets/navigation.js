// The single keys that open the other pages, as the bar itself names them.

export function pageKeys() {
  const links = document.querySelectorAll(".pages a[data-key]:not([aria-current])");
  return Object.fromEntries([...links].map((link) => [link.dataset.key, () => link.click()]));
}
