// What keys do, outside of fields.

const byId = (id) => document.getElementById(id);

/** `actions` by key. */
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    const field = event.target.closest("input, select");
    if (event.key === "Escape" && field) {
      field.blur();
      return;
    }
    if (field && !(event.key === "ArrowDown" && field.type === "search")) return;
    // What a button does with the space bar is its own.
    if (event.key === " " && event.target.closest("button, a, summary")) return;
    if (actions[event.key]?.() !== undefined) event.preventDefault();
  });
}

export function showHelp() {
  byId("keys").showModal();
}
