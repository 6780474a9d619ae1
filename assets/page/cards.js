// Card grid: Space ticks, Enter opens, arrows move. What the server says is ticked (`props.ticks`) counts once all clicks made
// here are in it: until then it is older than what the reader sees. `props.value` are the keys that are ticked here.
// Folded families stay open over redraws, by key; folded or filtered cards are passed over by the arrows.
const cards = () => [...element.querySelectorAll(".wb-pick")];
const shown = () => cards().filter((card) => card.getClientRects().length);
const unfolded = new Set();
const keyOf = (card) => card.dataset.key;
const tickOf = (card) => card.querySelector(".wb-tick");
let current = null;   // the card that Tab reaches
let held = null;      // the card that has the focus, by key: a redraw may put another card in its place
let ticked = new Set(props.value || []);
let clicks = 0;
let heard = null;     // what the server said last of ticks
let asking = null;
const PATIENCE_MS = 4000;

function hear() {
  const { keys, clicks: known = null } = props.ticks || {};
  const words = JSON.stringify([keys, known]);
  if (!keys || words === heard) return;
  heard = words;
  if (known !== null && known < clicks) { ask(); return; }
  clicks = Math.max(clicks, known || 0);
  ticked = new Set(keys);
  if (String(props.value) !== String(keys)) props.value = [...keys];
}
function ask() {
  asking = asking || setTimeout(() => {
    asking = null;
    if (((props.ticks || {}).clicks ?? clicks) >= clicks) return;
    trigger("missed", { number: clicks });
    ask();
  }, PATIENCE_MS);
}
function draw() {
  for (const fold of element.querySelectorAll(".wb-more")) fold.open = unfolded.has(fold.dataset.more);
  const all = cards();
  const reachable = shown();
  if (!reachable.some((card) => keyOf(card) === current)) current = keyOf(reachable[0] || all[0] || { dataset: {} }) || null;
  for (const card of all) {
    const on = ticked.has(keyOf(card));
    card.classList.toggle("wb-on", on);
    card.classList.toggle("wb-opened", props.opened === keyOf(card));
    tickOf(card).setAttribute("aria-checked", String(on));
    tickOf(card).tabIndex = keyOf(card) === current ? 0 : -1;
  }
  for (const fold of element.querySelectorAll(".wb-more")) {
    const count = [...fold.querySelectorAll(".wb-pick")].filter((card) => ticked.has(keyOf(card))).length;
    fold.querySelector(".wb-more-ticked").textContent = count ? `${count} ticked` : "";
  }
}
function focus(card) { if (card) { current = keyOf(card); draw(); tickOf(card).focus(); } }
function tick(card) {
  const on = !ticked.has(keyOf(card));
  if (on && tickOf(card).getAttribute("aria-disabled") === "true") return;   // what was ticked before can be taken out
  if (on) ticked.add(keyOf(card)); else ticked.delete(keyOf(card));
  props.value = [...ticked];
  clicks += 1;
  draw();
  trigger("tick", { key: keyOf(card), ticked: on });
  ask();
}
function open(card) {
  props.opened = keyOf(card);
  draw();
  trigger("open", { key: keyOf(card) });
}
function above(card, step) {
  const box = card.getBoundingClientRect();
  const beyond = shown().map((other) => ({ other, at: other.getBoundingClientRect() }))
    .filter(({ at }) => (step > 0 ? at.top > box.top + 4 : at.top < box.top - 4));
  const row = step > 0 ? Math.min(...beyond.map(({ at }) => at.top)) : Math.max(...beyond.map(({ at }) => at.top));
  const near = beyond.filter(({ at }) => Math.abs(at.top - row) < 5);
  near.sort((a, b) => Math.abs(a.at.left - box.left) - Math.abs(b.at.left - box.left));
  return near.length ? near[0].other : null;
}
element.addEventListener("click", (event) => {
  const card = event.target.closest(".wb-pick");
  if (!card) return;
  current = keyOf(card);
  if (event.target.closest(".wb-tick")) tick(card); else { open(card); tickOf(card).focus({ focusVisible: false, preventScroll: true }); }
});
element.addEventListener("keydown", (event) => {
  const card = event.target.closest(".wb-pick");
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = shown();
  const place = all.indexOf(card);
  const moves = {
    ArrowRight: () => all[place + 1], ArrowLeft: () => all[place - 1], Home: () => all[0], End: () => all[all.length - 1],
    ArrowDown: () => above(card, 1), ArrowUp: () => above(card, -1),
  };
  if (event.key === "Enter") { event.preventDefault(); open(card); }
  else if (moves[event.key]) { event.preventDefault(); focus(moves[event.key]()); }
});
// Before the fold opens: a redraw may come between the click and the toggle.
element.addEventListener("click", (event) => {
  const summary = event.target.closest(".wb-more > summary");
  if (!summary) return;
  const fold = summary.parentElement;
  if (fold.open) unfolded.delete(fold.dataset.more); else unfolded.add(fold.dataset.more);
}, true);
element.addEventListener("toggle", (event) => {
  const fold = event.target;
  if (!fold.matches || !fold.matches(".wb-more") || !fold.isConnected) return;
  if (fold.open) unfolded.add(fold.dataset.more); else unfolded.delete(fold.dataset.more);
  draw();
}, true);
element.addEventListener("focusin", (event) => {
  const card = event.target.closest(".wb-pick");
  held = card ? keyOf(card) : null;
  if (card) { current = held; draw(); }
});
element.addEventListener("focusout", (event) => { if (event.relatedTarget) held = null; });
document.addEventListener("pointerdown", (event) => { if (!element.contains(event.target)) held = null; });
watch(["cards", "ticks", "opened"], () => {
  const now = document.activeElement;
  const wanted = held;
  hear();
  draw();
  if (wanted === null || (now !== document.body && !element.contains(now))) return;
  const card = cards().find((one) => keyOf(one) === wanted);
  if (card && tickOf(card) !== now) tickOf(card).focus({ preventScroll: true });
});
hear();
draw();
