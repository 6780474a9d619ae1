// Sortable table: header buttons reorder the rows here, without asking the server. Empty cells come last either way,
// pinned rows (failed, references) stay below the others, and the reader's order outlives a redraw.
let order = null;     // { key, direction } once the reader has chosen
let held = null;
const heads = () => [...element.querySelectorAll("th[data-column]")];
const first = (key) => (heads().find((head) => head.dataset.column === key) || { dataset: {} }).dataset.first || "descending";

function apply() {
  const body = element.querySelector("tbody");
  if (!order || !body) return;
  const cell = (row) => row.querySelector(`[data-column="${CSS.escape(order.key)}"]`);
  const value = (row) => {
    const found = cell(row);
    if (!found || found.dataset.value === undefined) return null;
    const number = Number(found.dataset.value);
    return Number.isNaN(number) ? found.dataset.value : number;
  };
  const sign = order.direction === "ascending" ? 1 : -1;
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  };
  const below = new Map();   // rows that stay under another one, whatever the order
  const rows = [];
  for (const row of body.rows) {
    if (row.hasAttribute("data-below")) below.get(rows.at(-1).row).push(row);
    else { below.set(row, []); rows.push({ row, place: rows.length, pinned: row.hasAttribute("data-pinned"), value: value(row) }); }
  }
  rows.sort((a, b) => a.pinned - b.pinned || (a.pinned ? a.place - b.place : compare(a.value, b.value) || a.place - b.place));
  const focused = document.activeElement;
  body.append(...rows.flatMap(({ row }) => [row, ...below.get(row)]));
  if (body.contains(focused)) focused.focus({ preventScroll: true });
  let rank = 0;
  for (const { row, pinned } of rows) {
    const place = row.querySelector(".wb-rank");
    if (place) place.textContent = pinned ? "" : String(++rank);
  }
  for (const head of heads()) {
    if (head.dataset.column === order.key) head.setAttribute("aria-sort", order.direction); else head.removeAttribute("aria-sort");
  }
  const select = element.querySelector(".wb-sort-by select");
  if (select) select.value = order.key;
}
function sortBy(key, direction) { order = { key, direction }; apply(); }
const label = (node) => node && (node.dataset.action ? `${node.dataset.action}\n${node.dataset.key || ""}` : null);

element.addEventListener("click", (event) => {
  const head = event.target.closest(".wb-sort") && event.target.closest("th[data-column]");
  if (head) {
    const now = head.getAttribute("aria-sort");
    sortBy(head.dataset.column, now ? (now === "ascending" ? "descending" : "ascending") : first(head.dataset.column));
  }
  const button = event.target.closest("[data-action]");
  if (button) trigger("action", { action: button.dataset.action, key: button.dataset.key || "" });
});
element.addEventListener("change", (event) => {
  if (event.target.matches(".wb-sort-by select")) sortBy(event.target.value, first(event.target.value));
});
element.addEventListener("focusin", (event) => { held = label(event.target.closest("[data-action]")); });
element.addEventListener("focusout", (event) => { if (event.relatedTarget) held = null; });
watch("value", () => {
  const wanted = held;
  const now = document.activeElement;
  apply();
  if (wanted === null || (now !== document.body && !element.contains(now))) return;
  const same = [...element.querySelectorAll("[data-action]")].find((node) => label(node) === wanted);
  if (same && same !== document.activeElement) same.focus({ preventScroll: true });
});
