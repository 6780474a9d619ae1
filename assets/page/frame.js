// Says when the server is gone, looks again when the page comes back into view, and opens and closes panels on narrow screens.
(() => {
  const EVERY_MS = 5000;
  let first = null;      // which start of the server this page was loaded from
  let failures = 0;

  function show(words, reload) {
    const strip = document.getElementById("wb-lost");
    if (!strip) return;
    strip.hidden = !words;
    if (words) strip.querySelector(".wb-lost-words").textContent = words;
    strip.querySelector("[data-reload]").hidden = !reload;
  }
  async function listen() {
    if (document.hidden) return;
    try {
      const answer = await fetch("health", { cache: "no-store", signal: AbortSignal.timeout(4000) });
      if (!answer.ok) throw new Error(answer.statusText);
      const { started } = await answer.json();
      first = first || started;
      if (started !== first) show("Connected again. Reload to go on where you were.", true);
      else if (failures) { show(""); wake(); }
      failures = 0;
    } catch {
      failures += 1;
      if (failures > 1 || !navigator.onLine) show("Not connected. Runs go on.", false);
    }
  }
  function wake() { const button = document.querySelector("#wb-wake, #wb-wake button"); if (button) button.click(); }

  setInterval(listen, EVERY_MS);
  addEventListener("online", listen);
  addEventListener("offline", listen);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { listen(); wake(); } });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-reload]")) location.reload();
    const toggle = event.target.closest("[data-toggle]");
    if (toggle) document.querySelector(toggle.dataset.toggle)?.classList.toggle("wb-shown");
    const place = event.target.closest("[data-scroll]");
    if (place) document.querySelector(place.dataset.scroll)?.scrollIntoView({ block: "start" });
  });
  // What a button carries becomes a file here: nothing is written on the server.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-download][data-text]");
    if (!button) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([button.dataset.text], { type: "text/plain" }));
    link.download = button.dataset.download;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  // On narrow screens the drawer lies over the page: a card opens it, Close, Escape and a click beside it close it.
  const drawer = () => document.querySelector(".wb-drawer");
  document.addEventListener("click", (event) => {
    const node = drawer();
    if (!node) return;
    const card = event.target.closest(".wb-pick");
    if (card && !event.target.closest(".wb-tick")) node.classList.add("wb-shown");
    else if (event.target.closest("[data-close-drawer]")) close();
    else if (event.isTrusted && !node.contains(event.target) && document.contains(event.target)) node.classList.remove("wb-shown");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.closest && event.target.closest(".wb-pick")) drawer()?.classList.add("wb-shown");
    if (event.key === "Escape" && drawer()?.classList.contains("wb-shown")) close();
  });
  function close() {
    drawer()?.classList.remove("wb-shown");
    document.querySelector(".wb-pick.wb-opened .wb-tick")?.focus();
  }
  listen();
})();
