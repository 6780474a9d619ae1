// Plays a recording: curves grow as time goes by. Everything is drawn here from what the section carries.
const W = 420, H = 180, LEFT = 44, RIGHT = 8, TOP = 8, BOTTOM = 22;
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
let film = null, now = 0, playing = false, last = 0, frame = 0;

const one = (selector) => element.querySelector(selector);
const number = (value) => (value === 0 ? "0" : Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(3));

function range(name) {
  const values = film.runs.flatMap((run) => run[name].map((point) => point[1]));
  if (!values.length) return null;
  const low = Math.min(...values), high = Math.max(...values), room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}
function until(points, seconds) { return points.filter((point) => point[0] <= seconds); }

function draw() {
  const section = one("[data-replay]");
  if (!section || !film) return;
  for (const svg of element.querySelectorAll("[data-plot]")) {
    const name = svg.dataset.plot, y = range(name), times = name === "score" && section.dataset.share ? 100 : 1;
    if (!y) { svg.innerHTML = ""; continue; }
    const px = (t) => LEFT + (W - LEFT - RIGHT) * t / (film.seconds || 1);
    const py = (v) => TOP + (H - TOP - BOTTOM) * (1 - (v - y[0]) / (y[1] - y[0]));
    const grid = [0.1, 0.5, 0.9].map((share) => y[0] + share * (y[1] - y[0]));
    const lines = grid.map((v) => `<path class="wb-replay-grid" d="M${LEFT} ${py(v).toFixed(1)}H${W - RIGHT}"/><text x="${LEFT - 6}" y="${(py(v) + 4).toFixed(1)}" text-anchor="end">${number(v * times)}</text>`);
    const ends = [0, film.seconds].map((t, i) => `<text x="${px(t)}" y="${H - 6}" text-anchor="${i ? "end" : "start"}">${number(t)} s</text>`);
    const seen = {};
    const curves = film.runs.map((run) => {
      const place = seen[run.css] = (seen[run.css] ?? -1) + 1, points = until(run[name], now);
      if (!points.length) return "";
      const path = points.map((p, i) => `${i ? "L" : "M"}${px(p[0]).toFixed(1)} ${py(p[1]).toFixed(1)}`).join("");
      const tip = points[points.length - 1];
      return `<g class="${run.css}"><path class="wb-replay-line" stroke-dasharray="${DASHES[place % DASHES.length]}" d="${path}"/><circle cx="${px(tip[0]).toFixed(1)}" cy="${py(tip[1]).toFixed(1)}" r="3.4"/></g>`;
    });
    svg.innerHTML = lines.join("") + ends.join("") + curves.join("");
  }
  film.runs.forEach((run, place) => {
    const row = one(`[data-run="${place}"]`), loss = until(run.loss, now).pop(), score = until(run.score, now).pop();
    const share = run.seconds ? Math.min(now / run.seconds, 1) : 1, times = section.dataset.share ? 100 : 1;
    row.querySelector("[data-step]").textContent = section.dataset.stepWords.replace("{step}", Math.round(share * run.steps)).replace("{steps}", run.steps);
    row.querySelector("[data-loss]").textContent = loss ? loss[1].toFixed(3) : "";
    row.querySelector("[data-score]").textContent = score ? number(score[1] * times) : "";
    row.querySelector("[data-final]").style.visibility = share >= 1 ? "visible" : "hidden";
    row.querySelector("[data-final]").hidden = false;
  });
  one("[data-clock]").textContent = `${now.toFixed(0)} / ${film.seconds.toFixed(0)} s`;
  one("[data-place]").value = film.seconds ? Math.round(1000 * now / film.seconds) : 1000;
}
function tick(at) {
  if (!playing || !element.isConnected) return;
  now = Math.min(now + (at - last) / 1000 * Number(one("[data-speed]").value), film.seconds);
  last = at;
  if (now >= film.seconds) play(false);
  draw();
  frame = requestAnimationFrame(tick);
}
function play(on) {
  playing = on;
  const button = one("[data-play]");
  if (button) button.textContent = on ? button.dataset.pauseWord : button.dataset.playWord;
  cancelAnimationFrame(frame);
  if (on) { if (now >= film.seconds) now = 0; last = performance.now(); frame = requestAnimationFrame(tick); }
}
function begin() {
  const section = one("[data-replay]");
  playing = false; now = 0;
  film = section ? JSON.parse(section.dataset.replay) : null;
  if (!film) return;
  draw();
  section.scrollIntoView({ block: "nearest" });
  one("[data-play]").focus({ preventScroll: true });
}
element.addEventListener("click", (event) => { if (event.target.closest("[data-play]")) play(!playing); });
element.addEventListener("input", (event) => {
  if (!event.target.matches("[data-place]")) return;
  play(false);
  now = film.seconds * Number(event.target.value) / 1000;
  draw();
});
watch("value", () => requestAnimationFrame(begin));
begin();
