// What no component can do: remember light or dark, hang the grey counts on the tabs, keep explained terms on the screen,
// leave a page in peace.
(() => {
  const KEY = "workbench-theme";
  const LEAVING_MS = 10000;   // a page still here after that was not left after all
  const asked = () => new URLSearchParams(location.search).get("__theme");
  const remembered = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const preferred = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  let theme = [asked(), remembered()].find((name) => name === "dark" || name === "light") || preferred();

  function show() {
    const dark = theme === "dark";
    for (const node of [document.documentElement, document.body]) {
      if (node && node.classList.contains("dark") !== dark) node.classList.toggle("dark", dark);
    }
  }
  function choose(name) {
    theme = name;
    try { localStorage.setItem(KEY, name); } catch { /* a browser that keeps nothing still switches */ }
    show();
  }

  function hangCounts() {
    const counts = new Map([...document.querySelectorAll(".wb-tab-counts > [data-tab]")].map((n) => [n.dataset.tab.toLowerCase(), n.dataset.count]));
    if (!counts.size) return;
    for (const tab of document.querySelectorAll(".tab-container button")) {
      const count = counts.get(tab.dataset.tabId);   // the name on the tab may be in another language
      if (count === undefined || count === "") { if (tab.dataset.count) delete tab.dataset.count; }
      else if (tab.dataset.count !== count) tab.dataset.count = count;
    }
  }

  function placeTerm(event) {
    const term = event.target.closest && event.target.closest(".wb-term");
    if (!term) return;
    if (event.type !== "click") term.classList.remove("wb-closed");
    const text = term.querySelector(".wb-term-text");
    text.style.setProperty("--shift", "0px");
    const box = text.getBoundingClientRect();
    const shift = Math.min(0, document.documentElement.clientWidth - 8 - box.right);
    text.style.setProperty("--shift", `${Math.max(shift, 8 - box.left)}px`);
  }

  function start() {
    show();
    new MutationObserver(show).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    let waiting = false;
    new MutationObserver(() => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; hangCounts(); });
    }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-count", "data-tab"] });
    document.addEventListener("click", (event) => {
      if (event.target.closest("[data-theme-toggle]")) choose(theme === "dark" ? "light" : "dark");
    });
    for (const name of ["mouseover", "focusin"]) document.addEventListener(name, placeTerm);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") document.querySelectorAll(".wb-term:hover, .wb-term:focus-within").forEach((n) => n.classList.add("wb-closed"));
    });
  }
  // Gradio closes its connection the moment a page is to be left, and that page lives on until the next one answers: on a
  // slow server it asked for what was gone, and loaded itself a second time. What it asks meanwhile waits.
  addEventListener("beforeunload", () => {
    const ask = window.fetch, gone = new Promise((go) => { setTimeout(go, LEAVING_MS); });
    window.fetch = (...request) => gone.then(() => ask(...request));
  });
  show();
  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
})();
