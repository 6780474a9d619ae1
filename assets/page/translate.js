// Translates the page where it stands, and goes on as it changes: text between tags, what attributes say, the title.
// A sentence with <b>, <code> or an explained term in it is one message; only our own HTML may be put together anew.
function workbenchTranslate({ messages, glossary }, lang) {
  const phrases = workbenchPhrases(messages);
  const ATTRIBUTES = ["aria-label", "title", "placeholder", "alt", "data-label", "data-count"];
  const SKIPPED = "script, style, noscript, textarea, pre, code, kbd, .notranslate, .cm-editor, [translate=no], [contenteditable=true]";
  const INLINE = new Set(["B", "STRONG", "I", "EM", "CODE", "KBD", "SUB", "SUP", "A", "SPAN", "MARK", "SMALL", "TIME", "ABBR"]);
  const LOST = new Set(["B", "STRONG", "I", "EM", "CODE", "KBD", "SUB", "SUP", "MARK", "SMALL"]);
  const HAN = /[\u3400-\u9fff]/;
  const texts = new WeakMap();        // text node -> what it was set to
  const attributes = new WeakMap();   // element -> { attribute: what it was set to }
  const stays = (element) => {
    const near = element.closest(`${SKIPPED}, [translate=yes]`);
    return near !== null && near.getAttribute("translate") !== "yes";
  };
  const isOurs = (element) => element.closest(".wb-html, .wb-own") !== null;

  const terms = new Map(), explanations = new Map();
  for (const one of glossary) {
    for (const word of one.english) terms.set(word.toLowerCase(), one.words[0]);
    explanations.set(phrases.tidy(one.explained), one.text);
  }
  const byWord = new Map(glossary.flatMap((one) => one.words.map((word) => [word, one])));
  const everyTerm = byWord.size ? new RegExp([...byWord.keys()].sort((a, b) => b.length - a.length).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "g") : null;

  // Choices that are names: only what is said in several words is not one of them.
  const isName = (raw, element) => /^\S*$/.test(raw.trim()) && element?.closest(".wb-verbatim :is(ul, .token, .secondary-wrap)") != null;
  function said(raw, element) {
    if (isName(raw, element)) return null;
    if (element?.closest(".wb-term-text")) return explanations.get(phrases.tidy(raw)) ?? phrases.translate(raw);
    if (element?.closest(".wb-term-word")) return terms.get(phrases.tidy(raw).toLowerCase()) ?? phrases.translate(raw);
    return phrases.translate(raw);
  }
  function setText(node, text) { texts.set(node, text); if (node.data !== text) node.data = text; }
  function makeText(text) { const node = document.createTextNode(text); texts.set(node, text); return node; }

  function translateText(node) {
    if (texts.get(node) === node.data || !/[A-Za-z]/.test(node.data)) return;
    const found = said(node.data, node.parentElement);
    if (found !== null && found !== undefined) setText(node, found);
  }
  function translateAttributes(element) {
    for (const name of ATTRIBUTES) {
      const value = element.getAttribute(name);
      if (value === null || (name === "data-count" && !element.matches(".wb-tab-counts > *"))) continue;
      setAttribute(element, name, value);
    }
    if (element.matches("input[type=button], input[type=submit]") && element.value) setAttribute(element, "value", element.value);
  }
  function setAttribute(element, name, value) {
    const had = attributes.get(element) || {};
    if (had[name] === value || !/[A-Za-z]/.test(value)) return;
    const found = isName(value, element) ? null : phrases.translate(value);
    if (found === null) return;
    attributes.set(element, { ...had, [name]: found });
    element.setAttribute(name, found);
  }

  // Sentences of an element: neighbouring texts and inline elements, at least one of each. A term counts with its word alone.
  const isInline = (node) => node.nodeType === 3 || (node.nodeType === 1 && (node.matches("svg") || (INLINE.has(node.tagName) && [...node.querySelectorAll("*")].every((one) => INLINE.has(one.tagName) || one.closest(".wb-term, svg")))));
  const hasText = (node) => node.nodeType === 3 && node.data.trim() !== "";
  function sentences(element) {
    if (!element.firstElementChild || ![...element.childNodes].some(hasText) || !isOurs(element)) return [];
    const runs = [[]];
    for (const node of element.childNodes) if (isInline(node)) runs.at(-1).push(node); else runs.push([]);
    return runs.filter((run) => run.some(hasText) && run.some((node) => node.nodeType === 1));
  }
  // The text as it reads, with the places of its text nodes and of its elements; `tidy` keeps places in step.
  function flatten(nodes) {
    const spans = [];
    let text = "";
    const add = (raw) => {
      let more = raw.replace(/[ \t\r\n\f]+/g, " ");
      if (!text || text.endsWith(" ")) more = more.replace(/^ /, "");
      text += more;
    };
    const read = (node, top = false) => {
      if (node.nodeType === 3) { add(node.data.replace(/`/g, "")); return; }
      if (node.nodeType !== 1) return;
      const from = text.length;
      if (node.matches(".wb-term")) add(node.querySelector(".wb-term-word")?.textContent || "");
      else if (!node.matches("svg")) node.childNodes.forEach((child) => read(child));
      spans.push({ node, from, to: text.length, top });
    };
    nodes.forEach((node) => read(node, true));
    return { text: text.trimEnd(), spans };
  }

  function translateSentence(nodes) {
    const { text, spans } = flatten(nodes);
    if (!/[A-Za-z]{2}/.test(text)) return false;
    const found = phrases.find(text);
    if (!found) return false;
    const gaps = found.pieces.filter((piece) => typeof piece !== "string" && piece[2] !== "ending");
    const top = spans.filter((span) => span.top);
    const fills = (span) => gaps.find(([from, to]) => span.from >= from && span.to <= to && span.to > span.from);
    const empty = top.filter((span) => span.from === span.to);
    if (empty.some((span) => span.from > 0 && span.from < text.length)) return false;
    for (const span of top) {
      if (fills(span) || span.from === span.to || span.node.matches(".wb-term")) continue;
      if (!LOST.has(span.node.tagName) || spans.some((inner) => inner.node !== span.node && span.node.contains(inner.node) && fills(inner))) return false;
    }
    // What stays as it is must be elements: else each text says more by itself.
    for (const [from, to, kind] of gaps) {
      if (kind !== "between") continue;
      const between = [...text.slice(from, to)].filter((_, place) => !top.some((span) => from + place >= span.from && from + place < span.to)).join("");
      if (phrases.letters(between)) return false;
    }
    const place = nodes[0].parentNode, next = nodes.at(-1).nextSibling;
    const before = nodes[0].previousSibling && /^\s/.test(nodes[0].textContent), after = next && /\s$/.test(nodes.at(-1).textContent);
    const lost = top.filter((span) => !fills(span) && span.to > span.from && !span.node.matches(".wb-term"));
    const built = document.createDocumentFragment();
    empty.filter((span) => span.from === 0).forEach((span) => built.append(span.node));
    const mark = top.some((span) => span.node.matches(".wb-term"));
    let string = "";
    const flush = (next) => {
      let words = phrases.close(string);
      if (next === undefined || /^[，。；：、）]/.test(next)) words = words.trimEnd();
      if (words) built.append(...dressed(words, lost, mark));
      string = "";
    };
    for (const piece of found.pieces) {
      if (typeof piece === "string") { string += piece; continue; }
      const inside = top.filter((span) => span.to > span.from && span.from >= piece[0] && span.to <= piece[1]);
      if (!inside.length) { string += phrases.gapText(text.slice(piece[0], piece[1]), piece[2]); continue; }
      let at = piece[0];
      for (const span of inside) {
        string += text.slice(at, span.from);
        flush("");
        built.append(span.node);
        at = span.to;
      }
      string += text.slice(at, piece[1]);
    }
    flush();
    empty.filter((span) => span.from > 0).forEach((span) => built.append(span.node));
    [...built.children].filter((one) => one.matches(".wb-term")).forEach(holdSign);
    if (before) built.prepend(makeText(" "));
    if (after) built.append(makeText(" "));
    nodes.filter((node) => node.parentNode === place).forEach((node) => node.remove());
    place.insertBefore(built, next);
    return true;
  }

  // No line begins with a sign, but after a box such as a term a browser may break the line: the sign moves into the box.
  function holdSign(term) {
    const after = term.nextSibling, [signs] = (after?.nodeType === 3 && /^[，。；：、）！？]+/.exec(after.data)) || [];
    if (!signs) return;
    const held = document.createElement("span");
    held.append(makeText(signs));
    term.querySelector(".wb-term-word").after(held);
    setText(after, after.data.slice(signs.length));
  }

  // Backticks become <code>; what stood in <b> or <code> and is said alike stands in it again; terms are explained.
  function dressed(words, lost, mark) {
    const nodes = [];
    const seen = new Set();
    words.split(/(`[^`]*`)/).forEach((part) => {
      if (!part) return;
      if (part.startsWith("`") && part.endsWith("`") && part.length > 2) {
        const code = document.createElement("code");
        code.append(makeText(part.slice(1, -1)));
        nodes.push(code);
        return;
      }
      let rest = part;
      while (rest) {
        const next = nearest(rest, lost, mark, seen);
        if (!next) { nodes.push(makeText(rest)); break; }
        if (next.at) nodes.push(makeText(rest.slice(0, next.at)));
        nodes.push(next.node);
        rest = rest.slice(next.at + next.length);
      }
    });
    return nodes;
  }
  function nearest(text, lost, mark, seen) {
    let best = null;
    for (const span of lost) {
      if (seen.has(span)) continue;
      const inner = phrases.tidy(span.node.textContent), alike = [phrases.translate(inner), inner].find((one) => one && one.length > 1 && text.includes(one));
      if (!alike) continue;
      const at = text.indexOf(alike);
      if (!best || at < best.at) best = { at, length: alike.length, make: () => { const node = span.node.cloneNode(false); node.append(makeText(alike)); return node; }, span };
    }
    if (mark && everyTerm) {
      for (const found of text.matchAll(everyTerm)) {
        const one = byWord.get(found[0]);
        if (seen.has(one)) continue;
        if (!best || found.index < best.at) best = { at: found.index, length: found[0].length, make: () => term(found[0], one.text), span: one };
        break;
      }
    }
    if (!best) return null;
    seen.add(best.span);
    return { ...best, node: best.make() };
  }
  let numbered = 0;
  function term(word, text) {
    const id = `tz-${(numbered += 1)}`;
    const [outer, button, tip] = ["span", "button", "span"].map((tag) => document.createElement(tag));
    outer.className = "wb-term";
    button.type = "button";
    button.className = "wb-term-word";
    button.setAttribute("aria-describedby", id);
    button.append(makeText(word));
    tip.className = "wb-term-text";
    tip.setAttribute("role", "tooltip");
    tip.id = id;
    tip.append(makeText(text));
    outer.append(button, tip);
    return outer;
  }

  // The closed field of a Gradio dropdown holds its choice as an input's value: the translation is laid over it.
  const property = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
  function watchChoice(input) {
    const field = input.parentElement;
    const show = () => {
      const value = property.get.call(input), words = value && !stays(input) && !isName(value, input) ? phrases.translate(value) : null;
      if (words === null) field.removeAttribute("data-said"); else if (field.getAttribute("data-said") !== words) field.setAttribute("data-said", words);
    };
    if (!Object.hasOwn(input, "value")) {
      Object.defineProperty(input, "value", { configurable: true, get() { return property.get.call(input); }, set(value) { property.set.call(input, value); show(); } });
      for (const name of ["input", "change", "focus"]) input.addEventListener(name, show);
      let before = "";
      input.addEventListener("focus", () => { before = property.get.call(input); });
      input.addEventListener("blur", () => { if (HAN.test(property.get.call(input))) property.set.call(input, before); show(); });
    }
    show();
  }

  // Gradio looks for what is typed among its own English options: what is typed in Chinese is looked for here.
  function filterChoices(event) {
    const input = event.target;
    if (!input.matches?.("input[role=combobox]")) return;
    const own = event.isComposing || HAN.test(input.value);
    const options = document.getElementById(input.getAttribute("aria-controls"))?.querySelectorAll("[role=option]") || [];
    for (const one of options) one.hidden = own && !event.isComposing && !one.textContent.includes(input.value.trim());
    if (!own) return;
    event.stopImmediatePropagation();
    input.parentElement.removeAttribute("data-said");
  }
  document.addEventListener("input", filterChoices, true);

  function walk(node) {
    if (node.nodeType === 3) { translateText(node); return; }
    if (node.nodeType !== 1) return;
    if (node.matches("textarea")) translateAttributes(node);
    if (node.matches(SKIPPED)) { node.querySelectorAll("[translate=yes]").forEach(walk); return; }
    translateAttributes(node);
    if (node.matches("input[role=listbox], input[role=combobox]")) watchChoice(node);
    sentences(node).forEach(translateSentence);
    for (const child of [...node.childNodes]) walk(child);
  }
  // The element whose sentence a changed node is part of, else the node itself.
  function whole(node) {
    let up = node.parentElement;
    while (up && (INLINE.has(up.tagName) || up.matches(".wb-term-word"))) {
      if (sentences(up).length) return up;
      up = up.parentElement;
    }
    return up && sentences(up).length ? up : node;
  }
  function look(records) {
    const nodes = new Set();
    for (const { type, target, addedNodes } of records) {
      if (!target.isConnected) continue;
      const element = target.nodeType === 1 ? target : target.parentElement;
      if (!element || stays(type === "attributes" ? element.parentElement || element : element)) continue;
      if (type === "attributes") translateAttributes(target);
      else if (type === "characterData") { if (texts.get(target) !== target.data) nodes.add(whole(target)); }
      else for (const node of addedNodes) if (node.isConnected) nodes.add(whole(node));
    }
    nodes.forEach(walk);
    name();
    observer.takeRecords();
  }
  function name() {
    const title = phrases.translate(document.title);
    if (title !== null && document.title !== title) document.title = title;
    if (document.documentElement.lang !== lang) document.documentElement.lang = lang;
  }
  for (const name of ["--words-drop"]) {
    const words = phrases.translate(getComputedStyle(document.documentElement).getPropertyValue(name).trim().replace(/^"|"$/g, ""));
    if (words !== null) document.documentElement.style.setProperty(name, JSON.stringify(words));
  }
  const observer = new MutationObserver(look);
  observer.observe(document.documentElement, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: [...ATTRIBUTES, "value"] });
  walk(document.documentElement);
  name();
  observer.takeRecords();
}
