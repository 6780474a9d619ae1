// gr.HTML with buttons: a click on [data-action] reaches Python as event "action"; one on [data-copy] copies the field beside
// it; focus outlives a redraw.
const name = (node) => node && `${node.dataset.action || ""}\n${node.dataset.key || ""}`;
let held = null;
const copyBeside = async (button) => {
  const field = button.parentElement.querySelector("input");
  field.select();
  // Browsers offer their clipboard on https and on one's own machine alone; a page in a class may be neither.
  try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
  button.textContent = button.dataset.copied;
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button && element.contains(button)) trigger("action", { action: button.dataset.action, key: button.dataset.key || "" });
  const copy = event.target.closest("[data-copy]");
  if (copy && element.contains(copy)) copyBeside(copy);
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
