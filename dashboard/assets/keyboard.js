// Single keys, on the whole page, ignored where somebody types.

const TYPING = "input:not([type=radio]), textarea, select, [contenteditable=true]";

export function listen(actions) {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPING)) return;
    if (document.querySelector("dialog[open]")) return;
    const list = event.target.closest?.("#alerts");
    const key = list && { ArrowDown: "j", ArrowUp: "k", Home: "first" }[event.key] ? { ArrowDown: "j", ArrowUp: "k", Home: "first" }[event.key] : event.key;
    // Enter or space on a button presses the button.
    if ((key === "Enter" || key === " ") && event.target.closest?.("button, a, summary")) return;
    const action = actions[key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
