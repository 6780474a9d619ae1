// gr.HTML with buttons: a click on [data-action] reaches Python as event "action"; focus outlives a redraw.
const name = (node) => node && `${node.dataset.action || ""}\n${node.dataset.key || ""}`;
let held = null;
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button && element.contains(button)) trigger("action", { action: button.dataset.action, key: button.dataset.key || "" });
});
element.addEventListener("focusin", (event) => { held = name(event.target.closest("[data-action]")); });
element.addEventListener("focusout", (event) => { if (event.relatedTarget) held = null; });
document.addEventListener("pointerdown", (event) => { if (!element.contains(event.target)) held = null; });
watch("value", () => {
  const now = document.activeElement;
  if (held === null || (now !== document.body && !element.contains(now))) return;
  const same = [...element.querySelectorAll("[data-action]")].find((node) => name(node) === held);
  if (same && same !== now) same.focus({ preventScroll: true });
});
