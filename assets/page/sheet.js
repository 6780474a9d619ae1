// A sheet takes the focus when it is shown, closes on Escape, and gives the focus back. It watches the document, for a
// component is drawn some time after the event that shows it.
(() => {
  let open = null, from = null, placed = null;

  function look() {
    const shown = [...document.querySelectorAll(".wb-sheet")].find((one) => one.getClientRects().length) || null;
    if (!shown) {
      if (open && from && from.isConnected) from.focus({ preventScroll: true });
      open = from = placed = null;
      return;
    }
    const close = shown.querySelector("[data-action=close]");
    if (shown !== open) {
      from = document.activeElement;
      open = shown;
      placed = null;
      shown.setAttribute("role", "dialog");
      shown.onkeydown = (event) => { if (event.key === "Escape") shown.querySelector("[data-action=close]")?.click(); };
      shown.scrollTop = 0;
    }
    const title = shown.querySelector("h2")?.textContent || "";
    if (shown.getAttribute("aria-label") !== title) shown.setAttribute("aria-label", title);
    // Its head is drawn anew with each thing it shows: the focus, lost with the old button, goes to the new one.
    if (close && close !== placed && !shown.contains(document.activeElement)) close.focus({ preventScroll: true });
    placed = close;
  }

  function start() {
    let waiting = false;
    new MutationObserver(() => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; look(); });
    }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class", "style"] });
    look();
  }
  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
})();
