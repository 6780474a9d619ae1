// Which language the page speaks: the reader's choice, else the browser's first. English is what the server sends; for
// another one the catalogue is fetched and the page translated at its edge.
(() => {
  const KEY = "workbench-language", YEAR = 365 * 24 * 3600;
  const catalogues = JSON.parse(document.getElementById("wb-languages")?.textContent || "{}");
  const isKnown = (name) => name === "en" || name in catalogues;
  const fromAddress = () => new URLSearchParams(location.search).get("language");
  const fromCookie = () => (document.cookie.match(/(?:^|;\s*)workbench-language=([a-z]+)/) || [])[1];
  const fromStorage = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const preferred = () => (navigator.languages?.[0] || navigator.language || "en").toLowerCase().split("-")[0];
  const chosen = [fromAddress(), fromCookie(), fromStorage()].find(isKnown);
  const language = [chosen, preferred()].find(isKnown) || "en";

  // In another site's frame a cookie must say that it may stand there; where none may, the address carries the choice.
  function keep(name) {
    const framed = window.top !== window && location.protocol === "https:";
    document.cookie = `${KEY}=${name}; Max-Age=${YEAR}; Path=/; ${framed ? "SameSite=None; Secure; Partitioned" : "SameSite=Lax"}`;
    try { localStorage.setItem(KEY, name); } catch { /* a browser that keeps nothing still switches */ }
    const address = new URL(location.href);
    if (fromCookie() === name) address.searchParams.delete("language"); else address.searchParams.set("language", name);
    return address.href;
  }
  const tag = (name) => (name === "zh" ? "zh-Hans" : name);

  document.documentElement.lang = tag(language);
  if (chosen && fromCookie() !== chosen) history.replaceState(history.state, "", keep(chosen));
  // Gradio takes the words of its own components from the browser's language.
  if (preferred() !== language) {
    const own = language === "zh" ? "zh-CN" : "en";
    Object.defineProperty(navigator, "language", { get: () => own, configurable: true });
    Object.defineProperty(navigator, "languages", { get: () => [own], configurable: true });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-language]");
    if (!button || button.dataset.language === language) return;
    const address = keep(button.dataset.language);
    if (address === location.href) location.reload(); else location.replace(address);
  });
  if (language in catalogues) {
    document.documentElement.classList.add("wb-wait-language");
    fetch(catalogues[language])
      .then((answer) => { if (!answer.ok) throw new Error(answer.statusText); return answer.json(); })
      .then((words) => workbenchTranslate(words, tag(language)))
      .catch((error) => console.warn(`The page stays in English: ${error.message}`))
      .finally(() => document.documentElement.classList.remove("wb-wait-language"));
  }
})();
